import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tableLayout } from '../../src/dataplane/layout.ts'
import { writeElement } from '../../src/nft/elements.ts'
import { goto } from '../../src/nft/expressions.ts'
import { ByteWriter } from '../../src/netlink/bytes.ts'
import { TableChange } from '../../src/sync/table-change.ts'
import { dataplaneOptions } from './proxy.ts'

const { table, sets } = tableLayout(dataplaneOptions())
const setNumber = (name: string): number => sets.findIndex((set) => set.name === name)

function element(key: readonly number[], chain?: string): string {
  const writer = new ByteWriter(64)
  writeElement(writer, { key: Uint8Array.from(key), ...(chain === undefined ? {} : { verdict: goto(chain) }) })
  return writer.latin1()
}

/** Verb, object and name of each operation. */
function outline(change: TableChange): string[] {
  return [...change.chainOperations(table), ...change.elementOperations(table, sets)].map((operation) => {
    if (operation.object === 'element') return `${operation.verb} element ${operation.set.name}`
    if (operation.object === 'chain' && 'chain' in operation) return `${operation.verb} chain ${operation.chain.name}`
    if (operation.object === 'rule' && 'rule' in operation) return `${operation.verb} rule ${operation.rule.chain}`
    return `${operation.verb} ${operation.object}`
  })
}

test('chains are in the order of their numbers, and removals come before additions', () => {
  const change = new TableChange()
  change.add(setNumber('service-ips'), element([172, 30, 0, 41], 'pick-tcp-10'))
  change.remove(setNumber('service-ips'), element([172, 30, 0, 41], 'pick-tcp-2'))
  change.add(setNumber('cluster-ips'), element([172, 30, 0, 42]))
  change.remove(setNumber('cluster-ips'), element([172, 30, 0, 43]))
  for (const slotCount of [10, 2]) {
    change.addChain({ name: `pick-tcp-${slotCount}`, rules: [[]] })
  }
  assert.deepEqual(outline(change), [
    'add chain pick-tcp-2',
    'add chain pick-tcp-10',
    'add rule pick-tcp-2',
    'add rule pick-tcp-10',
    'delete element cluster-ips',
    'delete element service-ips',
    'add element cluster-ips',
    'add element service-ips',
  ])
  assert.deepEqual([change.elementsAdded, change.elementsRemoved], [2, 2])
})

test('all elements of a set are one operation', () => {
  const change = new TableChange()
  for (let host = 0; host < 300; host++) change.add(setNumber('cluster-ips'), element([10, 0, host >> 8, host & 255]))
  assert.deepEqual(outline(change), ['add element cluster-ips'])
  assert.equal(change.elementsAdded, 300)
})

test('no change is no operation', () => {
  assert.deepEqual(outline(new TableChange()), [])
})
