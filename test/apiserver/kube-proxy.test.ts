import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { HostConnection } from '../../src/demo/host.ts'
import { ruleset } from '../cli/ruleset.ts'
import { ipv4 as plan } from '../lab/addresses.ts'
import { controlPlane } from '../lab/control-plane.ts'
import { goTool } from '../lab/go-tools.ts'
import type { Program } from '../lab/long-program.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { Cluster } from './cluster.ts'
import { endpointSlice, proxierBinding, service, sliceEndpoints, sliceNamed } from './objects.ts'
import type { Pod } from './pod.ts'

const [webIp, dnsIp, guardedIp, emptyIp] = plan.clusterIps
const [loadBalancerIp] = plan.loadBalancerIps
const udpPort = { port: 53, targetPort: 8080, protocol: 'UDP' }
const dnsFlow = { destination: dnsIp, port: 53, protocol: 'udp', sourcePort: 40_001 } as const
const [newcomer] = plan.remoteEndpoints
const [guardedEndpoint] = plan.localEndpoints

/** Has something in every set and map that both tables have. */
const guarded = service('guarded', guardedIp, {
  spec: { type: 'LoadBalancer', sessionAffinity: 'ClientIP', loadBalancerSourceRanges: [plan.sourceRange] },
})

/** Where the Service is sent to in the table of the one and of the other. */
const verdictOf = { kubeProxy: /goto service-[0-9A-Z]{8}-default\/web/, flowproxy: /"default\/web" : goto pick-tcp-/ }

describe('kube-proxy and the agent, one after the other', needs(root, tool('nft'), controlPlane), () => {
  let cluster: Cluster
  let pod: Pod
  let kubeProxy: string
  let running: Program
  let connection: HostConnection
  let udpEndpoint: string

  before(async () => {
    kubeProxy = await goTool('kube-proxy')
    cluster = await Cluster.start()
    await cluster.api.create(
      proxierBinding,
      service('web', webIp),
      endpointSlice('web', plan.localEndpoints),
      service('dns', dnsIp, { ports: [udpPort] }),
      endpointSlice('dns', plan.localEndpoints, [{ port: 8080, protocol: 'UDP' }]),
      guarded,
      endpointSlice('guarded', [guardedEndpoint]),
      service('empty', emptyIp, { spec: { type: 'NodePort' } }),
    )
    const loadBalancer = { ingress: [{ ip: loadBalancerIp }] }
    await cluster.api.patch(guarded, { status: { loadBalancer } }, '/status')
    pod = await cluster.pod()
    running = pod.start({ command: [kubeProxy] })
    await cluster.untilProgrammed()
    connection = await cluster.lab.pods.pod.openTcp(webIp, 80)
    assert.equal(connection.first.outcome, 'answered')
    udpEndpoint = await cluster.reach(dnsFlow)
    assertVerdict(verdictOf.kubeProxy, verdictOf.flowproxy)
    await assertNewFlowsArrive()
  })

  after(async () => {
    await pod.close()
    await cluster.close()
  })

  function assertVerdict(wanted: RegExp, other: RegExp): void {
    const listed = ruleset(cluster.lab.node.namespace)
    assert.match(listed, wanted)
    assert.doesNotMatch(listed, other)
  }

  async function assertFlowsContinue(): Promise<void> {
    assert.deepEqual(await connection.ask(), connection.first)
    assert.equal(await cluster.reach(dnsFlow), udpEndpoint)
  }

  async function assertNewFlowsArrive(): Promise<void> {
    const toLoadBalancer = { destination: loadBalancerIp, timeoutMs: 200 }
    assert.equal(await cluster.reach({ source: plan.outsideClient, ...toLoadBalancer }), guardedEndpoint)
    assert.equal(await cluster.reach({ source: plan.blockedClient, ...toLoadBalancer }), 'timeout')
    assert.equal(await cluster.reach({ destination: guardedIp }), guardedEndpoint)
    assert.equal(await cluster.reach({ destination: emptyIp }), 'refused')
  }

  test('the agent takes the place of kube-proxy without an interruption', async () => {
    await running.end('SIGTERM')
    running = pod.start()
    await cluster.untilProgrammed()
    assertVerdict(verdictOf.flowproxy, verdictOf.kubeProxy)
    await assertFlowsContinue()
    await assertNewFlowsArrive()
    await cluster.api.patch(sliceNamed('web'), { endpoints: sliceEndpoints([newcomer]) })
    await cluster.untilReach({ destination: webIp }, newcomer)
  })

  test('kube-proxy takes it back in the same way', async () => {
    await running.end('SIGTERM')
    running = pod.start({ command: [kubeProxy] })
    await cluster.untilProgrammed()
    assertVerdict(verdictOf.kubeProxy, verdictOf.flowproxy)
    await assertFlowsContinue()
    await assertNewFlowsArrive()
    assert.equal(await cluster.reach({ destination: webIp }), newcomer)
  })
})
