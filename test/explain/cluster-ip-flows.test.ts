/* New connections to cluster IPs, each through the whole table that the dataplane makes. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Protocol } from '../../src/model/service-port.ts'
import { ipv4 } from '../lab/addresses.ts'
import { nodeName, service, slice, sliceEndpoint } from '../model/fixtures.ts'
import { cluster, type ClusterOptions, endpointsOf, loadBalancer, local, remote, result } from './cluster.ts'

const { pod, node, outsideClient: outside } = ipv4

test('a Service without endpoints is rejected, not dropped', () => {
  const services = [loadBalancer('web', { clusterIP: '172.30.0.41' }, { ips: ['1.2.3.4'], nodePort: 3001 })]
  assert.equal(result(cluster({ services })({ source: pod, destination: '172.30.0.41', port: 80 })), 'reject')
})

describe('a cluster IP', () => {
  const [own, other] = ['10.180.0.1', '10.180.2.1']
  const second = [
    ['http', 'TCP', 80, 80],
    ['https', 'TCP', 443, 8443],
    ['dns-udp', 'UDP', 53, 53],
    ['dns-tcp', 'TCP', 53, 5353],
    ['dns-sctp', 'SCTP', 53, 53],
  ] as const
  const send = cluster({
    services: [
      service({}, { name: 'svc1' }),
      service(
        { clusterIPs: ['172.30.0.42'], ports: second.map(([name, protocol, port]) => ({ name, protocol, port })) },
        { name: 'svc2' },
      ),
    ],
    slices: [
      slice({
        name: 'svc1-1',
        service: 'svc1',
        endpoints: [local(own)],
        ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
      }),
      slice({
        name: 'svc2-1',
        service: 'svc2',
        endpoints: [local(own), remote(other)],
        ports: second.map(([name, protocol, , port]) => ({ name, protocol, port })),
      }),
    ],
  })
  const both = (port: number): string => `${own}:${port},${other}:${port}`
  const client = '10.180.0.2'
  const rows: [source: string, destination: string, port: number, protocol: Protocol, expected: string][] = [
    [client, '172.30.0.41', 80, 'tcp', `${own}:80`],
    [own, '172.30.0.41', 80, 'tcp', `${own}:80 masqueraded`],
    [client, '172.30.0.42', 80, 'tcp', both(80)],
    [client, '172.30.0.42', 443, 'tcp', both(8443)],
    [client, '172.30.0.42', 53, 'tcp', both(5353)],
    [client, '172.30.0.42', 53, 'udp', both(53)],
    [client, '172.30.0.42', 53, 'sctp', both(53)],
    [client, '172.30.0.42', 80, 'udp', 'reject'],
    [client, '172.30.0.41', 443, 'tcp', 'reject'],
    [client, '172.30.0.50', 80, 'tcp', 'drop'],
    [pod, '10.0.0.3', 80, 'tcp', 'none'],
  ]
  for (const [source, destination, port, protocol, expected] of rows) {
    test(`${source} to ${destination}:${port}/${protocol}: ${expected}`, () => {
      assert.equal(result(send({ source, destination, port, protocol })), expected)
    })
  }

  test('is named by the steps that lead to its endpoint', () => {
    const [outcome] = send({ source: client, destination: '172.30.0.42', port: 443 })
    const comments = outcome?.steps.flatMap((step) =>
      step.kind === 'rule'
        ? step.effects.flatMap((effect) => (effect.kind === 'element' ? (effect.element.comment ?? []) : []))
        : [],
    )
    assert.deepEqual(comments, ['shop/svc2:https'])
  })

  test('of an endpoint that picks itself by chance is masqueraded then only', () => {
    assert.equal(
      result(send({ source: own, destination: '172.30.0.42', port: 80 })),
      `${own}:80 masqueraded,${other}:80`,
    )
  })
})

describe('internalTrafficPolicy', () => {
  const addresses = ['10.0.1.1', '10.0.1.2', '10.0.1.3']
  const rows: [policy: 'Cluster' | 'Local', nodes: readonly string[], expected: string][] = [
    ['Cluster', [nodeName, 'node1', 'node2'], '10.0.1.1:80,10.0.1.2:80,10.0.1.3:80'],
    ['Local', [nodeName, 'node1', 'node2'], '10.0.1.1:80'],
    ['Local', [nodeName, nodeName, 'node2'], '10.0.1.1:80,10.0.1.2:80'],
    ['Local', ['node0', 'node1', 'node2'], 'drop'],
  ]
  const of = (internalTrafficPolicy: 'Cluster' | 'Local') =>
    service({ clusterIPs: ['172.30.1.1'], internalTrafficPolicy, ports: [{ protocol: 'TCP', port: 80 }] })
  const flow = { source: pod, destination: '172.30.1.1', port: 80 }
  for (const [policy, nodes, expected] of rows) {
    test(`${policy}, endpoints on ${nodes.join(', ')}: ${expected}`, () => {
      const endpoints = addresses.map((address, index) => sliceEndpoint(address, { nodeName: nodes[index] }))
      const slices = [slice({ endpoints, ports: [{ name: '', protocol: 'TCP', port: 80 }] })]
      assert.equal(result(cluster({ services: [of(policy)], slices })(flow)), expected)
      assert.equal(result(cluster({ services: [of(policy)] })(flow)), 'reject')
    })
  }
})

describe('masquerading of connections to cluster IPs', () => {
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
  const endpoints = { '172.30.0.41': both(1), '172.30.0.42': both(2), '172.30.0.43': '10.180.0.3:80' }
  const configurations: [title: string, options: ClusterOptions, masqueraded: readonly string[]][] = [
    ['with a detector: from the node and from outside', {}, [node, outside]],
    ['without a detector: never', { hasDetector: false }, []],
    ['masquerade-all: always', { masqueradeAll: true }, [pod, node, outside]],
    ['masquerade-all without a detector: always', { masqueradeAll: true, hasDetector: false }, [pod, node, outside]],
  ]
  for (const [title, options, masqueraded] of configurations) {
    test(title, () => {
      const send = cluster({ services, slices }, options)
      for (const [destination, expected] of Object.entries(endpoints)) {
        for (const source of [pod, node, outside]) {
          const suffix = masqueraded.includes(source) ? ' masqueraded' : ''
          assert.equal(
            result(send({ source, destination, port: 80 })),
            expected + suffix,
            `${source} to ${destination}`,
          )
        }
      }
    })
  }
})
