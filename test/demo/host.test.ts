import assert from 'node:assert/strict'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { Host, HostError } from '../../src/demo/host.ts'
import { addAddress } from '../../src/netlink/address.ts'
import { needs, root } from '../lab/requirements.ts'

/** The network namespaces that threads of this process are in. */
function namespacesOfThreads(): readonly string[] {
  return readdirSync('/proc/self/task').flatMap((thread) => {
    try {
      return [readlinkSync(`/proc/self/task/${thread}/ns/net`)]
    } catch {
      return [] // the thread has ended
    }
  })
}

describe('Host', needs(root), () => {
  let host: Host

  before(async () => {
    host = await Host.start('web')
    for (const address of ['10.0.0.1/32', '10.0.0.2/32', 'fd00::1/128']) await addAddress(host.route, 'lo', address)
  })

  after(() => host.close())

  for (const [address, from] of [
    ['10.0.0.1', '10.0.0.2'],
    ['fd00::1', '::1'],
  ] as const) {
    test(`a TCP client learns who answered and whom they saw (${address})`, async () => {
      const { port, close } = await host.listenTcp(address, 0)
      assert.deepEqual(await host.connectTcp(address, port, { localAddress: from, localPort: 40001 }), {
        outcome: 'answered',
        server: 'web',
        endpoint: { address, port },
        peer: { address: from, port: 40001 },
      })
      await close()
      assert.deepEqual(await host.connectTcp(address, port), { outcome: 'refused' })
    })

    test(`a UDP client learns who answered and whom they saw (${address})`, async () => {
      const { port, close } = await host.listenUdp(address, 0)
      assert.deepEqual(await host.sendUdp(address, port, { localAddress: from, localPort: 40001 }), {
        outcome: 'answered',
        server: 'web',
        endpoint: { address, port },
        peer: { address: from, port: 40001 },
      })
      await close()
      assert.deepEqual(await host.sendUdp(address, port), { outcome: 'refused' })
    })
  }

  test('an address without a route is unreachable', async () => {
    assert.deepEqual(await host.connectTcp('192.0.2.1', 80), { outcome: 'unreachable' })
    assert.deepEqual(await host.sendUdp('2001:db8::1', 80), { outcome: 'unreachable' })
  })

  test('a local port can be used again at once', async () => {
    const { port } = await host.listenTcp('10.0.0.1', 0)
    for (let i = 0; i < 20; i++) {
      const { outcome } = await host.connectTcp('10.0.0.1', port, { localAddress: '10.0.0.2', localPort: 40002 })
      assert.equal(outcome, 'answered')
    }
  })

  test('many connections are counted by server and endpoint, failures by outcome', async () => {
    const { port } = await host.listenTcp('10.0.0.1', 0)
    const [answers, refusals] = await Promise.all([
      host.connectMany('10.0.0.1', port, 200, { atOnce: 20 }),
      host.connectMany('10.0.0.2', port, 3),
    ])
    assert.deepEqual(answers, { servers: { web: 200 }, endpoints: { [`10.0.0.1:${port}`]: 200 }, failures: {} })
    assert.deepEqual(refusals, { servers: {}, endpoints: {}, failures: { refused: 3 } })
  })

  test('an open connection answers until its server closes', async () => {
    const listener = await host.listenTcp('10.0.0.1', 0)
    const connection = await host.openTcp('10.0.0.1', listener.port)
    for (let i = 0; i < 3; i++) assert.deepEqual(await connection.ask(), connection.first)
    await listener.close()
    assert.deepEqual(await connection.ask(), { outcome: 'closed' })
    await connection.close()
  })

  test('a listener that cannot be opened is an error with its place and errno', async () => {
    await assert.rejects(host.listenTcp('192.0.2.1', 80), (error) => {
      assert.ok(error instanceof HostError)
      assert.match(error.message, /^web: listen tcp 192\.0\.2\.1:80: /)
      assert.equal(error.errno, 'EADDRNOTAVAIL')
      return true
    })
  })

  test('a local address that the host lacks is an error, no outcome', async () => {
    for (const operation of ['connectTcp', 'sendUdp'] as const) {
      await assert.rejects(
        host[operation]('10.0.0.1', 80, { localAddress: '192.0.2.1' }),
        (error) => error instanceof HostError && error.errno === 'EADDRNOTAVAIL',
      )
    }
  })

  test('a kernel parameter is set in the host’s namespace alone', () => {
    const path = '/proc/sys/net/ipv4/ip_default_ttl'
    const ours = readFileSync(path, 'utf8')
    host.writeSysctl('net.ipv4.ip_default_ttl', '77')
    assert.equal(readFileSync(path, 'utf8'), ours)
    assert.equal(
      host.namespace.run(() => readFileSync(path, 'utf8')),
      '77\n',
    )
  })

  test('its thread lives in its namespace, and once it is closed no thread does', async () => {
    const short = await Host.start('short')
    const inside = short.namespace.run(() => readlinkSync('/proc/thread-self/ns/net'))
    await short.listenTcp('127.0.0.1', 0)
    const count = () => namespacesOfThreads().filter((namespace) => namespace === inside).length
    assert.ok(count() >= 1)
    await short.close()
    assert.equal(count(), 0) // Node's thread pool, which stays, was born elsewhere
  })

  test('closing ends what waits and refuses what comes later', async () => {
    const short = await Host.start('short')
    const { port } = await short.listenTcp('127.0.0.1', 0)
    const connection = await short.openTcp('127.0.0.1', port)
    const waiting = assert.rejects(short.connectMany('127.0.0.1', port, 100_000), /short: .*: closed/)
    await short.close()
    await waiting
    await assert.rejects(connection.ask(), HostError)
  })
})
