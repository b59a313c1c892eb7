import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import {
  accept,
  drop,
  type Expr,
  exprCodec,
  expressionLayouts,
  type ExprOf,
  goto,
  jump,
  returnToCaller,
} from '../../src/nft/expressions.ts'
import { verdictText } from '../../src/nft/render-rule.ts'
import { data, plain, roundTrip, someBytes, text, u32, u64, u8 } from './round-trip.ts'

const fields = {
  payload: fc.record(
    { dreg: u32, base: u32, offset: u32, len: u32, sreg: u32 },
    { requiredKeys: ['base', 'offset', 'len'] },
  ),
  meta: fc.record({ dreg: u32, key: u32, sreg: u32 }, { requiredKeys: ['key'] }),
  cmp: fc.record({ sreg: u32, op: u32, data }),
  lookup: fc.record({ set: text, sreg: u32, dreg: u32, setId: u32, flags: u32 }, { requiredKeys: ['set', 'sreg'] }),
  numgen: fc.record({ dreg: u32, modulus: u32, type: u32, offset: u32 }, { requiredKeys: ['dreg', 'modulus', 'type'] }),
  nat: fc.record(
    { type: u32, family: u32, addrMin: u32, addrMax: u32, protoMin: u32, protoMax: u32, flags: u32 },
    { requiredKeys: ['type', 'family'] },
  ),
  masq: fc.record({ flags: u32, protoMin: u32, protoMax: u32 }, { requiredKeys: [] }),
  ct: fc.record({ dreg: u32, key: u32, direction: u8, sreg: u32 }, { requiredKeys: ['key'] }),
  bitwise: fc.record(
    { sreg: u32, dreg: u32, len: u32, mask: data, xor: data, op: u32 },
    { requiredKeys: ['sreg', 'dreg', 'len', 'mask', 'xor'] },
  ),
  byteorder: fc.record({ sreg: u32, dreg: u32, op: u32, len: u32, size: u32 }),
  immediate: fc.record({ dreg: u32, data }),
  reject: fc.record({ type: u32, icmpCode: u8 }, { requiredKeys: ['type'] }),
  fib: fc.record({ dreg: u32, result: u32, flags: u32 }),
  dynset: fc.record(
    { set: text, setId: u32, op: u32, sregKey: u32, sregData: u32, timeout: u64, flags: u32 },
    { requiredKeys: ['set', 'op', 'sregKey'] },
  ),
  flow_offload: fc.record({ table: text }),
  counter: fc.record({ bytes: u64, packets: u64 }, { requiredKeys: [] }),
  hash: fc.record(
    { sreg: u32, dreg: u32, len: u32, modulus: u32, seed: u32, offset: u32, type: u32 },
    { requiredKeys: ['dreg', 'modulus'] },
  ),
  unknown: fc.record({ name: fc.constantFrom('limit', 'log', 'quota'), bytes: someBytes }),
} satisfies { readonly [K in Expr['kind']]: fc.Arbitrary<Omit<ExprOf<K>, 'kind'>> }

describe('an expression is read as it was written', () => {
  for (const [kind, arbitrary] of Object.entries(fields)) {
    test(kind, () => {
      fc.assert(
        fc.property(arbitrary, (values) => {
          const expr = { kind, ...values } as Expr
          assert.deepEqual(roundTrip(exprCodec, expr), plain(expr))
        }),
      )
    })
  }

  test('and every layout is among those', () => {
    assert.deepEqual(Object.keys(fields).toSorted(), [...Object.keys(expressionLayouts), 'unknown'].toSorted())
  })
})

test('the verdicts have the codes that their words stand for', () => {
  const words = [accept, drop, returnToCaller, jump('services'), goto('pick-tcp-2')].map(verdictText)
  assert.deepEqual(words, ['accept', 'drop', 'return', 'jump services', 'goto pick-tcp-2'])
})
