import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ClusterModel } from '../../src/model/cluster-model.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { NETLINK_NETFILTER, NetlinkSocket } from '../../src/netlink/socket.ts'
import { unlabelOptedOut } from '../../src/sync/opted-out-flows.ts'
import { needs, root } from '../lab/requirements.ts'
import { nodeName, service } from '../model/fixtures.ts'
import { createFlows, flow, IPPROTO_TCP } from '../netlink/flows.ts'
import { setObject } from './proxy.ts'

const optedOut = { annotations: { 'flowproxy.dev/fastpath': 'off' } }

function modelWith(...services: readonly ReturnType<typeof service>[]): ClusterModel {
  const model = new ClusterModel({ family: 'IPv4', nodeName, processStartMs: 0 })
  for (const each of services) setObject(model, each)
  return model
}

describe('connections of Services that opted out', needs(root), () => {
  test('are not looked for where no Service did, or only one without ports that could be offloaded', async () => {
    const closed = new NetlinkSocket(NETLINK_NETFILTER)
    closed.close()
    const sctp = service({ ports: [{ protocol: 'SCTP', port: 80 }] }, optedOut)
    for (const model of [modelWith(), modelWith(service()), modelWith(sctp)]) {
      assert.equal(await unlabelOptedOut(model, model.serviceKeys(), [], closed, 90), 0)
    }
  })

  test('that are in no flow table are left alone', async (t) => {
    const namespace = NetworkNamespace.create()
    const socket = namespace.run(() => new NetlinkSocket(NETLINK_NETFILTER))
    t.after(() => {
      for (const each of [socket, namespace]) each.close()
    })
    const destination = ['172.30.0.41', 80] as const
    const plan = {
      protocol: IPPROTO_TCP,
      client: ['10.0.0.2', 5000],
      destination,
      answerer: ['10.180.0.1', 80],
    } as const
    await createFlows(socket, [flow(plan)])
    const model = modelWith(service({}, optedOut))
    assert.equal(await unlabelOptedOut(model, model.serviceKeys(), [], socket, 90), 0)
  })
})
