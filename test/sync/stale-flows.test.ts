import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { KubeObject } from '../../src/kube/types.ts'
import { ClusterModel } from '../../src/model/cluster-model.ts'
import type { Family } from '../../src/model/ip.ts'
import { findFlows } from '../../src/netlink/conntrack.ts'
import { type Flow, flowText } from '../../src/netlink/flow.ts'
import { AF_INET, AF_INET6 } from '../../src/netlink/inet.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import { StaleFlows, type StaleFlowsReport } from '../../src/sync/stale-flows.ts'
import { needs, root } from '../lab/requirements.ts'
import { ip, nodeName, service, slice, sliceEndpoint } from '../model/fixtures.ts'
import { createFlows, flow, type FlowPlan, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP } from '../netlink/flows.ts'
import { setObject } from './proxy.ts'

const ports = [{ name: 'dns', protocol: 'UDP', port: 53, nodePort: 30_053 }] as const
const slicePorts = [{ name: 'dns', protocol: 'UDP', port: 5353 }] as const
const dns = service({ type: 'NodePort', ports, externalIPs: ['192.168.99.22'] })
const onlyTcp = service({ clusterIPs: ['172.30.0.50'] }, { name: 'web' })

function dnsAt(...endpoints: readonly string[]) {
  return slice({ ports: slicePorts, endpoints: endpoints.map((address) => sliceEndpoint(address)) })
}

const clusterIp = ['172.30.0.41', 53] as const
const nodePort = ['192.168.0.2', 30_053] as const
const [first, second] = [['10.180.0.1', 5353] as const, ['10.180.0.2', 5353] as const]

