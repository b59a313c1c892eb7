import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { dataTypes } from '../../src/nft/datatypes.ts'
import { readElements } from '../../src/nft/dump.ts'
import { encodeElements } from '../../src/nft/elements.ts'
import { TransactionError } from '../../src/nft/errors.ts'
import { goto } from '../../src/nft/expressions.ts'
import { byType, type NftSet, type SetElement, type TableRef } from '../../src/nft/objects.ts'
import { createTable, type Operation } from '../../src/nft/transaction.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { freshKernel } from './kernel.ts'

const table: TableRef = { family: 'ip', name: 't' }
const services: NftSet = {
  name: 'service-ips',
  key: byType(dataTypes.ipv4_addr, dataTypes.inet_proto, dataTypes.inet_service),
  value: 'verdict',
}
const start = createTable({ table, sets: [services], chains: [{ name: 'pick-tcp-2' }], rules: [] })

/** `10.96.x.y . tcp . 80`, for indexes up to 2^24. */
function service(index: number, chain = 'pick-tcp-2'): SetElement {
  const key = Uint8Array.of(10, index >> 16, index >> 8, index, 6, 0, 0, 0, 0, 80, 0, 0)
  return { key, verdict: goto(chain), comment: `default/service-${index}` }
}

function onElements(verb: 'add' | 'create' | 'delete', elements: readonly SetElement[]): Operation {
  return { verb, object: 'element', table, set: services, elements: encodeElements(elements) }
}

describe('a transaction', needs(root, tool('nft')), () => {
  test('with nothing in it does nothing', async (t) => {
    const { connection } = freshKernel(t)
    const before = await connection.generation()
    const nothing = { bytes: 0, encodeMs: 0, kernelMs: 0 }
    assert.deepEqual(await connection.commit([]), { operations: 0, ...nothing })
    const { encodeMs, ...report } = await connection.commit([onElements('add', [])])
    assert.deepEqual({ ...report, encodeMs: 0 }, { operations: 1, ...nothing })
    assert.ok(encodeMs >= 0)
    assert.deepEqual((await connection.generation()).id, before.id)
  })

  test('reports what it took', async (t) => {
    const { connection } = freshKernel(t)
    const { operations, bytes, encodeMs, kernelMs } = await connection.commit(start)
    assert.equal(operations, start.length)
    assert.ok(bytes > 100 && encodeMs > 0 && kernelMs > 0)
  })

  test('makes one new generation', async (t) => {
    const { connection } = freshKernel(t)
    const before = await connection.generation()
    await connection.commit(start)
    assert.equal((await connection.generation()).id, before.id + 1)
  })

  test('that fails changes nothing, not even before the operation that failed', async (t) => {
    const { connection, listing } = freshKernel(t)
    await connection.commit(start)
    const before = listing()
    const operations: Operation[] = [
      { verb: 'add', object: 'chain', table, chain: { name: 'new' } },
      onElements('add', [service(1)]),
      { verb: 'delete', object: 'chain', table, name: 'missing' },
      { verb: 'add', object: 'chain', table, chain: { name: 'later' } },
    ]
    await assert.rejects(connection.commit(operations), TransactionError)
    assert.equal(listing(), before)
    await connection.commit(operations.filter(({ verb }) => verb === 'add'))
    assert.notEqual(listing(), before)
  })

  test('with several errors reports the first', async (t) => {
    const { connection } = freshKernel(t)
    await connection.commit(start)
    const missing = ['a', 'b', 'c'].map((name): Operation => ({ verb: 'delete', object: 'chain', table, name }))
    await assert.rejects(connection.commit([...start, ...missing]), { message: 'delete chain ip t a: ENOENT' })
  })

  test('with thousands of errors still reports the first, and the next transaction is not disturbed', async (t) => {
    const { connection, listing } = freshKernel(t)
    await connection.commit(start)
    const before = listing()
    const missing = Array.from({ length: 50_000 }, (_, index): Operation => {
      return { verb: 'delete', object: 'chain', table, name: `missing-${index}` }
    })
    await assert.rejects(connection.commit(missing), { message: 'delete chain ip t missing-0: ENOENT' })
    assert.equal(listing(), before)
    await connection.commit([onElements('add', [service(1)])])
  })

  test('of 100,000 elements is one batch', async (t) => {
    const { connection } = freshKernel(t)
    const elements = Array.from({ length: 100_000 }, (_, index) => service(index))
    const { bytes } = await connection.commit([...start, onElements('add', elements)])
    assert.ok(bytes > 8_000_000, String(bytes))
    assert.equal((await readElements(connection, table, services.name)).length, 100_000)
    await connection.commit([onElements('delete', elements)])
    assert.deepEqual(await readElements(connection, table, services.name), [])
  })

  test('begun while another is under way is committed after it', async (t) => {
    const { connection } = freshKernel(t)
    await Promise.all([
      connection.commit(start),
      connection.commit([onElements('add', [service(1)])]),
      connection.commit([onElements('delete', [service(1)])]),
      connection.commit([onElements('create', [service(1), service(2)])]),
    ])
    assert.equal((await readElements(connection, table, services.name)).length, 2)
  })
})

test('the generation counts the transactions of everybody', needs(root, tool('nft')), async (t) => {
  const { connection, load } = freshKernel(t)
  const { id } = await connection.generation()
  load('table ip t {\n}')
  assert.equal((await connection.generation()).id, id + 1)
})
