import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { ruleset } from '../cli/ruleset.ts'
import { ipv4 as plan } from '../lab/addresses.ts'
import { controlPlane } from '../lab/control-plane.ts'
import { eventually } from '../lab/eventually.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { Cluster } from './cluster.ts'
import { endpointSlice, proxierBinding, proxyAccount, service, sliceEndpoints, sliceNamed } from './objects.ts'
import { kubeadmConfiguration, kubeconfigWith, type Pod } from './pod.ts'

const [webIp] = plan.clusterIps
const [first, second, third] = plan.localEndpoints

/** All that the agent asks for, but EndpointSlices. */
const roleWithoutSlices = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'without-slices' },
  rules: [
    { apiGroups: [''], resources: ['nodes', 'services'], verbs: ['list', 'watch'] },
    { apiGroups: ['networking.k8s.io'], resources: ['servicecidrs'], verbs: ['list', 'watch'] },
  ],
}
const bindingWithoutSlices = {
  ...proxierBinding,
  metadata: { name: 'without-slices' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'without-slices' },
}

describe('the agent and what it may do', needs(root, tool('nft'), controlPlane), () => {
  let cluster: Cluster
  let pod: Pod

  before(async () => {
    cluster = await Cluster.start()
    await cluster.api.create(service('web', webIp), endpointSlice('web', [first]))
  })

  beforeEach(async () => {
    pod = await cluster.pod()
  })

  afterEach(() => pod.close())

  after(() => cluster.close())

  /** Waits until the API server has refused the account something. */
  async function untilRefused(resource: string): Promise<void> {
    await eventually(
      async () => {
        const requests = await cluster.plane.requestsOf(proxyAccount)
        return requests.some((request) => request.resource === resource && request.status === 403) || undefined
      },
      () => `a refused request for ${resource}`,
    )
  }

  test('programs nothing before it may list everything, says what it lacks, and starts when it may', async () => {
    const agent = pod.start()
    await agent.said(/forbidden/)
    await cluster.api.create(roleWithoutSlices, bindingWithoutSlices)
    await untilRefused('endpointslices')
    await agent.said(/endpointslices\S* is forbidden/)
    assert.equal(ruleset(cluster.lab.node.namespace), '', 'Services without endpoints would be rejected')
    await cluster.api.create(proxierBinding)
    await cluster.untilReach({ destination: webIp }, first)
  })

  test('keeps its rules when the right is taken away, and follows when it is given back', async () => {
    const agent = pod.start()
    await cluster.untilProgrammed()
    await cluster.api.delete(proxierBinding)
    // Watches that are open stay open; a new API server lets none begin.
    await cluster.plane.killApiServer()
    await cluster.plane.startApiServer()
    await agent.said(/forbidden/)
    await cluster.api.patch(sliceNamed('web'), { endpoints: sliceEndpoints([second]) })
    assert.equal(await cluster.reach({ destination: webIp }), first)
    await cluster.api.create(proxierBinding)
    await cluster.untilReach({ destination: webIp }, second)
  })

  test('needs no binding with a certificate of the user system:kube-proxy', async () => {
    const { certFile, keyFile } = cluster.plane.clientCertificate({ user: 'system:kube-proxy' })
    const kubeconfig = kubeconfigWith(cluster.plane, {
      'client-certificate-data': await base64Of(certFile),
      'client-key-data': await base64Of(keyFile),
    })
    await pod.publish('config', { 'config.conf': kubeadmConfiguration, 'kubeconfig.conf': kubeconfig })
    await assertFollows(third)
  })

  test("uses its pod's account when it is given no kubeconfig", async () => {
    const { hostname, port } = new URL(cluster.plane.url)
    const config = kubeadmConfiguration.replace(/kubeconfig: .*/, 'kubeconfig: ""')
    await pod.publish('config', { 'config.conf': config })
    await assertFollows(first, { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port })
  })

  /** Starts an agent, which programs a change. */
  async function assertFollows(endpoint: string, env?: NodeJS.ProcessEnv): Promise<void> {
    pod.start(env === undefined ? {} : { env: { ...process.env, ...env } })
    await cluster.api.patch(sliceNamed('web'), { endpoints: sliceEndpoints([endpoint]) })
    await cluster.untilReach({ destination: webIp }, endpoint)
  }
})

async function base64Of(file: string): Promise<string> {
  return (await readFile(file)).toString('base64')
}
