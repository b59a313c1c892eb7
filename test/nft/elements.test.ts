import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { DecodeError } from '../../src/netlink/errors.ts'
import { decodeElements, encodeElements, forEachElement } from '../../src/nft/elements.ts'
import type { SetElement } from '../../src/nft/objects.ts'
import { plain, someBytes, text, u64 } from './round-trip.ts'

const key = fc.uint8Array({ minLength: 1, maxLength: 64 })
const comment = text.map((value) => value.replaceAll('"', '')).filter((value) => Buffer.byteLength(value) <= 127)
const value = fc.oneof(
  fc.record({ value: someBytes }),
  fc.record({ verdict: fc.record({ code: fc.integer(), chain: text }, { requiredKeys: ['code'] }) }),
  fc.constant({}),
)
const plainElement: fc.Arbitrary<SetElement> = fc
  .tuple(fc.record({ key, keyEnd: key, comment, timeoutMs: u64, expiresMs: u64 }, { requiredKeys: ['key'] }), value)
  .map(([element, mapped]) => ({ ...element, ...mapped }))
const element: fc.Arbitrary<SetElement> = fc.oneof(
  plainElement,
  key.map((key): SetElement => ({ key, isIntervalEnd: true })),
  value.map((mapped): SetElement => ({ key: new Uint8Array(), isCatchAll: true, ...mapped })),
)

test('elements are read as they were written', () => {
  fc.assert(
    fc.property(fc.array(element), (elements) => {
      assert.deepEqual(plain(decodeElements(encodeElements(elements))), plain(elements))
    }),
  )
})

test('the bounds of an element hold exactly its bytes', () => {
  fc.assert(
    fc.property(fc.array(element), (elements) => {
      const bytes = encodeElements(elements)
      const found: SetElement[] = []
      forEachElement(bytes, (start, end) => found.push(...decodeElements(bytes.subarray(start, end))))
      assert.deepEqual(plain(found), plain(elements))
    }),
  )
})

describe('bytes that are no elements', () => {
  const one = encodeElements([{ key: Uint8Array.of(10, 96, 0, 1), comment: 'default/web' }])
  const rows: readonly [title: string, bytes: Uint8Array, expected: string, offset: number][] = [
    ['an element cut short', one.subarray(0, -4), 'an element that fits', 0],
    ['a second element cut short', Buffer.concat([one, one.subarray(0, -4)]), 'an element that fits', one.length],
    ['a length of less than a header', Buffer.from([3, 0, 1, 0]), 'an element that fits', 0],
    ['an element without a key', Buffer.from([4, 0, 1, 0]), 'an element with a key', 0],
    ['an attribute beyond its element', Buffer.from([8, 0, 1, 0, 9, 0, 1, 0]), 'an attribute that fits', 4],
  ]
  for (const [title, bytes, expected, offset] of rows) {
    test(`${title}: the error names what was expected, where, and the bytes there`, () => {
      assert.throws(
        () => decodeElements(bytes),
        (error) =>
          error instanceof DecodeError &&
          error.message.startsWith(`expected ${expected} at offset ${offset}\n`) &&
          error.offset === offset &&
          error.dump.includes('|'),
      )
    })
  }

  test('never give any other error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeElements(bytes)
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error))
        }
      }),
      { numRuns: 2000 },
    )
  })
})
