import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { untilRuleset } from '../cli/ruleset.ts'
import { ipv4 as plan } from '../lab/addresses.ts'
import { controlPlane } from '../lab/control-plane.ts'
import { eventually } from '../lab/eventually.ts'
import type { Program } from '../lab/long-program.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { Cluster } from './cluster.ts'
import {
  endpointSlice,
  nodeNamed,
  proxierBinding,
  service,
  serviceCidr,
  serviceNamed,
  sliceEndpoints,
  sliceNamed,
} from './objects.ts'
import { nodeName, type Pod } from './pod.ts'

const [webIp, dnsIp, zonedIp] = plan.clusterIps
const [first, second] = plan.localEndpoints
/** Of the Service default/kubernetes, which the API server makes. */
const firstServiceIp = '172.30.0.1'
const proxyName = 'service.kubernetes.io/service-proxy-name'
const autoscalerTaint = { key: 'ToBeDeletedByClusterAutoscaler', value: '1', effect: 'NoSchedule' }

describe("the agent, deployed as kubeadm's kube-proxy", needs(root, tool('nft'), controlPlane), () => {
  let cluster: Cluster
  let pod: Pod
  let agent: Program

  before(async () => {
    cluster = await Cluster.start()
    await cluster.api.create(proxierBinding)
    pod = await cluster.pod()
    agent = pod.start()
  })

  after(async () => {
    await pod.close()
    await cluster.close()
  })

  test('makes the API server reachable through its own Service', async () => {
    await eventually(
      () => accepts(firstServiceIp, 443),
      () => `a connection to ${firstServiceIp}:443; the agent said\n${agent.lastOutput}`,
    )
  })

  test("applies kubeadm's limits of conntrack before it programs anything", () => {
    assert.equal(pod.hostSetting('nf_conntrack_max'), '131072')
  })

  test('programs a Service when it comes, and its endpoints when they come', async () => {
    await cluster.api.create(service('web', webIp))
    await cluster.untilReach({ destination: webIp }, 'refused')
    await cluster.api.create(endpointSlice('web', [first]))
    await cluster.untilReach({ destination: webIp }, first)
  })

  test('follows endpoints that come and go', async () => {
    await cluster.api.patch(sliceNamed('web'), { endpoints: sliceEndpoints([second, first]) })
    await cluster.untilReach({ destination: webIp }, second)
    await cluster.api.patch(sliceNamed('web'), { endpoints: sliceEndpoints([second]) })
    await untilRuleset(cluster.lab.node.namespace, { hasNot: `${first} . 8080` })
    assert.equal(await cluster.reach({ destination: webIp }), second)
  })

  test('follows a port that a Service gets later', async () => {
    const ports = [
      { name: 'http', port: 80, targetPort: 8080 },
      { name: 'alt', port: 81, targetPort: 8080 },
    ]
    await cluster.api.patch(serviceNamed('web'), { spec: { ports } })
    await cluster.api.patch(sliceNamed('web'), {
      ports: [
        { name: 'http', port: 8080 },
        { name: 'alt', port: 8080 },
      ],
    })
    await cluster.untilReach({ destination: webIp, port: 81 }, second)
    await cluster.untilReach({ destination: webIp, port: 80 }, second)
  })

  test('leaves a Service to another proxy as soon as its label says so, and takes it back', async () => {
    await cluster.api.patch(serviceNamed('web'), { metadata: { labels: { [proxyName]: 'mesh' } } })
    await cluster.untilReach({ destination: webIp }, 'timeout')
    await cluster.api.patch(serviceNamed('web'), { metadata: { labels: { [proxyName]: null } } })
    await cluster.untilReach({ destination: webIp }, second)
  })

  test('rejects when the slices are gone, drops when the Service is gone', async () => {
    await cluster.api.delete(sliceNamed('web'))
    await cluster.untilReach({ destination: webIp }, 'refused')
    await cluster.api.delete(serviceNamed('web'))
    await cluster.untilReach({ destination: webIp }, 'timeout')
  })

  test('carries UDP', async () => {
    const ports = [{ port: 53, targetPort: 8080, protocol: 'UDP' }]
    await cluster.api.create(service('dns', dnsIp, { ports }))
    await cluster.api.create(endpointSlice('dns', [first], [{ port: 8080, protocol: 'UDP' }]))
    await cluster.untilReach({ destination: dnsIp, port: 53, protocol: 'udp' }, first)
  })

  test('drops what goes to a ServiceCIDR, as long as that is there', async () => {
    const flow = { destination: plan.outerClusterIp, port: 80 }
    await cluster.lab.serve('tcp', 80, [plan.outerClusterIp])
    await cluster.untilReach(flow, plan.outerClusterIp)
    const extra = serviceCidr('extra', [`${plan.outerClusterIp}/32`])
    await cluster.api.create(extra)
    await cluster.untilReach(flow, 'timeout')
    await cluster.api.delete(extra)
    await cluster.untilReach(flow, plan.outerClusterIp)
  })

  test("prefers the endpoints of its Node's zone, also when the Node is given another one", async () => {
    const inZone = (address: string, name: string) => ({
      addresses: [address],
      zone: name,
      hints: { forZones: [{ name }] },
    })
    await cluster.api.create(
      service('zoned', zonedIp),
      endpointSlice('zoned', [inZone(first, 'a'), inZone(second, 'b')]),
    )
    await cluster.untilReach({ destination: zonedIp }, first)
    await cluster.untilReach({ destination: zonedIp }, second)
    for (const [zone, address] of [
      ['a', first],
      ['b', second],
    ] as const) {
      await cluster.api.patch(nodeNamed(nodeName), { metadata: { labels: { 'topology.kubernetes.io/zone': zone } } })
      await eventually(
        async () => {
          const { endpoints } = await cluster.lab.pods.pod.connectMany(zonedIp, 80, 20)
          return Object.keys(endpoints).join() === `${address}:8080` || undefined
        },
        () => `all connections to lead to ${address}`,
      )
    }
  })

  test('tells load balancers, but not the kubelet, that its Node is about to be deleted', async () => {
    assert.deepEqual(await health(), { healthz: 200, livez: 200 })
    await cluster.api.patch(nodeNamed(nodeName), { spec: { taints: [autoscalerTaint] } })
    await untilHealth({ healthz: 503, livez: 200 })
    await cluster.api.patch(nodeNamed(nodeName), { spec: { taints: null } })
    await untilHealth({ healthz: 200, livez: 200 })
  })

  test('reports its start as an event of the Node', async () => {
    const ours = await eventually(
      async () => {
        const { items } = (await cluster.api.request('GET', '/apis/events.k8s.io/v1/events')) as EventList
        const found = items.filter(({ reportingController }) => reportingController === 'kube-proxy')
        return found.length > 0 ? found : undefined
      },
      () => `an event; the agent said\n${agent.lastOutput}`,
    )
    assert.deepEqual(
      ours.map(({ type, reason, action }) => ({ type, reason, action })),
      [{ type: 'Normal', reason: 'Starting', action: 'StartKubeProxy' }],
    )
    assert.deepEqual(
      ours.map(({ regarding: { kind, name } }) => ({ kind, name })),
      [{ kind: 'Node', name: nodeName }],
    )
  })

  test("has kube-proxy's metrics and mode where kube-proxy has them", async () => {
    assert.equal(await body('http://127.0.0.1:10249/proxyMode'), 'nftables')
    const metrics = await body('http://127.0.0.1:10249/metrics')
    for (const family of ['IPv4', 'IPv6']) {
      const synced = metricValue(metrics, `kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="${family}"}`)
      assert.ok(synced > 1, `${family}: ${synced} syncs`)
      const at = metricValue(metrics, `kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="${family}"}`)
      assert.ok(Math.abs(Date.now() / 1000 - at) < 120, `${family}: last synced at ${at}`)
    }
    assert.ok(metricValue(metrics, 'kubeproxy_sync_proxy_rules_service_changes_total') > 5)
    assert.ok(metricValue(metrics, 'kubeproxy_sync_proxy_rules_endpoint_changes_total') > 5)
    assert.ok(metricValue(metrics, 'kubeproxy_network_programming_duration_seconds_count{ip_family="IPv4"}') > 0)
  })
})

