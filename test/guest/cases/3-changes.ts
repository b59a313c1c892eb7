import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Manifest } from '../../cli/manifests.ts'
import { clusterIp, service, servicePort } from '../lab/cluster.ts'
import { openTcp, openUdp, type UdpFlow } from '../lab/flows.ts'
import { assertOffloaded, assertSlow, client, router } from '../lab/lab.ts'
import { flowproxy, Proxy } from '../lab/proxy.ts'
import { conntrackLines, nft, nftList, slowPackets, tracked } from '../lab/watch.ts'

const threshold = '--fastpath-packet-threshold=1'

/** Each case has a Service of its own. */
const cluster = new Map<number, readonly Manifest[]>([
  [1, service(1, ['one'])],
  [2, service(2, ['one'])],
  [3, service(3, ['one'])],
  [4, service(4, ['one'])],
  [5, service(5, ['two'])],
])

function objects(): readonly Manifest[] {
  return [...cluster.values()].flat()
}

async function start(...flags: readonly string[]): Promise<Proxy> {
  const proxy = await Proxy.start(flags, objects())
  await proxy.logged(/fast path is active/)
  return proxy
}

/** Changes one Service and waits until the kernel has that. */
async function change(proxy: Proxy, number: number, now: readonly Manifest[]): Promise<void> {
  cluster.set(number, now)
  const start = proxy.log.length
  proxy.write(objects())
  for (const family of ['IPv4', 'IPv6']) {
    const isDone = () => proxy.log.slice(start).some((line) => line.msg === 'synced' && line['family'] === family)
    await proxy.until(isDone, `sync of ${family}`)
  }
}

function open(number: number) {
  return openTcp(client.namespace, clusterIp('IPv4', number), servicePort)
}

describe('what becomes of offloaded connections', () => {
  let proxy: Proxy

  before(async () => {
    proxy = await start(threshold)
  })

  after(() => proxy.kill())

  test('a UDP flow moves to another endpoint when its own is gone, and is offloaded again', async () => {
    const flows = await Promise.all(
      (['IPv4', 'IPv6'] as const).map((family) => openUdp(client.namespace, clusterIp(family, 2), servicePort)),
    )
    for (const flow of flows) {
      await assertOffloaded(flow)
      assert.equal(flow.server, 'one')
    }
    await change(proxy, 2, service(2, ['two']))
    for (const flow of flows) {
      await untilAnsweredBy('two', flow)
      await assertOffloaded(flow)
      await flow.close()
    }
  })

  test('a TCP connection stays with its endpoint when that is gone for new ones', async () => {
    const flow = await open(3)
    await assertOffloaded(flow)
    await change(proxy, 3, service(3, ['two']))
    await assertOffloaded(flow)
    const next = await open(3)
    assert.equal(next.server, 'two')
    for (const each of [flow, next]) await each.close()
  })

  test('a TCP connection goes on when its Service is deleted', async () => {
    const flow = await open(3)
    await assertOffloaded(flow)
    await change(proxy, 3, [])
    await flow.exchange(5)
    await flow.close()
  })

  test('new connections of a Service that opts out stay in the rules', async () => {
    await change(proxy, 4, service(4, ['one'], { isOptedOut: true }))
    const flow = await open(4)
    await assertSlow(flow)
    await flow.close()
  })

  test('no packet comes back to the rules while Services change all the time', async () => {
    const flow = await open(1)
    await assertOffloaded(flow)
    const before = slowPackets(router.namespace)
    for (let round = 0; round < 10; round++) {
      cluster.set(4, service(4, round % 2 === 0 ? ['one', 'two'] : ['two']))
      proxy.write(objects())
      await flow.exchange(5)
    }
    assert.equal(slowPackets(router.namespace) - before, 0)
    await assertOffloaded(flow)
    await flow.close()
  })

  test('many connections come and go and leave no flow behind', async () => {
    for (let round = 0; round < 3; round++) {
      const flows = await Promise.all(Array.from({ length: 50 }, () => open(1)))
      await Promise.all(flows.map((flow) => flow.exchange(2)))
      for (const flow of flows) await flow.close()
    }
    const offloaded = (): number => conntrackLines(router.namespace).filter((line) => line.includes('[OFFLOAD]')).length
    await proxy.until(() => offloaded() === 0, 'end of all flows')
  })
})

