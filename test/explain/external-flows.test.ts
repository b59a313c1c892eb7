/* New connections to node ports, external IPs and load-balancer IPs, each through the whole table of the dataplane. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SliceEndpoint } from '../../src/kube/types.ts'
import { ipv4, ipv6 } from '../lab/addresses.ts'
import { service } from '../model/fixtures.ts'
import { cluster, type ClusterOptions, endpointsOf, type Flow, loadBalancer, local, remote, result } from './cluster.ts'

const { pod, node, secondNodeIp: node2, nodeExternalIp, outsideClient: outside, blockedClient: blocked } = ipv4
const clusterIp = { clusterIPs: ['172.30.0.41'] }
type Row = readonly [source: string, destination: string, port: number, expected: string]

function testRows(send: (flow: Flow) => Parameters<typeof result>[0], rows: readonly Row[]): void {
  for (const [source, destination, port, expected] of rows) {
    test(`${source} to ${destination}:${port}: ${expected}`, () => {
      assert.equal(result(send({ source, destination, port })), expected)
    })
  }
}

describe('a Service without endpoints', () => {
  const services = [
    loadBalancer('web', { ...clusterIp, externalIPs: [nodeExternalIp] }, { ips: ['1.2.3.4'], nodePort: 3001 }),
  ]
  testRows(cluster({ services }), [
    [pod, '172.30.0.41', 80, 'reject'],
    [outside, nodeExternalIp, 80, 'reject'],
    [pod, node, 3001, 'reject'],
    [outside, node, 3001, 'reject'],
    [node, node, 3001, 'reject'],
    [pod, '1.2.3.4', 80, 'reject'],
    [outside, '1.2.3.4', 80, 'reject'],
  ])
})

describe('loadBalancerSourceRanges', () => {
  const ranges = ['192.168.0.0/24', ' 203.0.113.0/25']
  const services = [
    loadBalancer(
      'web',
      { ...clusterIp, loadBalancerSourceRanges: ranges },
      { ips: ['1.2.3.4', '5.6.7.8'], nodePort: 3001 },
    ),
  ]
  const masqueraded = '10.180.0.1:80 masqueraded'
  const send = cluster({ services, slices: [endpointsOf('web', local('10.180.0.1'))] })
  testRows(send, [
    [pod, '172.30.0.41', 80, '10.180.0.1:80'],
    [outside, node, 3001, masqueraded],
    [blocked, node, 3001, masqueraded],
    [outside, '1.2.3.4', 80, masqueraded],
    [outside, '5.6.7.8', 80, masqueraded],
    [blocked, '1.2.3.4', 80, 'drop'],
    [blocked, '5.6.7.8', 80, 'drop'],
    [pod, '1.2.3.4', 80, 'drop'],
    [pod, '5.6.7.8', 80, 'drop'],
    [node, '1.2.3.4', 80, masqueraded],
    [node, '5.6.7.8', 80, masqueraded],
    ['1.2.3.4', '1.2.3.4', 80, masqueraded],
    ['5.6.7.8', '5.6.7.8', 80, masqueraded],
  ])

  test('are asked before anything is translated', () => {
    const [dropped] = send({ source: blocked, destination: '1.2.3.4', port: 80 })
    assert.deepEqual([dropped?.hooks, dropped?.isTranslated], [['prerouting'], false])
  })
})

describe('node ports', () => {
  const [four, six] = [
    ['10.180.0.1', '10.180.2.1'],
    ['fd00:10:180::1', 'fd00:10:180::2:1'],
  ] as const
  const objects = {
    services: [
      service(
        {
          type: 'NodePort',
          clusterIPs: ['172.30.0.41', 'fd00:172:30::41'],
          ipFamilies: ['IPv4', 'IPv6'],
          ports: [{ name: 'p80', protocol: 'TCP', port: 80, nodePort: 3001 }],
        },
        { name: 'web' },
      ),
    ],
    slices: [
      endpointsOf('web', remote(four[0]), local(four[1])),
      {
        ...endpointsOf('web', remote(six[0]), local(six[1])),
        metadata: { namespace: 'shop', name: 'web-6', ...labels('web') },
      },
    ],
  }
  const both = `${four[0]}:80,${four[1]}:80`
  const both6 = `[${six[0]}]:80,[${six[1]}]:80`

  describe('on the main address', () => {
    testRows(cluster(objects), [
      [pod, '172.30.0.41', 80, both],
      [outside, node, 3001, `${both} masqueraded`],
      [node, node, 3001, `${both} masqueraded`],
      [outside, node2, 3001, 'none'],
    ])
  })

  describe('on selected addresses', () => {
    testRows(cluster(objects, { nodePortIps: [node, node2] }), [[outside, node2, 3001, `${both} masqueraded`]])
  })

  describe('of IPv6', () => {
    const outside6 = '2600:5200::1'
    const main: ClusterOptions = { family: 'IPv6' }
    testRows(cluster(objects, main), [
      [ipv6.pod, 'fd00:172:30::41', 80, both6],
      [outside6, ipv6.node, 3001, `${both6} masqueraded`],
      [ipv6.node, ipv6.node, 3001, `${both6} masqueraded`],
      [outside6, ipv6.secondNodeIp, 3001, 'none'],
    ])
    testRows(cluster(objects, { ...main, nodePortIps: [ipv6.node, ipv6.secondNodeIp] }), [
      [outside6, ipv6.secondNodeIp, 3001, `${both6} masqueraded`],
    ])
    testRows(cluster(objects, { ...main, nodePortAddresses: 'all' }), [[ipv6.node, '::1', 3001, 'none']])
  })

  describe('on all addresses', () => {
    const all: ClusterOptions = { nodePortAddresses: 'all' }
    testRows(cluster(objects, all), [
      [outside, node2, 3001, `${both} masqueraded`],
      [outside, nodeExternalIp, 3001, `${both} masqueraded`],
      [outside, '8.8.8.8', 3001, 'none'],
      [node, '127.0.0.1', 3001, 'none'],
    ])
    testRows(cluster({ services: objects.services }, all), [
      [outside, node, 3001, 'reject'],
      [node, '127.0.0.1', 3001, 'none'],
    ])
  })

  describe('on no address', () => {
    testRows(cluster(objects, { nodePortIps: [] }), [[outside, node, 3001, 'none']])
  })

  test('of one protocol are not those of another', () => {
    const flow: Flow = { source: outside, destination: node, port: 3001, protocol: 'udp' }
    assert.equal(result(cluster(objects)(flow)), 'none')
  })
})

describe('externalTrafficPolicy', () => {
  const both = '10.180.0.1:80,10.180.2.1:80'
  const own = '10.180.2.1:80'
  const slices = [endpointsOf('web', remote('10.180.0.1'), local('10.180.2.1'))]
  const of = (externalTrafficPolicy: 'Cluster' | 'Local') => ({
    services: [
      loadBalancer(
        'web',
        { ...clusterIp, externalIPs: [nodeExternalIp], externalTrafficPolicy },
        { ips: ['1.2.3.4'], nodePort: 3001 },
      ),
    ],
    slices,
  })
  describe('Local', () => {
    testRows(cluster(of('Local')), [
      [pod, '172.30.0.41', 80, both],
      [pod, nodeExternalIp, 80, both],
      [outside, nodeExternalIp, 80, own],
      [pod, '1.2.3.4', 80, both],
      [outside, '1.2.3.4', 80, own],
      [pod, node, 3001, both],
      [outside, node, 3001, own],
      // The Node's own traffic goes everywhere, and so does that of other Nodes' pods.
      [node, '1.2.3.4', 80, `${both} masqueraded`],
      ['10.180.1.9', node, 3001, both],
      // It picked itself.
      ['10.180.2.1', '1.2.3.4', 80, `10.180.0.1:80,${own} masqueraded`],
    ])
  })
  describe('Cluster', () => {
    testRows(cluster(of('Cluster')), [
      [pod, '172.30.0.41', 80, both],
      [pod, nodeExternalIp, 80, `${both} masqueraded`],
      [outside, nodeExternalIp, 80, `${both} masqueraded`],
      [pod, '1.2.3.4', 80, `${both} masqueraded`],
      [outside, '1.2.3.4', 80, `${both} masqueraded`],
      [pod, node, 3001, `${both} masqueraded`],
      [outside, node, 3001, `${both} masqueraded`],
    ])
  })
  describe('Local without a local endpoint', () => {
    const objects = { ...of('Local'), slices: [endpointsOf('web', remote('10.180.0.1'))] }
    testRows(cluster(objects), [
      [pod, '1.2.3.4', 80, '10.180.0.1:80'],
      [node, '1.2.3.4', 80, '10.180.0.1:80 masqueraded'],
      [outside, '1.2.3.4', 80, 'drop'],
      [outside, nodeExternalIp, 80, 'drop'],
      [outside, node, 3001, 'drop'],
      ['10.180.1.9', node, 3001, '10.180.0.1:80'],
      [pod, node, 3001, '10.180.0.1:80'],
    ])
  })
})

describe('terminating endpoints', () => {
  const terminating = { conditions: { ready: false, serving: true, terminating: true } }
  const gone = { conditions: { ready: false, serving: false, terminating: true } }
  const at = (n: number): string => `10.0.1.${n}`
  const all = (...numbers: readonly number[]): string => numbers.map((n) => `${at(n)}:80`).join()
  const rows: [policy: 'Cluster' | 'Local', endpoints: readonly SliceEndpoint[], inside: string, outside: string][] = [
    [
      'Local',
      [local(at(1)), local(at(2)), local(at(3), terminating), local(at(4), gone), remote(at(5))],
      all(1, 2, 5),
      all(1, 2),
    ],
    [
      'Local',
      [local(at(2), terminating), local(at(3), terminating), local(at(4), gone), remote(at(5))],
      all(5),
      all(2, 3),
    ],
    ['Local', [remote(at(5), terminating)], all(5), 'drop'],
    ['Local', [local(at(5), gone), remote(at(5), gone)], 'reject', 'reject'],
    [
      'Cluster',
      [local(at(1)), local(at(2)), remote(at(3), terminating), remote(at(4), gone), remote(at(5))],
      all(1, 2, 5),
      `${all(1, 2, 5)} masqueraded`,
    ],
    [
      'Cluster',
      [local(at(2), terminating), local(at(3), terminating), remote(at(4), gone), remote(at(5), terminating)],
      all(2, 3, 5),
      `${all(2, 3, 5)} masqueraded`,
    ],
    ['Cluster', [remote(at(5), terminating)], all(5), `${all(5)} masqueraded`],
    ['Cluster', [local(at(5), gone), remote(at(5), gone)], 'reject', 'reject'],
  ]
  for (const [externalTrafficPolicy, endpoints, inside, fromOutside] of rows) {
    test(`with policy ${externalTrafficPolicy}: ${inside} and ${fromOutside}`, () => {
      const spec = { clusterIPs: ['172.30.1.1'], externalTrafficPolicy }
      const services = [loadBalancer('web', spec, { ips: ['1.2.3.4'] })]
      const send = cluster({ services, slices: [endpointsOf('web', ...endpoints)] })
      assert.equal(result(send({ source: pod, destination: '172.30.1.1', port: 80 })), inside)
      assert.equal(result(send({ source: outside, destination: '1.2.3.4', port: 80 })), fromOutside)
    })
  }
})

describe('masquerading of connections from everywhere to everything', () => {
  const services = [
    loadBalancer('svc1', { clusterIPs: ['172.30.0.41'] }, { ips: ['1.2.3.4'], nodePort: 3001 }),
    loadBalancer(
      'svc2',
      { clusterIPs: ['172.30.0.42'], externalTrafficPolicy: 'Local' },
      { ips: ['5.6.7.8'], nodePort: 3002 },
    ),
    loadBalancer(
      'svc3',
      { clusterIPs: ['172.30.0.43'], internalTrafficPolicy: 'Local' },
      { ips: ['9.10.11.12'], nodePort: 3003 },
    ),
  ]
  const slices = [1, 2, 3].map((n) => endpointsOf(`svc${n}`, local(`10.180.0.${n}`), remote(`10.180.1.${n}`)))
  const both = (n: number): string => `10.180.0.${n}:80,10.180.1.${n}:80`
  const masqueraded = (n: number): string => `${both(n)} masqueraded`
  const base: readonly Row[] = [
    [pod, node, 3001, masqueraded(1)],
    [pod, '1.2.3.4', 80, masqueraded(1)],
    [node, node, 3001, masqueraded(1)],
    [node, '1.2.3.4', 80, masqueraded(1)],
    [outside, node, 3001, masqueraded(1)],
    [outside, '1.2.3.4', 80, masqueraded(1)],
    [pod, node, 3002, both(2)],
    [pod, '5.6.7.8', 80, both(2)],
    [node, node, 3002, masqueraded(2)],
    [node, '5.6.7.8', 80, masqueraded(2)],
    [outside, node, 3002, '10.180.0.2:80'],
    [outside, '5.6.7.8', 80, '10.180.0.2:80'],
    [pod, node, 3003, masqueraded(3)],
    [pod, '9.10.11.12', 80, masqueraded(3)],
    [node, node, 3003, masqueraded(3)],
    [node, '9.10.11.12', 80, masqueraded(3)],
    [outside, node, 3003, masqueraded(3)],
    [outside, '9.10.11.12', 80, masqueraded(3)],
  ]
  /** Nobody is known to be a pod: short-circuits are for the node alone. */
  const withoutDetector = base.map(([source, destination, port, expected]): Row => [
    source,
    destination,
    port,
    source === pod && expected === both(2) ? '10.180.0.2:80' : expected,
  ])
  describe('with a detector', () => testRows(cluster({ services, slices }), base))
  describe('without one', () => testRows(cluster({ services, slices }, { hasDetector: false }), withoutDetector))
  describe('masquerade-all', () => testRows(cluster({ services, slices }, { masqueradeAll: true }), base))
  describe('masquerade-all without a detector', () =>
    testRows(cluster({ services, slices }, { masqueradeAll: true, hasDetector: false }), withoutDetector))
})

describe('cluster IPs that lead nowhere', () => {
  const services = [loadBalancer('web', clusterIp, { ips: ['1.2.3.4'] })]
  const slices = [endpointsOf('web', local('10.180.0.1'))]
  describe('in a known range', () => testRows(cluster({ services, slices }), [[pod, '172.30.0.50', 80, 'drop']]))
  describe('without a known range', () =>
    testRows(cluster({ services, slices, serviceCidrs: [] }), [
      [pod, '172.30.0.50', 80, 'none'],
      [pod, '172.30.0.41', 81, 'reject'],
      [outside, '1.2.3.4', 81, 'none'],
    ]))
  describe('of headless Services', () =>
    testRows(cluster({ services: [service({ clusterIP: 'None', clusterIPs: ['None'] })], serviceCidrs: [] }), [
      [pod, '172.30.0.41', 80, 'none'],
    ]))
})

function labels(name: string): { readonly labels: Readonly<Record<string, string>> } {
  return { labels: { 'kubernetes.io/service-name': name } }
}