/** The fields that we read of the answer; the API server reports events of its own. */
type EventList = {
  readonly items: readonly (Readonly<Record<'reportingController' | 'type' | 'reason' | 'action', string>> & {
    readonly regarding: { readonly kind: string; readonly name: string }
  })[]
}

async function health(): Promise<{ healthz: number; livez: number }> {
  const [healthz, livez] = await Promise.all(
    ['healthz', 'livez'].map((path) => fetch(`http://${plan.node}:10256/${path}`)),
  )
  return { healthz: healthz?.status ?? 0, livez: livez?.status ?? 0 }
}

async function untilHealth(wanted: { healthz: number; livez: number }): Promise<void> {
  let last = ''
  await eventually(
    async () => (last = JSON.stringify(await health())) === JSON.stringify(wanted) || undefined,
    () => `health ${JSON.stringify(wanted)}, the last was ${last}`,
  )
}

/** True when somebody takes a TCP connection. */
async function accepts(host: string, port: number): Promise<true | undefined> {
  const socket = connect({ host, port, timeout: 100 })
  try {
    return await new Promise((resolve) => {
      socket.on('connect', () => resolve(true))
      for (const event of ['error', 'timeout']) socket.on(event, () => resolve(undefined))
    })
  } finally {
    socket.destroy()
  }
}

async function body(url: string): Promise<string> {
  return (await fetch(url)).text()
}

/** The value of a metric; NaN when there is none of that name and labels. */
function metricValue(metrics: string, name: string): number {
  const line = metrics.split('\n').find((text) => text.startsWith(`${name} `))
  return Number(line?.slice(name.length))
}
