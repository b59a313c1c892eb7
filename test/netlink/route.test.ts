import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { addAddress } from '../../src/netlink/address.ts'
import { NetlinkError } from '../../src/netlink/errors.ts'
import { createVethPair, setLinkUp } from '../../src/netlink/link.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { addRoute, type Route } from '../../src/netlink/route.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import { runInNamespace } from '../lab/program.ts'
import { needs, root, tool } from '../lab/requirements.ts'

describe('routes', needs(root, tool('ip')), () => {
  let namespace: NetworkNamespace
  let socket: NetlinkSocket

  before(async () => {
    namespace = NetworkNamespace.create()
    socket = namespace.run(() => new NetlinkSocket(NETLINK_ROUTE))
    await createVethPair(socket, { name: 'v0', peer: { name: 'v1' } })
    for (const link of ['v0', 'v1']) await setLinkUp(socket, link)
    for (const address of ['10.0.0.1/24', 'fd00::1/64']) await addAddress(socket, 'v0', address)
  })

  after(() => {
    socket.close()
    namespace.close()
  })

  /** What `ip route show` prints for a destination, without what it prints of every route. */
  function shown(destination: string): string {
    const family = destination.includes(':') ? '-6' : '-4'
    const { stdout } = runInNamespace(namespace, 'ip', [family, 'route', 'show', destination])
    return stdout.trim().replace(/ proto static| metric 1024| pref medium/g, '')
  }

  const cases: [route: Route, shown: string][] = [
    [{ destination: '10.1.0.0/16', gateway: '10.0.0.5' }, '10.1.0.0/16 via 10.0.0.5 dev v0'],
    [{ destination: '10.2.0.2/32', link: 'v1' }, '10.2.0.2 dev v1 scope link'],
    [{ destination: '0.0.0.0/0', gateway: '10.0.0.5', source: '10.0.0.1' }, 'default via 10.0.0.5 dev v0 src 10.0.0.1'],
    [
      { destination: '10.3.0.0/16', gateway: '192.0.2.1', link: 'v1', isOnLink: true },
      '10.3.0.0/16 via 192.0.2.1 dev v1 onlink',
    ],
    [{ destination: 'fd01::/64', gateway: 'fd00::5' }, 'fd01::/64 via fd00::5 dev v0'],
    [{ destination: 'fd02::2/128', link: 'v1' }, 'fd02::2 dev v1'],
    [
      { destination: '::/0', gateway: 'fd09::1', link: 'v1', isOnLink: true, source: 'fd00::1' },
      'default via fd09::1 dev v1 src fd00::1 onlink',
    ],
  ]
  for (const [route, expected] of cases) {
    test(expected, async () => {
      await addRoute(socket, route)
      assert.equal(shown(route.destination).replace(/ +/g, ' '), expected)
    })
  }

  const refusals: [operation: string, errno: string, route: Route][] = [
    ['RTM_NEWROUTE 10.0.0.0/24', 'EEXIST', { destination: '10.0.0.0/24', link: 'v0' }],
    ['RTM_NEWROUTE 10.4.0.0/16', 'ENETUNREACH', { destination: '10.4.0.0/16', gateway: '192.0.2.1', link: 'v0' }],
    ['RTM_GETLINK nobody', 'ENODEV', { destination: '10.4.0.0/16', link: 'nobody' }],
  ]
  for (const [operation, errno, route] of refusals) {
    test(`${operation} is refused with ${errno}`, async () => {
      await assert.rejects(addRoute(socket, route), (error) => {
        assert.ok(error instanceof NetlinkError)
        assert.deepEqual([error.operation, error.errno], [operation, errno])
        return true
      })
    })
  }
})
