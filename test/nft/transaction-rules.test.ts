import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { dataTypes } from '../../src/nft/datatypes.ts'
import { encodeElements } from '../../src/nft/elements.ts'
import { TransactionError } from '../../src/nft/errors.ts'
import { accept, drop, type Verdict } from '../../src/nft/expressions.ts'
import { byType, type Chain, type Flowtable, type NftSet, type Rule, type Table } from '../../src/nft/objects.ts'
import { verdict } from '../../src/nft/statements.ts'
import { createTable, type Operation, removeTable } from '../../src/nft/transaction.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { freshKernel } from './kernel.ts'

const table: Table = { family: 'ip', name: 't' }
const chain: Chain = { name: 'c' }
const set: NftSet = { name: 's', key: byType(dataTypes.ipv4_addr) }
const flowtable: Flowtable = { name: 'f', priority: 0, devices: [] }

const rule = (result: Verdict, comment: string): Rule => ({ chain: 'c', expressions: [verdict(result)], comment })

describe('on a rule', needs(root, tool('nft')), () => {
  const two = [rule(accept, 'one'), rule(drop, 'two')]
  const start = createTable({ table, sets: [], chains: [chain], rules: two })

  const rows: readonly [
    title: string,
    operation: (handle: number) => Operation,
    comments: readonly string[] | 'ENOENT',
  ][] = [
    [
      'add puts it last',
      () => ({ verb: 'add', object: 'rule', table, rule: rule(accept, 'new') }),
      ['one', 'two', 'new'],
    ],
    [
      'add of a dumped one makes another',
      (handle) => ({ verb: 'add', object: 'rule', table, rule: { ...rule(accept, 'new'), handle } }),
      ['one', 'two', 'new'],
    ],
    [
      'insert puts it first',
      () => ({ verb: 'insert', object: 'rule', table, rule: rule(accept, 'new') }),
      ['new', 'one', 'two'],
    ],
    [
      'replace puts it in the place of the one with its handle',
      (handle) => ({ verb: 'replace', object: 'rule', table, rule: { ...rule(accept, 'new'), handle } }),
      ['new', 'two'],
    ],
    [
      'delete removes the one with that handle',
      (handle) => ({ verb: 'delete', object: 'rule', table, chain: 'c', handle }),
      ['two'],
    ],
    [
      'destroy removes the one with that handle',
      (handle) => ({ verb: 'destroy', object: 'rule', table, chain: 'c', handle }),
      ['two'],
    ],
    ['flush of its chain removes it', () => ({ verb: 'flush', object: 'chain', table, name: 'c' }), []],
    ['flush of its table removes it', () => ({ verb: 'flush', object: 'table', table }), []],
    [
      'replace of a missing one is ENOENT',
      () => ({ verb: 'replace', object: 'rule', table, rule: { ...rule(accept, 'new'), handle: 4242 } }),
      'ENOENT',
    ],
    [
      'delete of a missing one is ENOENT',
      () => ({ verb: 'delete', object: 'rule', table, chain: 'c', handle: 4242 }),
      'ENOENT',
    ],
    [
      'destroy of a missing one is fine',
      () => ({ verb: 'destroy', object: 'rule', table, chain: 'c', handle: 4242 }),
      ['one', 'two'],
    ],
    [
      'add to a missing chain is ENOENT',
      () => ({ verb: 'add', object: 'rule', table, rule: { ...rule(accept, 'new'), chain: 'missing' } }),
      'ENOENT',
    ],
  ]
  for (const [title, operation, expected] of rows) {
    test(title, async (t) => {
      const { connection, read } = freshKernel(t)
      await connection.commit(start)
      const [first] = (await read(table)).rules
      const commit = connection.commit([operation(first?.handle ?? 0)])
      if (expected === 'ENOENT') await assert.rejects(commit, isRefusal('ENOENT'))
      else await commit
      const comments = (await read(table)).rules.map(({ comment }) => comment)
      assert.deepEqual(comments, expected === 'ENOENT' ? ['one', 'two'] : expected)
    })
  }
})

describe('on a table', needs(root, tool('nft')), () => {
  test('flush leaves chains, sets and elements alone, also where the table has a comment', async (t) => {
    const { connection, listing } = freshKernel(t)
    const commented: Table = { ...table, comment: 'rules for Services' }
    await connection.commit([
      ...createTable({ table: commented, sets: [set], chains: [chain], rules: [rule(accept, 'one')] }),
      { verb: 'add', object: 'element', table, set, elements: encodeElements([{ key: Uint8Array.of(10, 0, 0, 1) }]) },
    ])
    await connection.commit([{ verb: 'flush', object: 'table', table: commented }])
    assert.deepEqual(linesOf(listing()), [
      'table ip t {',
      'comment "rules for Services"',
      'set s {',
      'type ipv4_addr',
      'elements = { 10.0.0.1 }',
      'chain c {',
    ])
  })

  test('flush of a missing one is ENOENT', async (t) => {
    await assert.rejects(
      freshKernel(t).connection.commit([{ verb: 'flush', object: 'table', table }]),
      isRefusal('ENOENT'),
    )
  })

  test('removeTable leaves none, whether there was one or not', async (t) => {
    const { connection, listing } = freshKernel(t)
    for (let times = 0; times < 2; times++) {
      await connection.commit(removeTable(table))
      assert.equal(listing(), '')
      await connection.commit(createTable({ table, sets: [set], chains: [chain], rules: [rule(accept, 'one')] }))
    }
    await connection.commit([...removeTable(table), { verb: 'add', object: 'table', table }])
    assert.deepEqual(linesOf(listing()), ['table ip t {'])
  })
})

describe('on a flowtable', needs(root, tool('nft')), () => {
  test('add, create and delete do what they say, or the kernel says that it has no flow tables', async (t) => {
    const { connection, read } = freshKernel(t)
    await connection.commit([{ verb: 'add', object: 'table', table }])
    try {
      await connection.commit([{ verb: 'add', object: 'flowtable', table, flowtable }])
    } catch (error) {
      // without CONFIG_NF_FLOW_TABLE
      assert.ok(error instanceof TransactionError && ['EOPNOTSUPP', 'ENOENT'].includes(error.errno), String(error))
      return
    }
    assert.deepEqual((await read(table)).flowtables, [flowtable])
    await assert.rejects(
      connection.commit([{ verb: 'create', object: 'flowtable', table, flowtable }]),
      isRefusal('EEXIST'),
    )
    await connection.commit([{ verb: 'delete', object: 'flowtable', table, flowtable }])
    assert.deepEqual((await read(table)).flowtables, [])
  })

  test('delete of a missing one is ENOENT, destroy of it fine', async (t) => {
    const { connection } = freshKernel(t)
    await connection.commit([{ verb: 'add', object: 'table', table }])
    await assert.rejects(
      connection.commit([{ verb: 'delete', object: 'flowtable', table, flowtable }]),
      isRefusal('ENOENT'),
    )
    await connection.commit([{ verb: 'destroy', object: 'flowtable', table, flowtable }])
  })
})

function isRefusal(errno: string): (error: unknown) => boolean {
  return (error) => error instanceof TransactionError && error.errno === errno
}

/** The lines of a listing without closing braces. */
function linesOf(listing: string): string[] {
  return listing
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== '}')
}
