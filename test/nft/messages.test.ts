import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { DecodeError } from '../../src/netlink/errors.ts'
import type { Codec } from '../../src/netlink/layout.ts'
import type { Body } from '../../src/netlink/message.ts'
import type { Expr } from '../../src/nft/expressions.ts'
import * as messages from '../../src/nft/messages.ts'
import { data, plain, roundTrip, s32, someBytes, text, u32, u64, u8 } from './round-trip.ts'

const hook = fc.record({ num: u32, priority: s32, devices: fc.array(text) }, { requiredKeys: ['num', 'priority'] })
const expressions: fc.Arbitrary<readonly Expr[]> = fc.array(
  fc.oneof(
    u32.map((key): Expr => ({ kind: 'meta', key, dreg: 1 })),
    data.map((value): Expr => ({ kind: 'immediate', dreg: 0, data: value })),
    someBytes.map((bytes): Expr => ({ kind: 'unknown', name: 'limit', bytes })),
  ),
)

const bodies = {
  tableBody: row(
    messages.tableBody,
    fc.record({ name: text, flags: u32, handle: u64, userdata: someBytes, owner: u32 }, { requiredKeys: ['name'] }),
  ),
  chainBody: row(
    messages.chainBody,
    fc.record(
      { table: text, handle: u64, name: text, hook, policy: u32, type: text, userdata: someBytes },
      { requiredKeys: ['table', 'name'] },
    ),
  ),
  ruleBody: row(
    messages.ruleBody,
    fc.record(
      { table: text, chain: text, handle: u64, expressions, position: u64, userdata: someBytes },
      { requiredKeys: ['table'] },
    ),
  ),
  setBody: row(
    messages.setBody,
    fc.record(
      {
        table: text,
        name: text,
        flags: u32,
        keyType: u32,
        keyLen: u32,
        dataType: u32,
        dataLen: u32,
        desc: fc.record({ size: u32, concat: fc.array(fc.record({ len: u32 })) }, { requiredKeys: [] }),
        id: u32,
        timeout: u64,
        userdata: someBytes,
        handle: u64,
      },
      { requiredKeys: ['table', 'name'] },
    ),
  ),
  elementListBody: row(
    messages.elementListBody,
    fc.record({ table: text, set: text, elements: someBytes }, { requiredKeys: ['table', 'set'] }),
  ),
  flowtableBody: row(
    messages.flowtableBody,
    fc.record({ table: text, name: text, hook, handle: u64, flags: u32 }, { requiredKeys: ['table', 'name'] }),
  ),
  generationBody: row(
    messages.generationBody,
    fc.record({ id: u32, processId: u32, processName: text }, { requiredKeys: ['id'] }),
  ),
  emptyBody: row(messages.emptyBody, fc.constant({})),
}

describe('a message body is read as it was written', () => {
  for (const [name, { codec, arbitrary }] of Object.entries(bodies)) {
    test(name, () => {
      fc.assert(
        fc.property(arbitrary, (value) => {
          assert.deepEqual(roundTrip(codec, value), plain(value))
        }),
      )
    })
  }

  test('or is refused with the place and the bytes there, whatever the bytes are', () => {
    const codecs = fc.constantFrom(...Object.values(bodies).map(({ codec }) => codec))
    fc.assert(
      fc.property(codecs, fc.uint8Array({ maxLength: 120 }), (codec, bytes) => {
        try {
          codec.read(Buffer.from(bytes), 0, bytes.length)
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error))
          assert.ok(error.message.endsWith(`at offset ${error.offset}\n${error.dump}`))
        }
      }),
      { numRuns: 5000 },
    )
  })

  test('and every body is among those', () => {
    const declared = Object.keys(messages).filter((name) => name.endsWith('Body'))
    assert.deepEqual(Object.keys(bodies).toSorted(), declared.toSorted())
  })
})

type Header = ReturnType<typeof messages.familyHeader>
type AnyBody = Body<Header, unknown>

/** A body's codec beside what it has to carry; the header is the same for all. */
function row<A>(codec: Codec<Body<Header, A>>, attributes: fc.Arbitrary<A>) {
  const header = fc.record({ family: u8, version: u8, resId: fc.nat({ max: 0xffff }) })
  return {
    codec: codec as unknown as Codec<AnyBody>,
    arbitrary: fc.record({ header, attributes }) as fc.Arbitrary<AnyBody>,
  }
}
