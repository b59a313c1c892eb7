import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { examples, flowproxy } from './flowproxy.ts'
import { type Manifest, ManifestDirectory } from './manifests.ts'

const flags = ['--node-name', 'node', '--cluster-cidr', '10.244.0.0/16,fd00:10:244::/56']

/** `shop/cart`: a load balancer with policy Local whose endpoints are all elsewhere, in each state there is. */
function cart(endpoints: readonly Manifest[], spec: Manifest = {}): Manifest[] {
  const metadata = { namespace: 'shop', name: 'cart', creationTimestamp: '2026-01-01T00:00:00Z' }
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: {
        type: 'LoadBalancer',
        clusterIP: '10.96.4.17',
        externalTrafficPolicy: 'Local',
        healthCheckNodePort: 30_999,
        ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30_080 }],
        ...spec,
      },
      status: { loadBalancer: { ingress: [{ ip: '198.51.100.7' }] } },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, name: 'cart-x', labels: { 'kubernetes.io/service-name': 'cart' } },
      addressType: 'IPv4',
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
      endpoints,
    },
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'node', labels: { 'topology.kubernetes.io/zone': 'zone-a' } },
      status: { addresses: [{ type: 'InternalIP', address: '192.168.0.2' }] },
    },
  ]
}

const elsewhere = { addresses: ['10.244.2.7'], nodeName: 'other' }
const here = { addresses: ['10.244.1.5'], nodeName: 'node' }

