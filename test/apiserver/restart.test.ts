import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { proxyTables } from '../cli/ruleset.ts'
import { ipv4 as plan } from '../lab/addresses.ts'
import { controlPlane } from '../lab/control-plane.ts'
import type { Program } from '../lab/long-program.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { Cluster } from './cluster.ts'
import { endpointSlice, proxierBinding, service } from './objects.ts'
import type { Pod } from './pod.ts'

const [webIp, dnsIp, stickyIp] = plan.clusterIps
const udpPort = { port: 53, targetPort: 8080, protocol: 'UDP' }

describe('an agent that is restarted in an unchanged cluster', needs(root, tool('nft'), controlPlane), () => {
  let cluster: Cluster
  let pod: Pod
  let agent: Program

  before(async () => {
    cluster = await Cluster.start()
    await cluster.api.create(
      proxierBinding,
      service('web', webIp),
      endpointSlice('web', plan.localEndpoints),
      service('dns', dnsIp, { ports: [udpPort] }),
      endpointSlice('dns', plan.localEndpoints, [{ port: 8080, protocol: 'UDP' }]),
      service('sticky', stickyIp, { spec: { sessionAffinity: 'ClientIP' } }),
      endpointSlice('sticky', plan.localEndpoints),
    )
    pod = await cluster.pod()
    agent = pod.start()
    await cluster.untilProgrammed()
  })

  after(async () => {
    await pod.close()
    await cluster.close()
  })

  async function restart(): Promise<void> {
    await agent.end('SIGTERM')
    agent = pod.start()
    await cluster.untilProgrammed()
  }

  test('ends with its rules in force', async () => {
    const before = proxyTables(cluster.lab.node.namespace)
    await agent.end('SIGTERM')
    assert.equal(proxyTables(cluster.lab.node.namespace), before)
    agent = pod.start()
    await cluster.untilProgrammed()
    assert.equal(proxyTables(cluster.lab.node.namespace), before, 'and has the same ones then')
  })

  test('keeps connections that are open', async () => {
    const connection = await cluster.lab.pods.pod.openTcp(webIp, 80)
    assert.equal(connection.first.outcome, 'answered')
    await restart()
    assert.deepEqual(await connection.ask(), connection.first)
    await connection.close()
  })

  test('keeps every UDP flow with its endpoint', async () => {
    const flows = [40_001, 40_002, 40_003, 40_004].map((sourcePort) => {
      return { destination: dnsIp, port: 53, protocol: 'udp', sourcePort } as const
    })
    const reached = await Promise.all(flows.map((flow) => cluster.reach(flow)))
    await restart()
    assert.deepEqual(await Promise.all(flows.map((flow) => cluster.reach(flow))), reached)
    assert.ok(
      reached.every((address) => (plan.localEndpoints as readonly string[]).includes(address)),
      String(reached),
    )
  })

  test('keeps every client with the endpoint that it is stuck to', async () => {
    const clients = [plan.pod, plan.remotePod, plan.outsideClient, plan.blockedClient, plan.node]
    const reachAll = () => Promise.all(clients.map((source) => cluster.reach({ source, destination: stickyIp })))
    const reached = await reachAll()
    await restart()
    assert.deepEqual(await reachAll(), reached)
    assert.ok(
      reached.every((address) => (plan.localEndpoints as readonly string[]).includes(address)),
      String(reached),
    )
  })
})
