import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { formatProblem } from '../../src/kube/manifest-problem.ts'
import { parseManifest } from '../../src/kube/manifest-text.ts'
import { rawService, rawSlice, serviceText } from './fixtures.ts'

function ids(text: string): string[] {
  return [...parseManifest(text, 'a.yaml').objects.keys()]
}

function problems(text: string): string[] {
  return parseManifest(text, 'a.yaml').problems.map((problem) => `${problem.severity}: ${formatProblem(problem)}`)
}

describe('the text of a manifest', () => {
  const list = { apiVersion: 'v1', kind: 'List', items: [rawService(), rawSlice()] }
  const accepted: [string, string, string[]][] = [
    ['may be one YAML document', serviceText('cart'), ['Service shop/cart']],
    [
      'may be several YAML documents',
      `---\n${serviceText('cart')}---\n# nothing\n---\n${serviceText('till')}...\n`,
      ['Service shop/cart', 'Service shop/till'],
    ],
    ['may be JSON', JSON.stringify(rawService()), ['Service shop/cart']],
    [
      'may be a list in JSON',
      ` \n${JSON.stringify(list, undefined, 2)}`,
      ['Service shop/cart', 'EndpointSlice shop/cart-1'],
    ],
    [
      'may be YAML that begins like JSON',
      `${JSON.stringify(rawService())}\n---\n${serviceText('till')}`,
      ['Service shop/cart', 'Service shop/till'],
    ],
    [
      'may use anchors',
      `a: &ports [{port: 80}]\n---\n${serviceText('cart').replace('ports:\n    - name: http\n      port: 80', 'ports: &p [{port: 80}]\n  again: *p')}`,
      ['Service shop/cart'],
    ],
    ['may be empty', '', []],
    ['may be comments only', '# later\n', []],
    ['may have CRLF line ends', serviceText('cart').replaceAll('\n', '\r\n'), ['Service shop/cart']],
  ]
  for (const [title, text, expected] of accepted) {
    test(title, () => {
      assert.ok(parseManifest(text, 'a.yaml').isParsed)
      assert.deepEqual(ids(text), expected)
    })
  }

  const refused: [string, string, RegExp][] = [
    ['with a bad indent', 'kind: Service\n  metadata: x\n', /^error: a\.yaml:\d+:\d+: /],
    ['with an open quote', 'kind: Service\nmetadata:\n  name: "cart\n', /^error: a\.yaml:[34]:\d+: /],
    ['of half a JSON object', '{\n  "kind": "Service",\n  "metadata"', /^error: a\.yaml:3:\d+: /],
    ['with a key twice', 'kind: Service\nkind: Service\n', /^error: a\.yaml:2:1: /],
    ['with an unknown anchor', 'kind: *none\n', /^error: a\.yaml:1:\d+: /],
    ['with a circle', 'items: &a [*a]\n', /^error: a\.yaml:1:1: /],
    ['that is a bad second document', `${serviceText('cart')}---\nkind: [\n`, /^error: a\.yaml:13:\d+: /],
    [
      'that expands without bound',
      `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c]\n`,
      /^error: a\.yaml:1:1: /,
    ],
  ]
  for (const [title, text, expected] of refused) {
    test(`${title} does not parse, and the error has line and column on one line`, () => {
      const manifest = parseManifest(text, 'a.yaml')
      assert.equal(manifest.isParsed, false)
      assert.equal(manifest.objects.size, 0)
      assert.equal(problems(text).length, 1)
      assert.match(problems(text)[0] ?? '', expected)
      assert.ok(!problems(text)[0]?.includes('\n'))
    })
  }
})

test('objects that the selectors hide are left out without a word', () => {
  const hidden = rawService({}, { labels: { 'service.kubernetes.io/service-proxy-name': '' } })
  assert.deepEqual(ids(JSON.stringify(hidden)), [])
  assert.deepEqual(problems(JSON.stringify(hidden)), [])
})

test('what is wrong with an object is a warning that names file, object and field', () => {
  assert.deepEqual(problems(serviceText('cart', 70_000)), [
    'warning: a.yaml: Service shop/cart: spec.ports[0].port: 70000 is not a whole number from 1 to 65535',
  ])
})

test('kinds that we do not read are one warning each, not one per object', () => {
  const other = (kind: string, name: string): string =>
    `apiVersion: apps/v1\nkind: ${kind}\nmetadata:\n  name: ${name}\n`
  const text = [other('Deployment', 'a'), serviceText('cart'), other('Deployment', 'b'), other('DaemonSet', 'c')].join(
    '---\n',
  )
  assert.deepEqual(problems(text), [
    'warning: a.yaml: Deployment a: kind: apps/v1 Deployment is not read by a service proxy (and 1 more)',
    'warning: a.yaml: DaemonSet c: kind: apps/v1 DaemonSet is not read by a service proxy',
  ])
  assert.deepEqual(ids(text), ['Service shop/cart'])
})

test('of two objects with one name in a file the first is used', () => {
  const text = `${serviceText('cart', 80)}---\n${serviceText('cart', 81)}`
  const [object] = parseManifest(text, 'a.yaml').objects.values()
  assert.ok(object?.kind === 'Service')
  assert.equal(object.spec.ports?.[0]?.port, 80)
  assert.deepEqual(problems(text), ['warning: a.yaml: Service shop/cart is here more than once; the first one is used'])
})