describe('explain', { concurrency: 4 }, () => {
  const cases: {
    title: string
    objects?: readonly Manifest[]
    from: string
    to: string
    headline: string
    status: number
  }[] = [
    {
      title: 'counts the endpoints of a cluster IP',
      from: 'pod',
      to: '10.96.0.10:80',
      headline: 'PASS shop/web:http 10.96.0.10:80/tcp -> 3 endpoints',
      status: 0,
    },
    {
      title: 'knows IPv6',
      from: 'pod',
      to: '[fd00:10:96::53]:53/udp',
      headline: 'PASS kube-system/dns:dns [fd00:10:96::53]:53/udp -> 2 endpoints',
      status: 0,
    },
    {
      title: 'says that a Service has no endpoints',
      from: 'pod',
      to: '10.96.0.99:443',
      headline: 'REJECT shop/payments:https 10.96.0.99:443/tcp: the Service has no endpoints',
      status: 1,
    },
    {
      title: 'names the ports that a cluster IP has',
      from: 'pod',
      to: '10.96.0.10:81',
      headline: 'REJECT 10.96.0.10:81/tcp: the cluster IP of shop/web has ports 80/tcp, but not this port',
      status: 1,
    },
    {
      title: 'knows a cluster IP that nobody has',
      from: 'pod',
      to: '10.96.200.1:80',
      headline: 'DROP 10.96.200.1:80/tcp: a cluster IP that no Service has',
      status: 1,
    },
    {
      title: 'lets other traffic pass',
      from: 'pod',
      to: '10.244.1.11:8080',
      headline: 'PASS 10.244.1.11:8080/tcp: is no Service; the packet goes on as it is',
      status: 0,
    },
    {
      title: 'names the policy that drops a client outside',
      objects: cart([elsewhere]),
      from: 'external',
      to: '198.51.100.7:80',
      headline: 'DROP shop/cart:http 198.51.100.7:80/tcp: externalTrafficPolicy Local and no local endpoint',
      status: 1,
    },
    {
      title: 'short-circuits a pod all the same',
      objects: cart([elsewhere]),
      from: 'pod',
      to: '198.51.100.7:80',
      headline: 'PASS shop/cart:http 198.51.100.7:80/tcp -> 1 endpoint',
      status: 0,
    },
    {
      title: 'short-circuits the node, through its node port too',
      objects: cart([elsewhere]),
      from: 'node',
      to: '192.168.0.2:30080',
      headline: 'PASS shop/cart:http 192.168.0.2:30080/tcp -> 1 endpoint',
      status: 0,
    },
    {
      title: 'names source ranges',
      objects: cart([here], { loadBalancerSourceRanges: ['203.0.113.128/25'] }),
      from: '203.0.113.5',
      to: '198.51.100.7:80',
      headline: 'DROP shop/cart:http 198.51.100.7:80/tcp: the source is not in loadBalancerSourceRanges',
      status: 1,
    },
    {
      title: 'names internalTrafficPolicy',
      objects: cart([elsewhere], { internalTrafficPolicy: 'Local' }),
      from: 'pod',
      to: '10.96.4.17:80',
      headline: 'DROP shop/cart:http 10.96.4.17:80/tcp: internalTrafficPolicy Local and no local endpoint',
      status: 1,
    },
    {
      title: 'says that endpoints exist but none is usable',
      objects: cart([{ ...elsewhere, conditions: { ready: false, serving: false } }]),
      from: 'pod',
      to: '10.96.4.17:80',
      headline: 'REJECT shop/cart:http 10.96.4.17:80/tcp: none of the endpoints is usable',
      status: 1,
    },
  ]
  for (const { title, objects, from, to, headline, status } of cases) {
    test(title, async (t) => {
      const path = objects === undefined ? examples : (await ManifestDirectory.create(t, { 'a.json': objects })).path
      const result = await flowproxy(['explain', '--manifests', path, ...flags, '--from', from, '--to', to])
      assert.equal(result.stdout.split('\n')[0], headline, result.stderr)
      assert.equal(result.status, status)
    })
  }

  describe('after the verdict', () => {
    let text = ''
    before(async () => {
      const result = await flowproxy([
        'explain',
        '--manifests',
        examples,
        ...flags,
        '--from',
        'external',
        '--to',
        '10.96.0.10:80',
      ])
      text = result.stdout
    })

    test('gives each endpoint its share, and the source that it sees', () => {
      assert.match(text, /10\.244\.1\.12:8080 +33 %/)
      assert.match(text, /the other end sees 192\.168\.0\.2, since it is masqueraded/)
    })

    test('shows the rules with the Service that an element belongs to', () => {
      assert.match(text, /vmap @service-ips\n +@service-ips: .* comment "shop\/web:http" : goto pick-tcp-3/)
    })
  })

  test('says of each endpoint that is not used why', async (t) => {
    const hinted = (zone: string): Manifest => ({ hints: { forZones: [{ name: zone }] } })
    const objects = cart([
      { addresses: ['10.244.1.1'], ...hinted('zone-a') },
      { addresses: ['10.244.1.2'], ...hinted('zone-b') },
      { addresses: ['10.244.1.3'], conditions: { ready: false } },
      { addresses: ['10.244.1.4'], conditions: { ready: false, serving: true, terminating: true } },
    ])
    const { path } = await ManifestDirectory.create(t, { 'a.json': objects })
    const { stdout } = await flowproxy([
      'explain',
      '--manifests',
      path,
      ...flags,
      '--from',
      'pod',
      '--to',
      '10.96.4.17:80',
    ])
    const [, unused] = stdout.split('Not used:\n')
    assert.deepEqual(
      unused
        ?.trim()
        .split('\n')
        .map((line) => line.trim().split(/ {2,}/)),
      [
        ['10.244.1.2:8080', 'hints name zone zone-b, this node is in zone-a'],
        ['10.244.1.3:8080', 'not ready'],
        ['10.244.1.4:8080', 'terminating, and others are ready'],
      ],
    )
  })

  describe('says of a connection that passes whether it may take the fast path', () => {
    const [service = {}, ...others] = cart([here])
    const annotated: Manifest = {
      ...service,
      metadata: { ...(service['metadata'] as object), annotations: { 'flowproxy.dev/fastpath': 'off' } },
    }
    const onNode = cart([{ addresses: ['192.168.0.2'], nodeName: 'node' }])
    const cases: [title: string, args: string[], line: string | undefined, objects?: readonly Manifest[]][] = [
      [
        'after the packets of the flag',
        ['--from', 'pod', '--to', '10.96.0.10:80', '--fastpath-packet-threshold', '7'],
        'fast path: with more than 7 packets, if both interfaces take part',
      ],
      [
        'after 20 packets otherwise, UDP too',
        ['--from', 'external', '--to', '10.96.0.53:53/udp'],
        'fast path: with more than 20 packets, if both interfaces take part',
      ],
      [
        'not when it is turned off',
        ['--from', 'pod', '--to', '10.96.0.10:80', '--fastpath-packet-threshold', '0'],
        'fast path: no, it is turned off',
      ],
      [
        'not when its Service opted out',
        ['--from', 'pod', '--to', '10.96.4.17:80'],
        'fast path: no, shop/cart opted out by its annotation flowproxy.dev/fastpath',
        [annotated, ...others],
      ],
      [
        'not without a Service',
        ['--from', 'pod', '--to', '10.244.1.11:80'],
        'fast path: no, the connection does not go through a Service',
      ],
      [
        'not from the node itself',
        ['--from', 'node', '--to', '10.96.0.10:80'],
        'fast path: no, the connection begins on this node, nothing is forwarded',
      ],
      [
        'not to an endpoint that is the node',
        ['--from', 'pod', '--to', '10.96.4.17:80'],
        'fast path: no, the connection ends on this node, nothing is forwarded',
        onNode,
      ],
      ['SCTP never', ['--from', 'pod', '--to', '10.244.1.11:80/sctp'], 'fast path: no, the kernel has none for SCTP'],
      ['nothing of one that is rejected', ['--from', 'pod', '--to', '10.96.0.99:443'], undefined],
    ]
    for (const [title, args, line, objects] of cases) {
      test(title, async (t) => {
        const path = objects === undefined ? examples : (await ManifestDirectory.create(t, { 'a.json': objects })).path
        const { stdout } = await flowproxy(['explain', '--manifests', path, ...flags, ...args])
        assert.deepEqual(stdout.match(/fast path.*/g)?.join(), line, stdout)
      })
    }
  })

  test('gives the same as data with --json', async () => {
    const { stdout } = await flowproxy([
      'explain',
      '--manifests',
      examples,
      ...flags,
      '--from',
      'pod',
      '--to',
      '10.96.0.53:53/udp',
      '--json',
    ])
    const report = JSON.parse(stdout) as {
      verdict: string
      service: string
      endpoints: unknown
      arrives: boolean
      fastpath: unknown
    }
    assert.partialDeepStrictEqual(report, {
      verdict: 'PASS',
      service: 'kube-system/dns:dns',
      arrives: true,
      fastpath: { isTaken: true, afterPackets: 20 },
      endpoints: [
        { endpoint: '10.244.1.11:5353', probability: 0.5 },
        { endpoint: '10.244.1.12:5353', probability: 0.5 },
      ],
    })
  })

  const wrong: [flag: string, from: string, to: string][] = [
    ['--to', 'pod', '10.96.0.10'],
    ['--to', 'pod', '10.96.0.10:0'],
    ['--to', 'pod', '10.96.0.10:80/icmp'],
    ['--from', 'moon', '10.96.0.10:80'],
    ['--from', 'fd00::1', '10.96.0.10:80'],
  ]
  for (const [flag, from, to] of wrong) {
    test(`refuses ${from} to ${to} in one line that names ${flag}`, async () => {
      const result = await flowproxy(['explain', '--manifests', examples, ...flags, '--from', from, '--to', to])
      assert.equal(result.status, 2)
      assert.equal(result.stdout, '')
      assert.match(result.stderr, new RegExp(`^flowproxy: ${flag}: .*\n$`))
    })
  }
})
