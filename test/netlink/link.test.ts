import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { NetlinkError } from '../../src/netlink/errors.ts'
import {
  createVethPair,
  deleteLink,
  linkByName,
  linkIndex,
  listLinks,
  moveLink,
  renameLink,
  setLinkDown,
  setLinkUp,
} from '../../src/netlink/link.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import { runInNamespace } from '../lab/program.ts'
import { needs, root, tool } from '../lab/requirements.ts'

describe('links', needs(root), () => {
  let namespace: NetworkNamespace
  let other: NetworkNamespace
  let socket: NetlinkSocket
  let otherSocket: NetlinkSocket

  before(() => {
    namespace = NetworkNamespace.create()
    other = NetworkNamespace.create()
    socket = namespace.run(() => new NetlinkSocket(NETLINK_ROUTE))
    otherSocket = other.run(() => new NetlinkSocket(NETLINK_ROUTE))
  })

  after(() => {
    for (const each of [socket, otherSocket, namespace, other]) each.close()
  })

  test('loopback is a link of no kind', async () => {
    assert.deepEqual(await linkByName(socket, 'lo'), {
      index: 1,
      name: 'lo',
      kind: undefined,
      mtuBytes: 65536,
      masterIndex: undefined,
      lowerIndex: undefined,
      hasRemote: false,
      isLoopback: true,
      isUp: false,
      hasCarrier: false,
    })
  })

  test('a veth has carrier once both ends are up', async () => {
    await createVethPair(socket, { name: 'v0', peer: { name: 'v1' } })
    const states = async () => {
      const { isUp, hasCarrier, kind } = (await linkByName(socket, 'v0'))!
      return { isUp, hasCarrier, kind }
    }
    assert.deepEqual(await states(), { isUp: false, hasCarrier: false, kind: 'veth' })
    await setLinkUp(socket, 'v0')
    assert.deepEqual(await states(), { isUp: true, hasCarrier: false, kind: 'veth' })
    await setLinkUp(socket, 'v1')
    assert.deepEqual(await states(), { isUp: true, hasCarrier: true, kind: 'veth' })
    await setLinkDown(socket, 'v0')
    assert.deepEqual(await states(), { isUp: false, hasCarrier: false, kind: 'veth' })
    await deleteLink(socket, 'v0')
    assert.equal(await linkByName(socket, 'v1'), undefined)
  })

  test('the other end may be made in another namespace', async () => {
    await createVethPair(socket, { name: 'to-pod', peer: { name: 'eth0', namespaceFd: other.fd } })
    assert.equal(await linkByName(socket, 'eth0'), undefined)
    assert.equal((await linkByName(otherSocket, 'eth0'))?.kind, 'veth')
    await deleteLink(socket, 'to-pod')
  })

  test('a link can be moved into another namespace, and is down there', async () => {
    await createVethPair(socket, { name: 'v0', peer: { name: 'v1' } })
    await setLinkUp(socket, 'v1')
    await moveLink(socket, 'v1', other.fd)
    assert.equal(await linkByName(socket, 'v1'), undefined)
    assert.equal((await linkByName(otherSocket, 'v1'))?.isUp, false)
    await deleteLink(socket, 'v0')
  })

  test('a renamed link keeps its index', async () => {
    await createVethPair(socket, { name: 'before', peer: { name: 'v1' } })
    const index = await linkIndex(socket, 'before')
    await renameLink(socket, 'before', 'after')
    assert.equal(await linkIndex(socket, 'after'), index)
    assert.equal(await linkByName(socket, 'before'), undefined)
    await deleteLink(socket, 'after')
  })

  const refusals: [operation: string, errno: string, work: () => Promise<unknown>][] = [
    ['RTM_NEWLINK nobody', 'ENODEV', () => setLinkUp(socket, 'nobody')],
    ['RTM_DELLINK nobody', 'ENODEV', () => deleteLink(socket, 'nobody')],
    ['RTM_GETLINK nobody', 'ENODEV', () => linkIndex(socket, 'nobody')],
    ['RTM_NEWLINK lo', 'EEXIST', () => createVethPair(socket, { name: 'lo', peer: { name: 'v1' } })],
    ['RTM_NEWLINK far-too-long-name', 'ERANGE', () => setLinkUp(socket, 'far-too-long-name')],
  ]
  for (const [operation, errno, work] of refusals) {
    test(`${operation} is refused with ${errno}`, async () => {
      await assert.rejects(work(), (error) => {
        assert.ok(error instanceof NetlinkError)
        assert.deepEqual([error.operation, error.errno], [operation, errno])
        return true
      })
    })
  }

  test('links that we make are those that ip sees', needs(tool('ip')), async () => {
    await createVethPair(socket, { name: 'ours0', peer: { name: 'ours1' } })
    await setLinkUp(socket, 'ours0')
    const { stdout } = runInNamespace(namespace, 'ip', ['-json', '-details', 'link', 'show'])
    const seen = JSON.parse(stdout) as IpLink[]
    const listed = await listLinks(socket)
    assert.deepEqual(
      seen.map(({ ifindex, ifname, mtu, flags, linkinfo }) => [
        ifindex,
        ifname,
        mtu,
        flags.includes('UP'),
        linkinfo?.info_kind,
      ]),
      listed.map(({ index, name, mtuBytes, isUp, kind }) => [index, name, mtuBytes, isUp, kind]),
    )
    await deleteLink(socket, 'ours0')
  })

  test('links that ip makes are those that we see', needs(tool('ip')), async () => {
    const commands = [
      'link add br0 type bridge',
      'link add v0 type veth peer name v1',
      'link set v1 master br0 mtu 1400',
    ]
    const { status, stderr } = runInNamespace(namespace, 'ip', ['-batch', '-'], commands.join('\n'))
    assert.equal(status, 0, stderr)
    const bridge = await linkByName(socket, 'br0')
    const member = await linkByName(socket, 'v1')
    assert.equal(bridge?.kind, 'bridge')
    assert.deepEqual([member?.kind, member?.masterIndex, member?.mtuBytes], ['veth', bridge?.index, 1400])
    for (const name of ['br0', 'v0']) await deleteLink(socket, name)
  })
})