describe('a proxy that ends', () => {
  test('when killed leaves connections in the flow table, as does the next one; with threshold 0 it removes the table', async () => {
    let proxy = await start(threshold)
    const flow = await open(1)
    await assertOffloaded(flow)
    const before = slowPackets(router.namespace)
    await proxy.kill('SIGKILL')
    await flow.exchange(20)
    proxy = await start(threshold)
    await flow.exchange(20)
    assert.equal(slowPackets(router.namespace) - before, 0)
    await assertOffloaded(flow)
    await proxy.kill()
    proxy = await Proxy.start(['--fastpath-packet-threshold=0'], objects())
    await proxy.until(() => !nftList(router.namespace, 'tables').includes('kube-proxy-fastpath'), 'end of the table')
    await assertSlow(flow)
    await flow.close()
    await proxy.kill()
  })

  test('and cleans up leaves no table; connections go on', async () => {
    const proxy = await start(threshold)
    const flow = await open(1)
    await assertOffloaded(flow)
    await proxy.kill()
    const { status, output } = await flowproxy('cleanup')
    assert.equal(status, 0, output)
    assert.doesNotMatch(nftList(router.namespace, 'tables'), /kube-proxy/)
    await assertSlow(flow)
    await flow.close()
  })
})

describe('threshold 20', () => {
  let proxy: Proxy

  before(async () => {
    proxy = await start('--fastpath-packet-threshold=20', '--fastpath-interfaces=!veth-two', '--fastpath-reset-tcp')
  })

  after(() => proxy.kill())

  test('leaves short connections in the rules', async () => {
    const flow = await openUdp(client.namespace, clusterIp('IPv4', 1), servicePort)
    await flow.exchange(8)
    assert.deepEqual(state(flow), { isOffloaded: false, packets: 18 })
    await flow.exchange(3)
    assert.equal(state(flow).isOffloaded, true)
    await assertOffloaded(flow)
    await flow.close()
  })

  test('a connection that the policy drops from packet 21 on is not offloaded', async () => {
    nft(
      router.namespace,
      `table inet strict {
         chain forward { type filter hook forward priority 200; policy accept; ct packets > 20 drop
         }
       }`,
    )
    const flow = await openUdp(client.namespace, clusterIp('IPv4', 1), servicePort)
    await flow.exchange(9)
    await assert.rejects(flow.exchange(2, 10, 1000), /no answer/)
    assert.equal(state(flow).isOffloaded, false)
    nft(router.namespace, 'delete table inet strict')
    await flow.exchange(1)
    await flow.close()
  })

  test('an excluded interface keeps its connections in the rules, and loses nothing', async () => {
    for (const open of [openTcp, openUdp]) {
      const flow = await open(client.namespace, clusterIp('IPv4', 5), servicePort)
      assert.equal(flow.server, 'two')
      await assertSlow(flow, 30)
      await flow.close()
    }
  })

  test('TCP connections to an endpoint that is gone are reset when that is asked for', async () => {
    await change(proxy, 3, service(3, ['one']))
    const flow = await open(3)
    await assertOffloaded(flow, 30)
    await change(proxy, 3, service(3, ['two']))
    await proxy.until(() => tracked(router.namespace, flow)?.isOffloaded !== true, 'end of the flow')
    flow.send('anybody there?')
    assert.equal(await flow.ending(5000), 'reset')
    await flow.close()
  })

  function state(flow: UdpFlow): { isOffloaded: boolean; packets: number } {
    const entry = tracked(router.namespace, flow)
    return { isOffloaded: entry?.isOffloaded === true, packets: entry?.packets ?? 0 }
  }
})

async function untilAnsweredBy(server: string, flow: UdpFlow): Promise<void> {
  const deadline = performance.now() + 5000
  while (flow.server !== server) {
    assert.ok(performance.now() < deadline, `still answered by ${flow.server}`)
    // The answer to one that was on its way when the flow was forgotten finds no way back.
    await flow.exchange(1, 10, 500).catch(() => {})
  }
}
