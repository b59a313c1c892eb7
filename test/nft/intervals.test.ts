import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { dataTypes } from '../../src/nft/datatypes.ts'
import { intervalElements } from '../../src/nft/intervals.ts'
import { byType, type NftSet, type TableRef } from '../../src/nft/objects.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { freshKernel } from './kernel.ts'
import { operationsFor } from './parity.ts'

const plans: readonly [title: string, prefixes: readonly string[]][] = [
  ['one prefix', ['10.0.0.0/8']],
  ['one address', ['10.0.0.1/32']],
  ['prefixes that touch', ['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/25']],
  ['prefixes in any order', ['172.16.0.0/12', '10.0.0.0/8', '192.168.0.0/16']],
  ['the beginning of the address space', ['0.0.0.0/8', '10.0.0.0/8']],
  ['the end of the address space', ['10.0.0.0/8', '240.0.0.0/4']],
  ['the last address', ['255.255.255.255/32']],
  ['the whole address space', ['0.0.0.0/0']],
  ['the address space in halves', ['0.0.0.0/1', '128.0.0.0/1']],
  ['no prefix', []],
]

describe('prefixes become the elements that nft makes of them', needs(root, tool('nft')), () => {
  for (const [title, prefixes] of plans) {
    test(title, async (t) => {
      const [ours, theirs] = [freshKernel(t), freshKernel(t)]
      const list = prefixes.length === 0 ? '' : `elements = { ${prefixes.join(', ')} }`
      theirs.load(`table ip t {\n set s {\n type ipv4_addr\n flags interval\n ${list}\n }\n}`)
      const elements = intervalElements(prefixes.map(parsed))
      await ours.connection.commit(
        operationsFor({
          table,
          flowtables: [],
          sets: [set],
          chains: [],
          rules: [],
          elements: new Map([[set.name, elements]]),
        }),
      )
      assert.equal(ours.listing(), theirs.listing())
      assert.equal(ours.bytecode(), theirs.bytecode())
    })
  }
})

const table: TableRef = { family: 'ip', name: 't' }
const set: NftSet = { name: 's', key: byType(dataTypes.ipv4_addr), flags: ['interval'] }

function parsed(prefix: string): { address: Uint8Array; prefixLength: number } {
  const [address = '', length] = prefix.split('/')
  return { address: Uint8Array.from(address.split('.'), Number), prefixLength: Number(length) }
}
