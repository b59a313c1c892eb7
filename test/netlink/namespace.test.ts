import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { NetlinkError } from '../../src/netlink/errors.ts'
import { createVethPair, linkByName, listLinks } from '../../src/netlink/link.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import { needs, root } from '../lab/requirements.ts'

function ownNamespace(): string {
  return readlinkSync('/proc/thread-self/ns/net')
}

describe('NetworkNamespace', needs(root), () => {
  test('creating one leaves the thread where it was', () => {
    const before = ownNamespace()
    NetworkNamespace.create().close()
    assert.equal(ownNamespace(), before)
  })

  test('run is inside, and what it starts too; afterwards the thread is back', () => {
    const before = ownNamespace()
    const namespace = NetworkNamespace.create()
    const inside = namespace.run(() => ownNamespace())
    const child = namespace.run(() => spawnSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' }))
    namespace.close()
    assert.notEqual(inside, before)
    assert.equal(child.stdout.trim(), inside)
    assert.equal(ownNamespace(), before)
  })

  test('the thread is back when run throws', () => {
    const before = ownNamespace()
    const namespace = NetworkNamespace.create()
    const failing = () => {
      throw new RangeError('inside')
    }
    assert.throws(() => namespace.run(failing), /inside/)
    namespace.close()
    assert.equal(ownNamespace(), before)
  })

  test('one begins with nothing but loopback, whatever another has', async () => {
    const [first, second] = [NetworkNamespace.create(), NetworkNamespace.create()]
    const sockets = [first, second].map((namespace) => namespace.run(() => new NetlinkSocket(NETLINK_ROUTE)))
    await createVethPair(sockets[0]!, { name: 'v0', peer: { name: 'v1' } })
    const names = await Promise.all(
      sockets.map(async (socket) => (await listLinks(socket)).map(({ name }) => name).toSorted()),
    )
    for (const each of [...sockets, first, second]) each.close()
    assert.deepEqual(names, [['lo', 'v0', 'v1'], ['lo']])
  })

  test('one vanishes with its descriptor, and its links with it', async () => {
    const [staying, going] = [NetworkNamespace.create(), NetworkNamespace.create()]
    const socket = staying.run(() => new NetlinkSocket(NETLINK_ROUTE))
    await createVethPair(socket, { name: 'v0', peer: { name: 'v1', namespaceFd: going.fd } })
    assert.ok(await linkByName(socket, 'v0'))
    going.close()
    let isGone = false
    for (let attempt = 0; attempt < 200 && !isGone; attempt++) {
      await delay(20) // the kernel cleans up in the background
      isGone = (await linkByName(socket, 'v0')) === undefined
    }
    socket.close()
    staying.close()
    assert.ok(isGone)
  })

  test('one is opened by its path', () => {
    const namespace = NetworkNamespace.open('/proc/self/ns/net')
    assert.equal(
      namespace.run(() => ownNamespace()),
      ownNamespace(),
    )
    namespace.close()
  })

  test('a descriptor that is no namespace is refused', () => {
    const namespace = NetworkNamespace.open('/dev/null')
    assert.throws(
      () => namespace.run(() => 0),
      (error) => error instanceof NetlinkError && error.message === 'setns: EINVAL',
    )
    namespace.close()
  })

  test('closing twice closes one descriptor', () => {
    const first = NetworkNamespace.create()
    first.close()
    const second = NetworkNamespace.create() // takes the number that became free
    first.close()
    assert.notEqual(
      second.run(() => ownNamespace()),
      ownNamespace(),
    )
    second.close()
  })
})