describe('the link below', needs(root, tool('ip')), () => {
  let namespace: NetworkNamespace
  let other: NetworkNamespace
  let socket: NetlinkSocket

  before(async () => {
    namespace = NetworkNamespace.create()
    other = NetworkNamespace.create()
    socket = namespace.run(() => new NetlinkSocket(NETLINK_ROUTE))
    await createVethPair(socket, { name: 'v0', peer: { name: 'v1' } })
  })

  after(() => {
    for (const each of [socket, namespace, other]) each.close()
  })

  const isBelow: readonly (readonly [kind: string, args: string, below: string | undefined])[] = [
    ['a VLAN is its parent', 'link v0 type vlan id 5', 'v0'],
    ['a MACVLAN is its parent', 'link v0 type macvlan', 'v0'],
    ['a VXLAN that is bound to one is that', 'type vxlan id 3 dstport 4789 dev v0', 'v0'],
    ['a VXLAN that is bound to none is nothing', 'type vxlan id 4 dstport 4789', undefined],
    ['a dummy is nothing', 'type dummy', undefined],
  ]
  for (const [title, args, below] of isBelow) {
    test(`of ${title}`, async (t) => {
      const { status, stderr } = runInNamespace(namespace, 'ip', ['link', 'add', 'name', 'upper', ...args.split(' ')])
      if (status !== 0) {
        assert.match(stderr, /not supported|Unknown device type/i)
        t.diagnostic(`this kernel has no such links: ${stderr.trim()}`)
        return
      }
      const index = below === undefined ? undefined : await linkIndex(socket, below)
      assert.equal((await linkByName(socket, 'upper'))?.lowerIndex, index)
      await deleteLink(socket, 'upper')
    })
  }

  test('of a veth is its other end, unless that is in another namespace', async () => {
    const ends = [await linkByName(socket, 'v0'), await linkByName(socket, 'v1')]
    assert.equal(ends[0]?.lowerIndex, ends[1]?.index)
    await moveLink(socket, 'v1', other.fd)
    assert.equal((await linkByName(socket, 'v0'))?.lowerIndex, undefined)
  })

  for (const [args, hasRemote] of [
    ['remote 10.0.0.2 local 10.0.0.1', true],
    ['local 10.0.0.3', false],
  ] as const) {
    test(`an IPIP tunnel made with "${args}" has ${hasRemote ? 'a' : 'no'} fixed end`, async (t) => {
      const command = ['link', 'add', 'name', 'tunnel', 'type', 'ipip', ...args.split(' ')]
      const { status, stderr } = runInNamespace(namespace, 'ip', command)
      if (status !== 0) {
        assert.match(stderr, /not supported|Unknown device type/i)
        t.diagnostic(`this kernel has no such links: ${stderr.trim()}`)
        return
      }
      assert.equal((await linkByName(socket, 'tunnel'))?.hasRemote, hasRemote)
      await deleteLink(socket, 'tunnel')
    })
  }
})

type IpLink = {
  readonly ifindex: number
  readonly ifname: string
  readonly mtu: number
  readonly flags: readonly string[]
  readonly linkinfo?: { readonly info_kind?: string }
}
