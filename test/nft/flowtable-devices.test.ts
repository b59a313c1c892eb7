import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { createVethPair, deleteLink } from '../../src/netlink/link.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import { NftConnection } from '../../src/nft/connection.ts'
import { listFlowtables } from '../../src/nft/dump.ts'
import { TransactionError } from '../../src/nft/errors.ts'
import type { Operation } from '../../src/nft/transaction.ts'
import { needs, root } from '../lab/requirements.ts'

const table = { family: 'inet', name: 't' } as const
const flowtable = { name: 'fast', priority: 10, devices: [], hasCounters: true }

function devices(verb: 'add' | 'delete', ...names: readonly string[]): Operation {
  return { verb, object: 'flowtable-devices', table, flowtable: 'fast', devices: names }
}

describe('the devices of a flowtable', needs(root), () => {
  let namespace: NetworkNamespace
  let connection: NftConnection
  let route: NetlinkSocket
  let hasFlowtables: boolean

  beforeEach(async () => {
    namespace = NetworkNamespace.create()
    connection = namespace.run(() => new NftConnection())
    route = namespace.run(() => new NetlinkSocket(NETLINK_ROUTE))
    await createVethPair(route, { name: 'v0', peer: { name: 'v1' } })
    hasFlowtables = await connection
      .commit([
        { verb: 'add', object: 'table', table },
        { verb: 'add', object: 'flowtable', table, flowtable },
      ])
      .then(
        () => true,
        (error: unknown) => {
          assert.ok(error instanceof TransactionError && ['EOPNOTSUPP', 'ENOENT'].includes(error.errno), String(error))
          return false
        },
      )
  })

  afterEach(() => {
    for (const each of [connection, route, namespace]) each.close()
  })

  /** Of the only flowtable; a kernel without flow tables has none. */
  async function members(): Promise<readonly string[] | undefined> {
    const [found] = await listFlowtables(connection)
    return found && [...found.devices].sort()
  }

  test('are added to those that are there, and one that is there already stays', async () => {
    if (!hasFlowtables) return assert.equal(await members(), undefined)
    await connection.commit([devices('add', 'v0')])
    await connection.commit([devices('add', 'v0', 'v1')])
    assert.deepEqual(await members(), ['v0', 'v1'])
    assert.deepEqual((await listFlowtables(connection))[0], {
      ...flowtable,
      table,
      devices: (await listFlowtables(connection))[0]?.devices,
    })
  })

  test('are deleted alone, and the flowtable stays', async () => {
    if (!hasFlowtables) return assert.equal(await members(), undefined)
    await connection.commit([devices('add', 'v0', 'v1')])
    await connection.commit([devices('delete', 'v0')])
    assert.deepEqual(await members(), ['v1'])
    await connection.commit([devices('delete', 'v1')])
    assert.deepEqual(await members(), [])
    await assert.rejects(connection.commit([devices('delete', 'v1')]), isRefusal('ENOENT'))
  })

  test('leave when they vanish, or stay as names, as the kernel has it', async () => {
    if (!hasFlowtables) return assert.equal(await members(), undefined)
    await connection.commit([devices('add', 'v0')])
    await deleteLink(route, 'v0')
    const acceptsNames = await connection.commit([devices('add', 'nobody')]).then(
      () => true,
      () => false,
    )
    assert.deepEqual(await members(), acceptsNames ? ['nobody', 'v0'] : [])
  })

  test('are 255 in one message at most', async () => {
    if (!hasFlowtables) return assert.equal(await members(), undefined)
    const names = Array.from({ length: 256 }, (_, index) => `nobody${index}`)
    await assert.rejects(connection.commit([devices('add', ...names)]), isRefusal('EFBIG', 'ENOENT'))
  })

  test('of a flowtable that is not there are refused', async () => {
    const other = { verb: 'add', object: 'flowtable-devices', table, flowtable: 'none', devices: ['v0'] } as const
    await assert.rejects(connection.commit([other]), isRefusal('ENOENT', 'EINVAL'))
  })
})

function isRefusal(...errnos: readonly string[]): (error: unknown) => boolean {
  return (error) => error instanceof TransactionError && errnos.includes(error.errno)
}
