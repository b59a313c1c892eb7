import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  clusterIp,
  externalIps,
  familyNames,
  loadBalancerIps,
  nodePort,
  service,
  servicePort,
  serviceWithAllFrontends,
} from '../lab/cluster.ts'
import { type Flow, openTcp, openUdp } from '../lab/flows.ts'
import { addresses, assertOffloaded, assertSlow, client, one, router, two } from '../lab/lab.ts'
import { Proxy } from '../lab/proxy.ts'
import { nftList, sysctl, tracked } from '../lab/watch.ts'

const objects = [...serviceWithAllFrontends(1, ['one']), ...service(2, ['two'], { isOptedOut: true })]

let proxy: Proxy

describe('without a fast path', () => {
  let older: Flow

  before(async () => {
    proxy = await Proxy.start(['--fastpath-packet-threshold=0'], objects)
  })

  after(() => older.close())

  test('connections meet the rules and nothing counts their packets', async () => {
    older = await openTcp(client.namespace, clusterIp('IPv4', 1), servicePort)
    await assertSlow(older)
    assert.equal(sysctl(router.namespace, 'net.netfilter.nf_conntrack_acct'), '0')
    assert.doesNotMatch(nftList(router.namespace, 'tables'), /fastpath/)
  })

  test('a connection that is older than the fast path stays out of it', async () => {
    await proxy.kill()
    proxy = await Proxy.start(['--fastpath-packet-threshold=1'], objects)
    await proxy.logged(/fast path is active/)
    await assertSlow(older)
  })

  test('the next one does not', async () => {
    const flow = await openTcp(client.namespace, clusterIp('IPv4', 1), servicePort)
    await assertOffloaded(flow)
    await flow.close()
  })
})

describe('connections of every kind are offloaded', () => {
  after(() => proxy.kill())

  for (const family of familyNames) {
    const frontends = [
      ['the cluster IP', clusterIp(family, 1), servicePort],
      ['the node port', addresses[family].router, nodePort],
      ['the external IP', externalIps[family], servicePort],
      ['the load balancer', loadBalancerIps[family], servicePort],
    ] as const
    for (const open of [openTcp, openUdp]) {
      const protocol = open === openTcp ? 'TCP' : 'UDP'
      for (const [frontend, address, port] of frontends) {
        test(`${frontend}, ${protocol} over ${family}, masqueraded`, async () => {
          const flow = await open(client.namespace, address, port)
          await assertOffloaded(flow)
          await flow.close()
        })
      }
      test(`a pod through the cluster IP, ${protocol} over ${family}, with its own address`, async () => {
        const flow = await open(two.namespace, clusterIp(family, 1), servicePort)
        await assertOffloaded(flow)
        await flow.close()
      })
      test(`a pod through a Service to itself, ${protocol} over ${family}`, async () => {
        const flow = await open(one.namespace, clusterIp(family, 1), servicePort)
        await assertOffloaded(flow)
        await flow.close()
      })
    }
  }

  test('a Service that opted out is not', async () => {
    for (const open of [openTcp, openUdp]) {
      const flow = await open(client.namespace, clusterIp('IPv4', 2), servicePort)
      await assertSlow(flow)
      await flow.close()
    }
  })

  test('connection tracking goes on counting', async () => {
    const flow = await openTcp(client.namespace, clusterIp('IPv4', 1), servicePort)
    await assertOffloaded(flow)
    const before = tracked(router.namespace, flow)?.packets ?? Number.NaN
    await flow.exchange(20)
    const counted = (tracked(router.namespace, flow)?.packets ?? Number.NaN) - before
    assert.ok(counted >= 40, `${counted} packets`)
    await flow.close()
  })

  test('metrics count them', async () => {
    const offloaded = 'flowproxy_fastpath_connections_offloaded_total'
    const before = (await proxy.metric(offloaded)) ?? Number.NaN
    assert.ok(before >= 24, `${before} so far`)
    const flow = await openTcp(client.namespace, clusterIp('IPv4', 1), servicePort)
    await assertOffloaded(flow)
    await proxy.until(async () => (await proxy.metric(offloaded)) === before + 1, 'one more connection')
    assert.equal(await proxy.metric('flowproxy_fastpath_supported{feature="flowtable"}'), 1)
    assert.equal(await proxy.metric('flowproxy_fastpath_devices'), 3)
    await flow.close()
  })
})
