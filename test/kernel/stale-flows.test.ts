/* UDP clients that keep their port, while the endpoint that they talk to goes away. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import type { EndpointSlice, KubeObject, Service } from '../../src/kube/types.ts'
import { findFlows } from '../../src/netlink/conntrack.ts'
import { AF_INET, AF_INET6 } from '../../src/netlink/inet.ts'
import { NETLINK_NETFILTER, NetlinkSocket } from '../../src/netlink/socket.ts'
import { StaleFlows } from '../../src/sync/stale-flows.ts'
import { forgetConnections } from '../lab/connections.ts'
import { nodeAddresses } from '../lab/plan.ts'
import { needs, root } from '../lab/requirements.ts'
import { ip } from '../model/fixtures.ts'
import type { Proxy } from '../sync/proxy.ts'
import { createPacketLab, type PacketLab, plans } from './packets.ts'
import { elsewhere, onNode, serviceAt, sliceFor } from './services.ts'

const port = 53
const nodePort = 30_053

describe('a UDP client that keeps its port', needs(root), () => {
  let lab: PacketLab
  const opened: StaleFlows[] = []
  let clientPort = 5000

  before(async () => {
    lab = await createPacketLab()
    await lab.serve('udp', port)
    await lab.serve('tcp', port)
  })

  afterEach(() => {
    for (const staleFlows of opened.splice(0)) staleFlows.close()
  })

  after(() => lab.close())

  for (const { family, plan } of plans) {
    describe(`over ${family}`, () => {
      const [clusterIp] = plan.clusterIps
      const [externalIp] = plan.externalIps
      const [first, second] = plan.localEndpoints
      const [remote] = plan.remoteEndpoints
      const ports = [
        { name: 'udp', protocol: 'udp', port },
        { name: 'tcp', protocol: 'tcp', port },
      ] as const
      const service = dns()
      const sliceOf = (...addresses: readonly string[]): EndpointSlice => sliceFor('dns', onNode(...addresses), ports)

      function dns(spec: Partial<Service['spec']> = {}): Service {
        return serviceAt('dns', clusterIp, ports, {
          type: 'NodePort',
          externalIPs: [externalIp],
          ports: [
            { name: 'udp', protocol: 'UDP', port, nodePort },
            { name: 'tcp', protocol: 'TCP', port, nodePort },
          ],
          ...spec,
        })
      }

      beforeEach(() => forgetConnections(lab.node.namespace, family))

      /** A proxy as after a start, with its first reconciliation. */
      async function started(...objects: readonly KubeObject[]) {
        const proxy = await lab.program(plan, objects)
        const staleFlows = new StaleFlows({
          protocol: 'udp',
          model: proxy.model,
          socket: lab.node.namespace.run(() => new NetlinkSocket(NETLINK_NETFILTER)),
          clock: proxy.clock,
        })
        opened.push(staleFlows)
        staleFlows.setNodePortIps(nodeAddresses(plan).map(ip))
        const first = await staleFlows.reconcile(false)
        return { proxy, staleFlows, deletedAtStart: first?.deleted }
      }

      /** Syncs and reconciles; how many flows went. */
      async function change({ proxy, staleFlows }: { proxy: Proxy; staleFlows: StaleFlows }, ...objects: KubeObject[]) {
        const { changes } = await proxy.sync(...objects)
        return (await staleFlows.reconcile(changes.isConntrackCleanupNeeded))?.deleted
      }

      /** Asks again and again from one port; returns who answers. */
      function client(source: string, destination: string, destinationPort = port): () => Promise<string> {
        const options = { localAddress: source, localPort: clientPort++, timeoutMs: 1000 }
        return async () => {
          const outcome = await lab.hostOf(source).sendUdp(destination, destinationPort, options)
          return outcome.outcome === 'answered' ? outcome.endpoint.address : outcome.outcome
        }
      }

      const frontends: readonly [title: string, source: string, destination: string, port?: number][] = [
        ['a pod through the cluster IP', plan.pod, clusterIp],
        ['a client outside through the cluster IP', plan.outsideClient, clusterIp],
        ['a client outside through the external IP', plan.outsideClient, externalIp],
        ['a client outside through the node port', plan.outsideClient, plan.node, nodePort],
        ['the node through the cluster IP', plan.node, clusterIp],
        ['the node through its own node port', plan.node, plan.node, nodePort],
        ['the new endpoint itself, through the cluster IP', second, clusterIp],
      ]
      for (const [title, source, destination, destinationPort] of frontends) {
        test(`reaches the new endpoint: ${title}`, async () => {
          const running = await started(service, sliceOf(first))
          const ask = client(source, destination, destinationPort)
          assert.equal(await ask(), first)
          await running.proxy.sync(sliceOf(second))
          assert.equal(await ask(), first, 'without reconciliation it is stuck')
          assert.equal(await running.staleFlows.reconcile(true).then((report) => report?.deleted), 1)
          assert.equal(await ask(), second)
        })
      }

      test('is refused once the Service has no endpoint any more', async () => {
        const running = await started(service, sliceOf(first))
        const ask = client(plan.pod, clusterIp)
        assert.equal(await ask(), first)
        assert.equal(await change(running, sliceOf()), 1)
        assert.equal(await ask(), 'refused')
      })

      test('leaves the endpoint when the Service is deleted', async () => {
        const running = await started(service, sliceOf(first))
        const ask = client(plan.outsideClient, plan.node, nodePort)
        assert.equal(await ask(), first)
        running.proxy.delete(service)
        assert.equal(await change(running), 1)
        assert.equal(await ask(), 'refused')
      })

      test('stays with an endpoint that serves, also where new clients are sent to others', async () => {
        const running = await started(service, sliceFor('dns', elsewhere(remote), ports))
        const askRemote = client(plan.outsideClient, externalIp)
        assert.equal(await askRemote(), remote)
        const local = dns({ externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' })
        const both = sliceFor('dns', [...elsewhere(remote), ...onNode(first)], ports)
        assert.equal(await change(running, local, both), 0)
        assert.equal(await askRemote(), remote)
        const askLocal = client(plan.outsideClient, externalIp)
        assert.equal(await askLocal(), first)
        const draining = onNode(first).map((endpoint) => ({
          ...endpoint,
          conditions: { ready: false, serving: true, terminating: true },
        }))
        assert.equal(await change(running, sliceFor('dns', [...elsewhere(remote), ...draining], ports)), 0)
        assert.equal(await askLocal(), first)
      })

      test('stays with its endpoint across a restart', async () => {
        await started(service, sliceOf(first, second))
        const asks = Array.from({ length: 6 }, (_, index) =>
          index % 2 === 0 ? client(plan.pod, clusterIp) : client(plan.outsideClient, plan.node, nodePort),
        )
        const answers = await Promise.all(asks.map((ask) => ask()))
        const { deletedAtStart } = await started(service, sliceOf(first, second))
        assert.equal(deletedAtStart, 0)
        assert.deepEqual(await Promise.all(asks.map((ask) => ask())), answers)
      })

      test('reaches the new endpoint also when its own went while no proxy ran', async () => {
        await started(service, sliceOf(first))
        const ask = client(plan.pod, clusterIp)
        assert.equal(await ask(), first)
        assert.equal((await started(service, sliceOf(second))).deletedAtStart, 1)
        assert.equal(await ask(), second)
      })

      test('of somebody else is left alone, though its port is that of a node port', async () => {
        const running = await started(service, sliceOf(first))
        await lab.serve('udp', nodePort, [plan.elsewhere])
        const ask = client(plan.pod, plan.elsewhere, nodePort)
        assert.equal(await ask(), plan.elsewhere)
        const before = await flowIds(plan.node)
        assert.equal(await change(running, sliceOf(second)), 0)
        assert.deepEqual(await flowIds(plan.node), before)
        assert.equal(await ask(), plan.elsewhere)
      })

      test('is all that changes: a TCP connection stays with its endpoint', async () => {
        const running = await started(service, sliceOf(first))
        const connection = await lab.hostOf(plan.pod).openTcp(clusterIp, port, { localAddress: plan.pod })
        const ask = client(plan.pod, clusterIp)
        assert.equal(await ask(), first)
        assert.equal(await change(running, sliceOf(second)), 1)
        assert.deepEqual(await connection.ask(), connection.first)
        assert.equal(await ask(), second)
        await connection.close()
      })

      /** The UDP entries of the node that lead to the number of the node port, by what tells each from any later one. */
      async function flowIds(address: string): Promise<readonly (number | undefined)[]> {
        const socket = lab.node.namespace.run(() => new NetlinkSocket(NETLINK_NETFILTER))
        const { flows } = await findFlows(socket, address.includes(':') ? AF_INET6 : AF_INET, 17, () => true)
        socket.close()
        const wanted = flows.filter(({ attributes }) => attributes.original.proto.dstPort === nodePort)
        assert.ok(wanted.length > 0)
        return wanted.map(({ attributes }) => attributes.id)
      }
    })
  }
})