describe('stale flows', needs(root), () => {
  let namespace: NetworkNamespace
  let socket: NetlinkSocket
  let model: ClusterModel
  let staleFlows: StaleFlows
  let nowMs: number
  let clientPort: number

  beforeEach(() => {
    namespace = NetworkNamespace.create()
    socket = namespace.run(() => new NetlinkSocket(NETLINK_NETFILTER))
    nowMs = 0
    clientPort = 1000
    restart()
  })

  afterEach(() => {
    staleFlows.close()
    socket.close()
    namespace.close()
  })

  function restart(family: Family = 'IPv4', protocol = NETLINK_NETFILTER): void {
    model = new ClusterModel({ family, nodeName, processStartMs: 0 })
    staleFlows = new StaleFlows({
      protocol: 'udp',
      model,
      socket: namespace.run(() => new NetlinkSocket(protocol)),
      clock: { now: () => (nowMs += 5) },
    })
    staleFlows.setNodePortIps([ip('192.168.0.2')])
  }

  /** Tells objects and reconciles, as after a sync. */
  function reconcile(...objects: readonly KubeObject[]): Promise<StaleFlowsReport | undefined> {
    for (const object of objects) setObject(model, object)
    return staleFlows.reconcile(model.takeChanges().isConntrackCleanupNeeded)
  }

  /** How many flows it deleted; undefined when it did not look. */
  async function deletedBy(...objects: readonly KubeObject[]): Promise<number | undefined> {
    return (await reconcile(...objects))?.deleted
  }

  /** A flow of a client of its own. */
  async function have(plan: Omit<FlowPlan, 'client'>): Promise<Flow> {
    const isIpv6 = plan.destination[0].includes(':')
    const made = flow({ ...plan, client: [isIpv6 ? 'fd00::9' : '10.0.0.9', clientPort++] })
    await createFlows(socket, [made])
    return made
  }

  async function left(family: typeof AF_INET | typeof AF_INET6 = AF_INET, protocol = IPPROTO_UDP) {
    return (await findFlows(socket, family, protocol, () => true)).flows.map(flowText).sort()
  }

  test('go when an endpoint goes; others stay', async () => {
    await deletedBy(dns, dnsAt('10.180.0.1', '10.180.0.2'))
    for (const destination of [clusterIp, nodePort, ['192.168.99.22', 53] as const]) {
      await have({ destination, answerer: first })
    }
    const staying = [
      await have({ destination: clusterIp, answerer: second }),
      await have({ destination: nodePort, answerer: second }),
      await have({ destination: ['8.8.8.8', 53] }),
      await have({ destination: ['8.8.8.8', 30_053] }),
    ]
    const { durationMs = 0, ...report } = (await reconcile(dnsAt('10.180.0.2'))) ?? {}
    assert.deepEqual(report, { family: 'IPv4', protocol: 'udp', deleted: 3, isWhole: true, failure: undefined })
    assert.ok(durationMs > 0)
    assert.deepEqual(await left(), staying.map(flowText).sort())
  })

  test('of TCP and SCTP are never touched', async () => {
    for (const protocol of [IPPROTO_TCP, IPPROTO_SCTP]) {
      await have({ protocol, destination: clusterIp, answerer: first })
      await have({ protocol, destination: nodePort })
    }
    assert.equal(await deletedBy(dns, dnsAt('10.180.0.2')), 0)
    for (const protocol of [IPPROTO_TCP, IPPROTO_SCTP]) assert.equal((await left(AF_INET, protocol)).length, 2)
  })

  test('of TCP are not touched either where they are not offloaded', async () => {
    staleFlows.close()
    model = new ClusterModel({ family: 'IPv4', nodeName, processStartMs: 0 })
    staleFlows = new StaleFlows({
      protocol: 'tcp',
      model,
      socket: namespace.run(() => new NetlinkSocket(NETLINK_NETFILTER)),
      clock: { now: () => (nowMs += 5) },
    })
    await have({ protocol: IPPROTO_TCP, destination: ['172.30.0.50', 80], answerer: first })
    setObject(model, onlyTcp)
    model.takeChanges()
    const { protocol, deleted } = (await staleFlows.reconcile(true)) ?? {}
    assert.deepEqual([protocol, deleted], ['tcp', 0])
    assert.equal((await left(AF_INET, IPPROTO_TCP)).length, 1)
  })

  test('of the other family are never touched', async () => {
    await have({ destination: clusterIp, answerer: first })
    const destination = ['fd00:172:30::41', 53] as const
    await have({ destination, answerer: ['fd00::1', 5353] })
    const staying = await have({ destination, answerer: ['fd00::2', 5353] })
    restart('IPv6')
    const endpoints = [sliceEndpoint('fd00::2')]
    const objects = [
      service({ clusterIPs: ['fd00:172:30::41'], ports }),
      slice({ addressType: 'IPv6', ports: slicePorts, endpoints }),
    ]
    assert.equal(await deletedBy(...objects), 1)
    assert.deepEqual(await left(AF_INET6), [flowText(staying)])
    assert.equal((await left()).length, 1)
  })

  test('go when the Service is scaled to zero', async () => {
    await deletedBy(dns, dnsAt('10.180.0.1'))
    await have({ destination: clusterIp, answerer: first })
    await have({ destination: nodePort, answerer: first })
    assert.equal(await deletedBy(dnsAt()), 2)
  })

  test('go when the Service is deleted, but not those that nobody translated', async () => {
    await deletedBy(dns, dnsAt('10.180.0.1'))
    await have({ destination: clusterIp, answerer: first })
    await have({ destination: nodePort, answerer: first })
    const foreign = await have({ destination: nodePort })
    model.deleteService('shop', 'cart')
    assert.equal(await deletedBy(), 2)
    assert.deepEqual(await left(), [flowText(foreign)])
  })

  test('go when an address or node port is taken from the Service; others stay', async () => {
    await deletedBy(dns, dnsAt('10.180.0.1'))
    await have({ destination: ['192.168.99.22', 53], answerer: first })
    await have({ destination: nodePort, answerer: first })
    const staying = await have({ destination: clusterIp, answerer: first })
    const newPort = { ...ports[0], nodePort: 30_054 }
    assert.equal(await deletedBy(service({ type: 'NodePort', ports: [newPort] })), 2)
    assert.deepEqual(await left(), [flowText(staying)])
  })

  test('that began before there was a Service go when it comes', async () => {
    await deletedBy(dnsAt('10.180.0.1'))
    await have({ destination: clusterIp })
    assert.equal(await deletedBy(dns), 1)
  })

  test('are looked for once after a start, without one that is right being removed', async () => {
    const staying = [
      await have({ destination: clusterIp, answerer: first }),
      await have({ destination: nodePort, answerer: second }),
      await have({ destination: ['8.8.8.8', 53] }),
    ]
    await have({ destination: clusterIp, answerer: ['10.180.0.3', 5353] })
    assert.equal(await deletedBy(dns, dnsAt('10.180.0.1', '10.180.0.2')), 1)
    restart()
    assert.equal(await deletedBy(dns, dnsAt('10.180.0.1', '10.180.0.2')), 0)
    assert.deepEqual(await left(), staying.map(flowText).sort())
    assert.equal(await deletedBy(), undefined)
  })

  test('are not looked for when nothing about UDP changed, or when there is none', async () => {
    assert.equal(await deletedBy(onlyTcp), undefined)
    assert.equal(await deletedBy(dns, dnsAt('10.180.0.1')), 0)
    assert.equal(await deletedBy(), undefined)
    const tcpSlice = slice({ name: 'web-1', service: 'web', endpoints: [sliceEndpoint('10.180.0.9')] })
    assert.equal(await deletedBy(tcpSlice), undefined)
    assert.equal(await deletedBy(dnsAt('10.180.0.2')), 0)
  })

  test('are looked for again after the kernel could not be asked', async () => {
    staleFlows.close()
    // Another protocol's socket: the kernel takes the request for a message of its own and refuses it.
    restart('IPv4', NETLINK_ROUTE)
    await have({ destination: clusterIp, answerer: second })
    await assert.rejects(reconcile(dns, dnsAt('10.180.0.1')), /IPCTNL_MSG_CT_GET/)
    await assert.rejects(reconcile(), /IPCTNL_MSG_CT_GET/)
  })

  test('are deleted by thousands in one reconciliation', async () => {
    await deletedBy(dns, dnsAt('10.180.0.1', '10.180.0.2'))
    const client = (index: number) => [`10.0.1.${index >> 8}`, 1000 + (index & 255)] as const
    const flows = Array.from({ length: 4000 }, (_, index) =>
      flow({ client: client(index), destination: clusterIp, answerer: index % 2 === 0 ? first : second }),
    )
    await createFlows(socket, flows)
    assert.equal(await deletedBy(dnsAt('10.180.0.2')), 2000)
    assert.equal((await left()).length, 2000)
  })
})
