import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { ipv4 as plan } from '../lab/addresses.ts'
import { controlPlane } from '../lab/control-plane.ts'
import type { Program } from '../lab/long-program.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { Cluster } from './cluster.ts'
import {
  endpointSlice,
  proxierBinding,
  service,
  serviceAccount,
  serviceNamed,
  sliceEndpoints,
  sliceNamed,
} from './objects.ts'
import type { Pod } from './pod.ts'

const [webIp, cartIp] = plan.clusterIps
const [first, second] = plan.localEndpoints

describe('the agent and an API server that comes and goes', needs(root, tool('nft'), controlPlane), () => {
  let cluster: Cluster
  let pod: Pod
  let agent: Program

  before(async () => {
    cluster = await Cluster.start()
    await cluster.api.create(proxierBinding, service('web', webIp), endpointSlice('web', [first]))
    pod = await cluster.pod()
    agent = pod.start()
  })

  after(async () => {
    await pod.close()
    await cluster.close()
  })

  beforeEach(async () => {
    await cluster.api.patch(sliceNamed('web'), { endpoints: sliceEndpoints([first]) })
    await cluster.untilReach({ destination: webIp }, first)
  })

  test('keeps its rules while the API server is away, and follows when it is back', async () => {
    await cluster.plane.killApiServer()
    assert.equal(await cluster.reach({ destination: webIp }), first)
    await cluster.plane.startApiServer()
    await cluster.api.patch(sliceNamed('web'), { endpoints: sliceEndpoints([second]) })
    await cluster.untilReach({ destination: webIp }, second)
  })

  test('notices what was deleted while its watches had expired', async () => {
    await cluster.api.create(service('cart', cartIp), endpointSlice('cart', [first]))
    await cluster.untilReach({ destination: cartIp }, first)
    agent.signal('SIGSTOP')
    await cluster.api.delete(serviceNamed('cart'))
    await cluster.api.delete(sliceNamed('cart'))
    await cluster.api.patch(sliceNamed('web'), { endpoints: sliceEndpoints([second]) })
    // A new API server knows only what etcd still has, and that begins after these changes.
    await cluster.plane.compact()
    await cluster.plane.killApiServer()
    await cluster.plane.startApiServer()
    agent.signal('SIGCONT')
    await cluster.untilReach({ destination: webIp }, second)
    await cluster.untilReach({ destination: cartIp }, 'timeout')
  })

  test('goes on with a new token when the old one is no longer good', async () => {
    // A token ends with its account. A new API server does not remember that it was good a moment ago.
    await cluster.api.delete(serviceAccount)
    await cluster.api.create(serviceAccount)
    await cluster.plane.killApiServer()
    await cluster.plane.startApiServer()
    await agent.said(/401|[Uu]nauthorized/)
    assert.equal(await cluster.reach({ destination: webIp }), first, 'the rules stay')
    await cluster.api.patch(sliceNamed('web'), { endpoints: sliceEndpoints([second]) })
    await pod.publish('account', await cluster.accountFiles())
    await cluster.untilReach({ destination: webIp }, second)
  })
})
