import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createDemoCluster, demoPlan } from '../../src/demo/cluster.ts'
import { createNetwork, type Network } from '../../src/demo/network.ts'
import { linkByName } from '../../src/netlink/link.ts'
import { needs, root } from '../lab/requirements.ts'

describe('the demo’s network', needs(root), () => {
  let network: Network<keyof typeof demoPlan.pods>

  before(async () => {
    network = await createDemoCluster()
  })

  after(() => network.close())

  for (const family of [0, 1] as const) {
    const backend = demoPlan.pods.backend1.addresses[family]
    const client = demoPlan.pods.client.addresses[family]
    const outside = demoPlan.outside.addresses[family]
    const node = demoPlan.node.addresses[family].replace(/\/.*/, '')

    test(`everybody reaches a pod with an unchanged source (${backend})`, async () => {
      const { port } = await network.pods.backend1.listenTcp(backend, 0)
      const sources = await Promise.all(
        [network.pods.client, network.outside, network.node].map(async (host) => {
          const outcome = await host.connectTcp(backend, port)
          return outcome.outcome === 'answered' ? outcome.peer.address : outcome.outcome
        }),
      )
      assert.deepEqual(sources, [client, outside, node])
    })

    test(`everybody reaches the node (${node})`, async () => {
      const { port } = await network.node.listenUdp(node, 0)
      for (const host of [network.pods.client, network.outside]) {
        assert.equal((await host.sendUdp(node, port)).outcome, 'answered')
      }
    })
  }

  test('a packet for an address that no host has is routed through the node and lost', async () => {
    for (const address of ['10.96.0.10', 'fd00:10:96::10']) {
      const outcome = await network.pods.client.connectTcp(address, 80, { timeoutMs: 100 })
      assert.deepEqual(outcome, { outcome: 'timeout' })
    }
  })

  test('each pod has a link of its own at the node', async () => {
    for (const { link } of Object.values(demoPlan.pods)) {
      assert.equal((await linkByName(network.node.route, link))?.hasCarrier, true)
    }
  })
})

describe('createNetwork', needs(root), () => {
  test('closes what it started when a step is refused', async () => {
    const outside = { name: 'outside', link: 'eth0', addresses: ['203.0.113.2'] }
    const plan = { node: { name: 'node', addresses: ['192.168.0.2/24'] }, outside, pods: { again: outside } }
    await assert.rejects(createNetwork(plan), /RTM_NEWLINK eth0: EEXIST/)
  })
})
