/* Connections on their way to the fast path: who gets the label, and what the table of the fast path makes of it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fastpathAddresses } from '../../src/dataplane/fastpath-addresses.ts'
import { type FastpathOptions, fastpathTable } from '../../src/dataplane/fastpath.ts'
import { fastpathLabelBit } from '../../src/dataplane/names.ts'
import type { Connection } from '../../src/explain/conntrack.ts'
import { laterPacket } from '../../src/explain/later-packet.ts'
import { tracePacket } from '../../src/explain/machine.ts'
import type { Packet } from '../../src/explain/packet.ts'
import { indexTables } from '../../src/explain/ruleset.ts'
import type { Outcome } from '../../src/explain/trace.ts'
import type { ObjectMeta, ServiceSpec } from '../../src/kube/types.ts'
import type { Family } from '../../src/model/ip.ts'
import { fastpathAnnotation, servicePorts } from '../../src/model/service-port.ts'
import type { TableContents } from '../../src/nft/objects.ts'
import { families, ipv4 } from '../lab/addresses.ts'
import { ip, service } from '../model/fixtures.ts'
import { clusterTable, endpointsOf, type Flow, local, type Objects, packetOf, remote } from './cluster.ts'
import { node } from './fixtures.ts'

const optedOut: Partial<ObjectMeta> = { annotations: { [fastpathAnnotation]: 'off' } }

/** Service shop/web with every kind of frontend, for TCP and UDP port 80 and SCTP port 81. */
function web(family: Family, meta: Partial<ObjectMeta> = {}, spec: Partial<ServiceSpec> = {}): Objects {
  const plan = family === 'IPv4' ? families.ipv4 : families.ipv6
  const [clusterIp = ''] = plan.clusterIps
  const [loadBalancerIp = ''] = plan.loadBalancerIps
  const object = service(
    {
      type: 'LoadBalancer',
      clusterIPs: [clusterIp],
      externalIPs: [plan.externalIps[0] ?? ''],
      ports: [
        { name: 'p80', protocol: 'TCP', port: 80, nodePort: 3001 },
        { name: 'udp', protocol: 'UDP', port: 80, nodePort: 3001 },
        { name: 'sctp', protocol: 'SCTP', port: 81, nodePort: 3002 },
      ],
      ...spec,
    },
    { name: 'web', ...meta },
    { loadBalancer: { ingress: [{ ip: loadBalancerIp }] } },
  )
  const endpoints = [local(plan.localEndpoints[0] ?? ''), remote(plan.remoteEndpoints[0] ?? '')]
  const slice = endpointsOf(meta.name ?? 'web', ...endpoints)
  const ports = (['p80', 'udp', 'sctp'] as const).map((name, index) => ({
    name,
    protocol: (['TCP', 'UDP', 'SCTP'] as const)[index] ?? 'TCP',
    port: 80,
  }))
  return { services: [object], slices: [{ ...slice, ports }] }
}

const fastpath = { labelBit: fastpathLabelBit }

function labelBits(outcome: Outcome): number[] {
  const { tracking } = outcome
  if (typeof tracking === 'string') return []
  return Array.from({ length: 128 }, (_, bit) => bit).filter(
    (bit) => ((tracking.labels[bit >> 3] ?? 0) >> (bit & 7)) & 1,
  )
}

/** The labels of every way that a new connection may take, which must be the same. */
function labelsOf(table: TableContents, flow: Flow): number[] {
  const outcomes = tracePacket(indexTables([table]), packetOf(flow), node, { setChanges: flow.setChanges ?? [] })
  assert.ok(outcomes.length > 0 && outcomes.every(({ verdict, isTranslated }) => verdict === 'pass' && isTranslated))
  const [labels = [], ...others] = outcomes.map(labelBits)
  for (const other of others) assert.deepEqual(other, labels)
  return labels
}

