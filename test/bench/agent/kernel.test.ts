import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { kernelState, programmedAt } from '../../../bench/agent/kernel-state.ts'
import { NftNotifications } from '../../../bench/agent/nft-notifications.ts'
import { monotonicMs } from '../../../bench/monotonic.ts'
import { NetworkNamespace } from '../../../src/netlink/namespace.ts'
import { NftConnection } from '../../../src/nft/connection.ts'
import { dataTypes } from '../../../src/nft/datatypes.ts'
import { encodeElements } from '../../../src/nft/elements.ts'
import { byType, type NftSet, type TableRef } from '../../../src/nft/objects.ts'
import { createTable, type Operation, removeTable } from '../../../src/nft/transaction.ts'
import { needs, root } from '../../lab/requirements.ts'

const table: TableRef = { family: 'ip', name: 'kube-proxy' }
const services: NftSet = { name: 'service-ips', key: byType(dataTypes.ipv4_addr) }
const emptyTable = createTable({ table, sets: [services], chains: [], rules: [] })

function addServices(...numbers: readonly number[]): Operation {
  const elements = encodeElements(numbers.map((number) => ({ key: Uint8Array.of(10, 96, 0, number) })))
  return { verb: 'add', object: 'element', table, set: services, elements }
}

function openKernel(t: TestContext): { connection: NftConnection; notifications: NftNotifications } {
  const namespace = NetworkNamespace.create()
  const connection = namespace.run(() => new NftConnection())
  const notifications = namespace.run(() => new NftNotifications())
  t.after(async () => {
    await notifications.close()
    connection.close()
    namespace.close()
  })
  return { connection, notifications }
}

describe('what a benchmark sees of the kernel', needs(root), () => {
  test('a commit is notified of at once, with what it brought', async (t) => {
    const { connection, notifications } = openKernel(t)
    await connection.commit(emptyTable)
    const address = Buffer.of(10, 96, 0, 7)
    const beforeMs = monotonicMs()
    assert.equal(notifications.firstMention(address, 0), undefined)
    await connection.commit([addServices(7)])
    const atMs = await notifications.mention(address, beforeMs, 5000)
    assert.ok(atMs !== undefined && atMs >= beforeMs && atMs < beforeMs + 1000)
    assert.equal(notifications.firstMention(address, monotonicMs()), undefined, 'not mentioned since')
    notifications.clear()
    assert.equal(notifications.firstMention(address, 0), undefined)
  })

  test('what is never mentioned is given up', async (t) => {
    const { notifications } = openKernel(t)
    assert.equal(await notifications.mention(Buffer.of(1, 2, 3, 4), 0, 30), undefined)
  })

  test('programmed is when a new map has all Services, not the commits before', async (t) => {
    const { connection } = openKernel(t)
    const before = await kernelState(connection)
    assert.equal(before.mapHandle, undefined)
    const programmed = programmedAt(connection, 2, before, () => true)
    await connection.commit([...emptyTable, addServices(1)])
    const beforeMs = monotonicMs()
    await connection.commit([addServices(2)])
    const atMs = await programmed
    assert.ok(atMs > beforeMs && atMs < beforeMs + 1000)
  })

  test('a full map from before does not count when it is made anew', async (t) => {
    const { connection } = openKernel(t)
    await connection.commit([...emptyTable, addServices(1, 2)])
    const before = await kernelState(connection)
    const programmed = programmedAt(connection, 2, before, () => true)
    await connection.commit([addServices(3)])
    const beforeMs = monotonicMs()
    await connection.commit([...removeTable(table), ...emptyTable, addServices(1, 2)])
    const atMs = await programmed
    assert.ok(atMs > beforeMs && monotonicMs() < beforeMs + 1000)
  })

  test('without hope there is no waiting', async (t) => {
    const { connection } = openKernel(t)
    await assert.rejects(
      programmedAt(connection, 1, { mapHandle: undefined, generation: 0 }, () => false),
      /never had 1 Services/,
    )
  })
})
