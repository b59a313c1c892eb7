import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { clusterIp, familyNames, service, servicePort } from '../lab/cluster.ts'
import { openTcp, type TcpFlow } from '../lab/flows.ts'
import type { NetworkNamespace } from '../../../src/netlink/namespace.ts'
import { addresses, assertOffloaded, client, router, servers, two } from '../lab/lab.ts'
import { Proxy } from '../lab/proxy.ts'
import { runInNamespace } from '../../lab/program.ts'
import { tracked } from '../lab/watch.ts'

const bulkBytes = 3_000_000

describe('an offloaded TCP connection', () => {
  let proxy: Proxy

  before(async () => {
    proxy = await Proxy.start(['--fastpath-packet-threshold=1'], [...service(1, ['one']), ...service(2, ['two'])])
    await proxy.logged(/fast path is active/)
  })

  after(() => proxy.kill())

  async function offloaded(number = 1, localPort?: number): Promise<TcpFlow> {
    const flow = await openTcp(client.namespace, clusterIp('IPv4', number), servicePort, localPort)
    await assertOffloaded(flow)
    return flow
  }

  test('closes as others do', async () => {
    const flow = await offloaded()
    flow.end()
    assert.equal(await flow.ending(2000), 'closed')
    await flow.close()
  })

  test('can be made again from the same port after a reset', async () => {
    const localPort = 40_123
    for (let round = 0; round < 3; round++) await (await offloaded(1, localPort)).close()
  })

  test('that is idle or half-closed for 40 seconds still works', async () => {
    servers.two.isHoldingOpen = true
    const [idle, waiting] = [await offloaded(1), await offloaded(2)]
    const [serverEnd] = servers.two.connections
    assert.ok(serverEnd)
    waiting.end()
    await sleep(40_000)
    servers.two.isHoldingOpen = false
    serverEnd.end('at last')
    assert.equal((await waiting.receive(7)).toString(), 'at last')
    assert.equal(await waiting.ending(2000), 'closed')
    assert.equal(tracked(router.namespace, idle)?.isOffloaded, false)
    await assertOffloaded(idle)
    for (const flow of [idle, waiting]) await flow.close()
  })

  test('carries megabytes both ways where links differ in MTU', async () => {
    for (const { namespace } of [client, router]) ip(namespace, 'link', 'set', 'eth0', 'mtu', '9000')
    // The server asks for more than its link takes, as one behind a tunnel does: the router has to tell the client.
    for (const [version, via] of [
      ['-4', addresses.IPv4.router],
      ['-6', addresses.IPv6.router],
    ] as const) {
      const route = [version, 'route', 'replace', 'default', 'via', via, 'dev', 'eth0', 'onlink', 'advmss', '8900']
      ip(two.namespace, ...route)
    }
    for (const family of familyNames) {
      const flow = await openTcp(client.namespace, clusterIp(family, 2), servicePort)
      await assertOffloaded(flow)
      await flow.exchange(1, bulkBytes, 30_000)
      assert.equal(tracked(router.namespace, flow)?.isOffloaded, true)
      assert.match(ip(client.namespace, 'route', 'get', clusterIp(family, 2)), / mtu 1500/)
      await flow.close()
    }
  })
})

function ip(namespace: NetworkNamespace, ...args: readonly string[]): string {
  const { status, stdout, stderr } = runInNamespace(namespace, 'ip', args)
  assert.equal(status, 0, stderr)
  return stdout
}
