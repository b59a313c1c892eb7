import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { runInNamespace } from '../lab/program.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { examples, flowproxy, readableByNobody, start } from './flowproxy.ts'
import { ManifestDirectory, manifestText, served, service, slice } from './manifests.ts'

describe('flowproxy render', { concurrency: 4 }, () => {
  const renderExamples = ['render', '--manifests', examples]

  test('prints the same bytes for the same manifests', async () => {
    const { status, stdout, stderr } = await flowproxy(renderExamples)
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
    assert.match(stdout, /^table ip kube-proxy \{\n/)
    assert.match(stdout, /^table ip6 kube-proxy \{\n/m)
    assert.equal((await flowproxy(renderExamples)).stdout, stdout)
  })

  test('prints the same bytes however the objects are spread over files', async (context) => {
    const [cart, web] = [
      served('cart', '10.96.0.1', ['10.1.0.1', '10.1.0.2']),
      served('web', '10.96.0.2', ['10.1.0.3']),
    ]
    const apart = await directory(context, {
      'a.yaml': cart,
      'b.json': manifestText([...web].slice(0, 1)),
      'c.yml': web,
    })
    const together = await directory(context, { 'all.yaml': [...web, ...cart].toReversed() })
    const list = await directory(context, {
      'list.json': JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...web, ...cart] }),
    })
    const [first, second, third] = await Promise.all([apart, together, list].map((path) => render(path)))
    assert.equal(second?.stdout, first?.stdout)
    assert.equal(third?.stdout, first?.stdout)
    assert.match(third?.stdout ?? '', /10\.96\.0\.1 \. 80 \. 1 : 10\.1\.0\.2 \. 8080/)
  })

  test('needs no root', needs(readableByNobody), async () => {
    const { stdout } = await flowproxy(renderExamples)
    assert.deepEqual(await flowproxy(renderExamples, { isNobody: true }), { status: 0, stdout, stderr: '' })
  })

  test('prints what nft accepts', needs(root, tool('nft')), async (context) => {
    const namespace = NetworkNamespace.create()
    context.after(() => namespace.close())
    const { stdout } = await flowproxy([...renderExamples, ...withoutFastpath])
    assert.deepEqual(runInNamespace(namespace, 'nft', ['-c', '-f', '-'], stdout), { status: 0, stdout: '', stderr: '' })
  })

  test('prints the table of the fast path behind the others, empty but for what does not depend on the machine', async () => {
    const golden = await readFile(new URL('../dataplane/golden/fastpath-empty.nft', import.meta.url), 'utf8')
    const [byDefault, higher] = await Promise.all([
      flowproxy(renderExamples),
      flowproxy([...renderExamples, '--fastpath-packet-threshold', '1000']),
    ])
    assert.ok(byDefault.stdout.endsWith(`\n}\n${golden}`))
    assert.equal(higher.stdout, byDefault.stdout.replace('ct packets > 20 ', 'ct packets > 1000 '))
    assert.match(byDefault.stdout, /\tchain pick-tcp-3 \{\n\t\tct label set 90\n/)
  })

  test('prints nothing of the fast path when it is turned off', async () => {
    const { stdout } = await flowproxy([...renderExamples, ...withoutFastpath])
    assert.deepEqual(stdout.match(/^table .*/gm), ['table ip kube-proxy {', 'table ip6 kube-proxy {'])
    assert.doesNotMatch(stdout, /ct label|fastpath|flow/)
  })

  test('ends quietly when its reader has seen enough', async (context) => {
    const numbers = Array.from({ length: 5000 }, (_, index) => index)
    const items = numbers.map((n) => service(`svc-${n}`, `10.96.${n >> 8}.${n & 255}`))
    const list = { apiVersion: 'v1', kind: 'List', items }
    const path = await directory(context, { 'many.json': JSON.stringify(list) })
    const child = start(['render', '--manifests', path], {})
    const errors: Buffer[] = []
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
    child.stdout.once('data', () => child.stdout.destroy())
    const status = await new Promise((resolve) => child.once('close', resolve))
    assert.deepEqual({ status, stderr: Buffer.concat(errors).toString() }, { status: 0, stderr: '' })
  })

  describe('refuses, with nothing on standard output and exit code 2,', () => {
    test('YAML that does not parse, by file, line and column', async (context) => {
      const path = await directory(context, {
        'good.yaml': served('cart', '10.96.0.1', ['10.1.0.1']),
        'bad.yaml': 'apiVersion: v1\nkind: Service\nmetadata: { name: cart\nspec: {}\n',
      })
      const { status, stdout, stderr } = await render(path)
      assert.deepEqual({ status, stdout }, { status: 2, stdout: '' })
      assert.match(stderr, /^flowproxy: .*\/bad\.yaml:\d+:\d+: .+\n$/)
      assert.ok(stderr.startsWith(`flowproxy: ${path}/bad.yaml:4:1: `), stderr)
    })

    test('JSON that does not parse, likewise', async (context) => {
      const path = await directory(context, { 'bad.json': '{\n  "apiVersion": "v1",\n  "kind": }}\n' })
      const { status, stdout, stderr } = await render(path)
      assert.deepEqual({ status, stdout }, { status: 2, stdout: '' })
      assert.match(stderr, /^flowproxy: .*\/bad\.json:3:\d+: .+\n$/)
    })

    test('every file that does not parse, one line each', async (context) => {
      const path = await directory(context, { 'a.yaml': 'a: [', 'b.yaml': 'b: {' })
      const { status, stdout, stderr } = await render(path)
      assert.deepEqual({ status, stdout }, { status: 2, stdout: '' })
      assert.match(stderr, /^flowproxy: .*\/a\.yaml:1:5: .+\nflowproxy: .*\/b\.yaml:1:5: .+\n$/)
    })

    test('a path that is not there', async () => {
      assert.deepEqual(await render('/nonexistent/manifests'), {
        status: 2,
        stdout: '',
        stderr: 'flowproxy: /nonexistent/manifests: cannot be read: ENOENT\n',
      })
    })
  })

  describe('warns on standard error, by object and field, and exits with 0:', () => {
    const longName = 'n'.repeat(253)
    const cases: [
      title: string,
      manifests: Parameters<typeof manifestText>[0],
      warnings: string[],
      rendered: string,
    ][] = [
      [
        'a port out of range is left out, the others are served',
        [
          service('cart', '10.96.0.1', {
            ports: [
              { name: 'a', port: 65536 },
              { name: 'b', port: 81 },
            ],
          }),
        ],
        ['FILE: Service shop/cart: spec.ports[0].port: 65536 is not a whole number from 1 to 65535'],
        '10.96.0.1 . tcp . 81 comment "shop/cart:b" : goto reject-chain',
      ],
      [
        'a malformed cluster IP',
        [service('cart', '10.96.0.300'), service('web', '10.96.0.2')],
        ['Service shop/cart: spec.clusterIPs[0]: "10.96.0.300" is not an IPv4 address'],
        '10.96.0.2 . tcp . 80',
      ],
      [
        'a cluster IP of the wrong family',
        [
          service('cart', 'fd00:10:96::1', { clusterIPs: ['fd00:10:96::1'], ipFamilies: ['IPv4'] }),
          service('web', '10.96.0.2'),
        ],
        ['Service shop/cart: spec.clusterIPs[0]: "fd00:10:96::1" is not an IPv4 address'],
        '10.96.0.2 . tcp . 80',
      ],
      [
        'malformed endpoint addresses and those of the wrong family',
        [service('cart', '10.96.0.1'), slice('cart', ['10.1.0.1', '10.1.0', 'fd00::1'])],
        [
          'EndpointSlice shop/cart-1: endpoints[1].addresses[0]: "10.1.0" is not an IPv4 address',
          'EndpointSlice shop/cart-1: endpoints[2].addresses[0]: "fd00::1" is not an IPv4 address',
        ],
        'goto pick-tcp-1',
      ],
      [
        'two Services with one cluster IP: the older one is served',
        [
          { ...service('cart', '10.96.0.1'), metadata: { namespace: 'shop', name: 'cart' } },
          service('web', '10.96.0.1'),
        ],
        [
          'Service shop/cart: spec.clusterIP: 10.96.0.1:80/tcp belongs to Service shop/web already, ' +
            'which comes first; it is not served from here',
        ],
        '10.96.0.1 . tcp . 80 comment "shop/web:http"',
      ],
      [
        'a slice that belongs to no Service',
        [{ ...slice('cart', ['10.1.0.1']), metadata: { namespace: 'shop', name: 'cart-1' } }],
        [
          'EndpointSlice shop/cart-1: metadata.labels[kubernetes.io/service-name]: is missing; ' +
            'the slice belongs to no Service',
        ],
        'table ip kube-proxy',
      ],
      [
        'kinds that a service proxy does not read, once for each',
        ['a', 'b'].map((name) => ({
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { namespace: 'shop', name },
        })),
        ['FILE: Deployment shop/a: kind: apps/v1 Deployment is not read by a service proxy (and 1 more)'],
        'table ip kube-proxy',
      ],
      [
        'what is no object at all',
        ['a', 'b'].map((name) => name as unknown as Record<string, unknown>),
        ['FILE: "a": kind: is not a Kubernetes object', 'FILE: "b": kind: is not a Kubernetes object'],
        'table ip kube-proxy',
      ],
      ['a slice whose Service is not there is no mistake', [slice('cart', ['10.1.0.1'])], [], 'table ip kube-proxy'],
      [
        'names of 253 characters are fine; the comment is cut to what nft can read',
        [service(longName, '10.96.0.1'), slice(longName, ['10.1.0.1'], { metadata: sliceMetadata(longName) })],
        [],
        `comment "shop/${longName.slice(0, 120)}`,
      ],
      [
        'longer names are refused',
        [service(`${longName}n`, '10.96.0.1'), service('web', '10.96.0.2')],
        [`FILE: Service shop/nnn: metadata.name: "nnn… is longer than 253 characters`],
        '10.96.0.2 . tcp . 80',
      ],
    ]
    for (const [title, manifests, warnings, rendered] of cases) {
      test(title, async (context) => {
        const path = await directory(context, { 'all.yaml': manifests })
        const { status, stdout, stderr } = await render(path, ...withoutFastpath)
        assert.equal(status, 0, stderr)
        assert.equal(
          stderr.replaceAll(/n{50,}/g, 'nnn'),
          warnings.map((line) => `flowproxy: ${line.replace('FILE', `${path}/all.yaml`)}\n`).join(''),
        )
        assert.ok(stdout.includes(rendered), `"${rendered}" is missing in\n${stdout}`)
        if (root() === undefined && tool('nft')() === undefined) assertLoadable(stdout)
      })
    }
  })
})

/** Without it the text can be loaded on every kernel. */
const withoutFastpath = ['--fastpath-packet-threshold', '0']

function render(path: string, ...flags: readonly string[]) {
  return flowproxy(['render', '--manifests', path, ...flags])
}

function sliceMetadata(service: string): Record<string, unknown> {
  return { namespace: 'shop', name: 'slice-1', labels: { 'kubernetes.io/service-name': service } }
}

async function directory(...args: Parameters<typeof ManifestDirectory.create>): Promise<string> {
  return (await ManifestDirectory.create(...args)).path
}

/** Whatever was wrong with the manifests, nft accepts what is left. */
function assertLoadable(text: string): void {
  const namespace = NetworkNamespace.create()
  try {
    const { status, stderr } = runInNamespace(namespace, 'nft', ['-c', '-f', '-'], text)
    assert.equal(status, 0, stderr)
  } finally {
    namespace.close()
  }
}