for (const family of ['IPv4', 'IPv6'] as const) {
  const plan = family === 'IPv4' ? families.ipv4 : families.ipv6
  const { pod, outsideClient: outside } = plan
  const frontends: readonly [title: string, Flow][] = [
    ['a cluster IP', { source: pod, destination: plan.clusterIps[0] ?? '', port: 80 }],
    ['an external IP', { source: outside, destination: plan.externalIps[0] ?? '', port: 80 }],
    ['a load-balancer IP', { source: outside, destination: plan.loadBalancerIps[0] ?? '', port: 80 }],
    ['a node port', { source: outside, destination: plan.node, port: 3001 }],
  ]
  describe(`a connection of ${family}`, () => {
    for (const [title, flow] of frontends) {
      for (const protocol of ['tcp', 'udp'] as const) {
        test(`to ${title} over ${protocol} gets the label, with policy Local and affinity too`, () => {
          for (const spec of [
            {},
            { externalTrafficPolicy: 'Local' },
            { sessionAffinity: 'ClientIP' },
            { externalTrafficPolicy: 'Local', sessionAffinity: 'ClientIP' },
          ] as const) {
            const table = clusterTable(web(family, {}, spec), { family, fastpath })
            assert.deepEqual(labelsOf(table, { ...flow, protocol }), [fastpathLabelBit])
          }
        })

        test(`to ${title} over ${protocol} gets none when the Service opted out, or without a fast path`, () => {
          const out = clusterTable(web(family, optedOut), { family, fastpath })
          const none = clusterTable(web(family), { family })
          assert.deepEqual([labelsOf(out, { ...flow, protocol }), labelsOf(none, { ...flow, protocol })], [[], []])
        })
      }

      test(`to ${title} over sctp gets none`, () => {
        const table = clusterTable(web(family), { family, fastpath })
        const port = flow.port === 80 ? 81 : 3002
        assert.deepEqual(labelsOf(table, { ...flow, port, protocol: 'sctp' }), [])
      })
    }

    test('of a client that is stuck to its endpoint gets the label', () => {
      const table = clusterTable(web(family, {}, { sessionAffinity: 'ClientIP' }), { family, fastpath })
      const [, flow] = frontends[0] ?? []
      assert.ok(flow)
      const [first] = tracePacket(indexTables([table]), packetOf(flow), node)
      assert.deepEqual(labelsOf(table, { ...flow, setChanges: first?.setChanges ?? [] }), [fastpathLabelBit])
    })
  })
}

describe('chains that pick endpoints', () => {
  const picks = (table: TableContents): string[] =>
    table.chains.map(({ name }) => name).filter((name) => name.startsWith('pick-'))
  const second: Objects = {
    services: [
      service(
        { clusterIPs: [ipv4.clusterIps[1]], ports: [{ name: 'p80', protocol: 'TCP', port: 80 }] },
        { name: 'second', ...optedOut },
      ),
    ],
    slices: [endpointsOf('second', remote('10.180.1.1'), remote('10.180.1.2'))],
  }

  test('are others for Services that opted out, but for SCTP', () => {
    const names = picks(clusterTable(web('IPv4', optedOut), { fastpath }))
    assert.deepEqual(names.toSorted(), [
      'pick-masq-sctp-2',
      'pick-masq-slowpath-tcp-2',
      'pick-masq-slowpath-udp-2',
      'pick-nodeport-masq-sctp-2',
      'pick-nodeport-masq-slowpath-tcp-2',
      'pick-nodeport-masq-slowpath-udp-2',
      'pick-sctp-2',
      'pick-slowpath-tcp-2',
      'pick-slowpath-udp-2',
    ])
  })

  test('are shared by all that opted out, and by all that did not', () => {
    const first = web('IPv4', {}, { type: 'ClusterIP' })
    const third = web('IPv4', { name: 'third', ...optedOut }, { clusterIPs: [ipv4.clusterIps[2]] })
    const all = [first, second, third]
    const services = all.flatMap((objects) => objects.services)
    const slices = all.flatMap((objects) => objects.slices ?? [])
    const names = picks(clusterTable({ services, slices }, { fastpath }))
    assert.deepEqual(names.filter((name) => /^pick-(?:slowpath-)?tcp/.test(name)).toSorted(), [
      'pick-slowpath-tcp-2',
      'pick-tcp-2',
    ])
  })

  test('without a fast path know of no annotation', () => {
    assert.deepEqual(plainTable(clusterTable(web('IPv4', optedOut))), plainTable(clusterTable(web('IPv4'))))
  })
})

