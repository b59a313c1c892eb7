import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { addAddress, listAddresses } from '../../src/netlink/address.ts'
import { createVethPair, linkIndex, setLinkUp } from '../../src/netlink/link.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import { runInNamespace } from '../lab/program.ts'
import { needs, root, tool } from '../lab/requirements.ts'

describe('addresses', needs(root), () => {
  let namespace: NetworkNamespace
  let socket: NetlinkSocket

  before(async () => {
    namespace = NetworkNamespace.create()
    socket = namespace.run(() => new NetlinkSocket(NETLINK_ROUTE))
    await createVethPair(socket, { name: 'v0', peer: { name: 'v1' } })
    for (const link of ['lo', 'v0', 'v1']) await setLinkUp(socket, link)
    for (const address of ['10.0.0.1/24', '10.0.0.2/32', 'fd00::1/64']) await addAddress(socket, 'v0', address)
  })

  after(() => {
    socket.close()
    namespace.close()
  })

  test('an address is listed with its link, prefix length and family', async () => {
    const index = await linkIndex(socket, 'v0')
    const ours = (await listAddresses(socket)).filter(
      ({ linkIndex, address }) => linkIndex === index && !address.startsWith('fe80'),
    )
    assert.deepEqual(ours, [
      { linkIndex: index, family: 4, address: '10.0.0.1', prefixLength: 24 },
      { linkIndex: index, family: 4, address: '10.0.0.2', prefixLength: 32 },
      { linkIndex: index, family: 6, address: 'fd00::1', prefixLength: 64 },
    ])
  })

  test('one family can be listed', async () => {
    const loopback = async (family: 4 | 6) =>
      (await listAddresses(socket, family)).filter(({ linkIndex }) => linkIndex === 1).map(({ address }) => address)
    assert.deepEqual(await loopback(4), ['127.0.0.1'])
    assert.deepEqual(await loopback(6), ['::1'])
  })

  test('of a point-to-point link the local address is listed', needs(tool('ip')), async () => {
    runInNamespace(namespace, 'ip', ['address', 'add', '10.9.0.1', 'peer', '10.9.0.2/32', 'dev', 'v1'])
    const addresses = (await listAddresses(socket, 4)).map(({ address }) => address)
    assert.ok(addresses.includes('10.9.0.1'))
    assert.ok(!addresses.includes('10.9.0.2'))
  })

  test('ip sees the same addresses, and no IPv6 address of ours is tentative', needs(tool('ip')), async () => {
    const { stdout } = runInNamespace(namespace, 'ip', ['-json', 'address', 'show'])
    const seen = (JSON.parse(stdout) as IpAddresses[]).flatMap(({ ifindex, addr_info }) =>
      addr_info.map(({ local, prefixlen }) => `${ifindex} ${local}/${prefixlen}`),
    )
    const listed = (await listAddresses(socket)).map(
      ({ linkIndex, address, prefixLength }) => `${linkIndex} ${address}/${prefixLength}`,
    )
    assert.deepEqual(seen.toSorted(), listed.toSorted())
    const tentative = runInNamespace(namespace, 'ip', ['-6', 'address', 'show', 'tentative', 'to', 'fd00::/64'])
    assert.equal(tentative.stdout, '')
  })

  test('an address that is there already is refused by name', async () => {
    await assert.rejects(addAddress(socket, 'v0', '10.0.0.1/24'), /RTM_NEWADDR 10\.0\.0\.1\/24 on v0: EEXIST/)
  })

  test('a link that is not there is refused by name', async () => {
    await assert.rejects(addAddress(socket, 'nobody', '10.0.0.1/24'), /RTM_GETLINK nobody: ENODEV/)
  })

  test('text that is no address is refused before the kernel sees it', async () => {
    await assert.rejects(addAddress(socket, 'v0', '10.0.0.1/33'), RangeError)
  })
})

type IpAddresses = {
  readonly ifindex: number
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[]
}
