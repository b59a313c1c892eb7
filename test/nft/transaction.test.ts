import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { dataTypes } from '../../src/nft/datatypes.ts'
import { encodeElements } from '../../src/nft/elements.ts'
import { TransactionError } from '../../src/nft/errors.ts'
import { byType, type Chain, type NftSet, type Table } from '../../src/nft/objects.ts'
import type { Operation } from '../../src/nft/transaction.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { freshKernel, type Kernel } from './kernel.ts'

const table: Table = { family: 'ip', name: 't' }
const chain: Chain = { name: 'c' }
const set: NftSet = { name: 's', key: byType(dataTypes.ipv4_addr) }
const element = {
  object: 'element',
  table,
  set,
  elements: encodeElements([{ key: Uint8Array.of(10, 0, 0, 1) }]),
} as const

/** What nft lists where there is such an object. */
const withTable = ['table ip t {']
const withChain = [...withTable, 'chain c {']
const withSet = [...withTable, 'set s {', 'type ipv4_addr']
const withElement = [...withSet, 'elements = { 10.0.0.1 }']

/** An errno, or the lines that nft lists then. */
type Outcome = 'EEXIST' | 'ENOENT' | readonly string[]
type Row = { readonly operation: Operation; readonly missing: Outcome; readonly present: Outcome }

/** Every verb on every object but rules and flowtables: where there is none, and where there is one already. */
const objects: Readonly<
  Record<string, { readonly before: readonly Operation[]; readonly add: Operation; readonly rows: readonly Row[] }>
> = {
  table: {
    before: [],
    add: { verb: 'add', object: 'table', table },
    rows: [
      { operation: { verb: 'add', object: 'table', table }, missing: withTable, present: withTable },
      { operation: { verb: 'create', object: 'table', table }, missing: withTable, present: 'EEXIST' },
      { operation: { verb: 'delete', object: 'table', table }, missing: 'ENOENT', present: [] },
      { operation: { verb: 'destroy', object: 'table', table }, missing: [], present: [] },
    ],
  },
  chain: {
    before: [{ verb: 'add', object: 'table', table }],
    add: { verb: 'add', object: 'chain', table, chain },
    rows: [
      { operation: { verb: 'add', object: 'chain', table, chain }, missing: withChain, present: withChain },
      { operation: { verb: 'create', object: 'chain', table, chain }, missing: withChain, present: 'EEXIST' },
      { operation: { verb: 'delete', object: 'chain', table, name: 'c' }, missing: 'ENOENT', present: withTable },
      { operation: { verb: 'destroy', object: 'chain', table, name: 'c' }, missing: withTable, present: withTable },
      { operation: { verb: 'flush', object: 'chain', table, name: 'c' }, missing: 'ENOENT', present: withChain },
    ],
  },
  set: {
    before: [{ verb: 'add', object: 'table', table }],
    add: { verb: 'add', object: 'set', table, set },
    rows: [
      { operation: { verb: 'add', object: 'set', table, set }, missing: withSet, present: withSet },
      { operation: { verb: 'create', object: 'set', table, set }, missing: withSet, present: 'EEXIST' },
      { operation: { verb: 'delete', object: 'set', table, set }, missing: 'ENOENT', present: withTable },
      { operation: { verb: 'destroy', object: 'set', table, set }, missing: withTable, present: withTable },
      { operation: { verb: 'flush', object: 'set', table, set }, missing: 'ENOENT', present: withSet },
    ],
  },
  element: {
    before: [
      { verb: 'add', object: 'table', table },
      { verb: 'add', object: 'set', table, set },
    ],
    add: { verb: 'add', ...element },
    rows: [
      { operation: { verb: 'add', ...element }, missing: withElement, present: withElement },
      { operation: { verb: 'create', ...element }, missing: withElement, present: 'EEXIST' },
      { operation: { verb: 'delete', ...element }, missing: 'ENOENT', present: withSet },
      { operation: { verb: 'destroy', ...element }, missing: withSet, present: withSet },
      { operation: { verb: 'flush', object: 'set', table, set }, missing: withSet, present: withSet },
    ],
  },
}

for (const [object, { before, add, rows }] of Object.entries(objects)) {
  describe(`on one ${object}`, needs(root, tool('nft')), () => {
    for (const { operation, missing, present } of rows) {
      const { verb } = operation
      test(`${verb} where there is none: ${outcomeText(missing)}`, async (t) => {
        const kernel = freshKernel(t)
        if (before.length > 0) await kernel.connection.commit(before)
        await assertOutcome(kernel, operation, missing)
      })
      test(`${verb} where there is one: ${outcomeText(present)}`, async (t) => {
        const kernel = freshKernel(t)
        await kernel.connection.commit([...before, add])
        await assertOutcome(kernel, operation, present)
      })
    }
  })
}

async function assertOutcome({ connection, listing }: Kernel, operation: Operation, outcome: Outcome): Promise<void> {
  const before = listing()
  if (typeof outcome === 'string') {
    await assert.rejects(connection.commit([operation]), isRefusal(outcome))
    assert.equal(listing(), before)
  } else {
    await connection.commit([operation])
    assert.deepEqual(linesOf(listing()), outcome)
  }
}

function isRefusal(errno: string): (error: unknown) => boolean {
  return (error) => error instanceof TransactionError && error.errno === errno
}

function outcomeText(outcome: Outcome): string {
  if (typeof outcome === 'string') return outcome
  return `nft lists ${outcome.at(-1)?.replaceAll(/ ?[{}]/g, '') ?? 'nothing'}`
}

/** The lines of a listing without closing braces. */
function linesOf(listing: string): string[] {
  return listing
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== '}')
}