describe('an established connection', () => {
  const { pod, clusterIps, localEndpoints } = ipv4
  const flow: Flow = { source: pod, destination: clusterIps[0], port: 80 }
  const objects = web('IPv4', {}, { ports: [{ name: 'p80', protocol: 'TCP', port: 80 }] })
  const endpoint = localEndpoints[0]
  const rows: readonly [title: string, isOffloaded: boolean, parts: Parts][] = [
    ['is offloaded with more packets than the threshold', true, {}],
    ['is not offloaded with as many', false, { packets: { original: 12, reply: 8 } }],
    ['is offloaded by an answer too', true, { direction: 'reply' }],
    ['is offloaded over UDP', true, { protocol: 'udp' }],
    ['is offloaded after one packet with a threshold of 1', true, { threshold: 1, packets: { original: 1, reply: 1 } }],
    ['is not offloaded when it comes through an interface that takes no part', false, { iifname: 'veth-other' }],
    ['is not offloaded when it leaves through one', false, { interfaces: ['veth-in'] }],
    ['is not offloaded when its Service opted out', false, { meta: optedOut }],
    ['is not offloaded when its endpoint is exempt', false, { noOffload: [endpoint] }],
    ['is not offloaded when its client is exempt', false, { noOffload: [pod] }],
    ['is not offloaded when its endpoint is exempt and answers', false, { noOffload: [endpoint], direction: 'reply' }],
    ['is offloaded when somebody else is exempt', true, { noOffload: ['10.180.7.7'] }],
    ['is not offloaded without a Service', false, { destination: endpoint }],
    ['is offloaded by its address without labels', true, { selection: 'addresses' }],
    ['is not offloaded without labels when its Service opted out', false, { selection: 'addresses', meta: optedOut }],
    ['is not offloaded without labels nor a Service', false, { selection: 'addresses', destination: endpoint }],
  ]

  type Parts = Partial<Omit<FastpathOptions, 'noOffload'>> & {
    readonly noOffload?: readonly string[]
    readonly packets?: Connection['packets']
    readonly direction?: 'reply'
    readonly protocol?: 'udp'
    readonly iifname?: string
    readonly destination?: string
    readonly meta?: Partial<ObjectMeta>
  }

  /** A later packet of the way that leads to the local endpoint. */
  function laterOutcome(parts: Parts): {
    readonly outcome: Outcome
    readonly packet: Packet
    readonly tables: TableContents[]
  } {
    const { packets = { original: 13, reply: 8 }, protocol, destination = flow.destination, meta = {} } = parts
    const { noOffload = [], selection = 'label', direction } = parts
    const { services, slices = [] } =
      protocol === undefined ? { ...objects, services: web('IPv4', meta).services } : web('IPv4', meta)
    const table = clusterTable({ services, slices }, selection === 'label' ? { fastpath } : {})
    const ports = services.flatMap((one) => servicePorts(one, 'IPv4').ports)
    const offloading = fastpathTable({
      threshold: 20,
      devices: [],
      hasCounters: true,
      interfaces: ['veth-in', 'veth-pod'],
      serviceAddresses: fastpathAddresses(ports, [ip(ipv4.node)]),
      ...parts,
      selection,
      noOffload: noOffload.map(ip),
    })
    const tables = [table, offloading]
    const ruleset = indexTables(tables)
    const first = {
      ...packetOf({ ...flow, destination, ...(protocol && { protocol }) }),
      iifname: parts.iifname ?? 'veth-in',
    }
    const began = tracePacket(ruleset, first, node).find((outcome) => outcome.destination.address === endpoint)
    assert.ok(began)
    assert.equal(hasOffload(began), false)
    const later = laterPacket(first, began, { packets, ...(direction && { direction }) })
    assert.ok(later)
    // An answer comes from where the endpoint is, and goes to where the client is.
    const packet = direction === undefined ? later : { ...later, iifname: 'veth-pod' }
    const [outcome] = tracePacket(ruleset, packet, node)
    assert.ok(outcome)
    return { outcome, packet, tables }
  }

  for (const [title, isOffloaded, parts] of rows) {
    test(title, () => {
      const { outcome, packet, tables } = laterOutcome(parts)
      assert.equal(hasOffload(outcome), isOffloaded)
      assert.equal(outcome.verdict, 'pass')
      const [slow] = tracePacket(indexTables(tables.slice(0, 1)), packet, node)
      assert.deepEqual([outcome.destination, outcome.source], [slow?.destination, slow?.source])
    })
  }

  test('is offloaded once', () => {
    const { outcome, packet, tables } = laterOutcome({})
    const again = tracePacket(indexTables(tables), { ...packet, tracking: outcome.tracking }, node)
    assert.deepEqual([hasOffload(outcome), ...again.map(hasOffload)], [true, false])
  })
})

describe('addresses by which connections are known without labels', () => {
  const nodeIps = [ip(ipv4.node), ip(ipv4.secondNodeIp)]
  const portsOf = ({ services }: Objects) => services.flatMap((one) => servicePorts(one, 'IPv4').ports)
  const { clusterIps, externalIps, loadBalancerIps } = ipv4
  const all = [clusterIps[0], loadBalancerIps[0], externalIps[0], ...nodeIps]

  test("are those of all frontends, and the node's when there are node ports", () => {
    assert.deepEqual(fastpathAddresses(portsOf(web('IPv4')), nodeIps).toSorted(), all.toSorted())
    const clusterOnly = service({ clusterIPs: [clusterIps[0]] })
    assert.deepEqual(fastpathAddresses(portsOf({ services: [clusterOnly] }), nodeIps), [clusterIps[0]])
  })

  test('are none of a Service that opted out, also when others share them', () => {
    assert.deepEqual(fastpathAddresses(portsOf(web('IPv4', optedOut)), nodeIps), [])
    const sharing = web('IPv4', { name: 'other', ...optedOut }, { clusterIPs: [clusterIps[1]], externalIPs: [] })
    const shared = fastpathAddresses([...portsOf(web('IPv4')), ...portsOf(sharing)], nodeIps)
    assert.deepEqual(shared.toSorted(), [clusterIps[0], externalIps[0]].toSorted())
  })

  test('are none of ports that cannot be offloaded', () => {
    const sctp = service({ ports: [{ name: 'sctp', protocol: 'SCTP', port: 81, nodePort: 3002 }] })
    assert.deepEqual(fastpathAddresses(portsOf({ services: [sctp] }), nodeIps), [])
  })
})

function hasOffload({ steps }: Outcome): boolean {
  return steps.some((step) => step.kind === 'rule' && step.effects.some(({ kind }) => kind === 'offload'))
}

function plainTable({ chains, rules, elements }: TableContents): unknown {
  return structuredClone([chains, rules, [...elements]])
}
