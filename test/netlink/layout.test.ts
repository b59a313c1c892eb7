import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { ByteWriter } from '../../src/netlink/bytes.ts'
import { DecodeError } from '../../src/netlink/errors.ts'
import {
  attrs,
  be16,
  be32,
  be64,
  bes32,
  bytes,
  type Codec,
  cstr,
  type FixedCodec,
  forEachAttribute,
  list,
  s32,
  struct,
  u16,
  u32,
  u8,
} from '../../src/netlink/layout.ts'
import { fromHex } from './hex.ts'

function encode<T>(codec: Codec<T>, value: T): Buffer {
  const writer = new ByteWriter(1)
  codec.write(writer, value)
  return writer.copy()
}

function decode<T>(codec: Codec<T>, buffer: Buffer): T {
  return codec.read(buffer, 0, buffer.length)
}

const hookLayout = attrs({ num: [1, be32], priority: [2, bes32], devices: [4, list(1, cstr), '?'] })

describe('attrs', () => {
  test('an attribute is length, type, payload and padding', () => {
    assert.deepEqual(encode(attrs({ name: [3, cstr] }), { name: 'lo' }), fromHex('07000300 6c6f00 00'))
  })

  test('an attribute that holds attributes carries NLA_F_NESTED, and its length counts inner padding', () => {
    const layout = attrs({ hook: [4, attrs({ kind: [1, cstr] })] })
    assert.deepEqual(encode(layout, { hook: { kind: 'a' } }), fromHex('0c000480 06000100 6100 0000'))
  })

  test('attributes are written in declaration order', () => {
    const layout = attrs({ second: [2, u8], first: [1, u8] })
    assert.deepEqual(encode(layout, { first: 1, second: 2 }), fromHex('05000200 02000000 05000100 01000000'))
  })

  test('an absent optional attribute is not written and not read', () => {
    const value = { num: 1, priority: -100 }
    assert.equal(encode(hookLayout, value).length, 16)
    assert.deepEqual(decode(hookLayout, encode(hookLayout, value)), value)
  })

  test('a missing attribute is named when decoding', () => {
    const buffer = encode(attrs({ num: [1, be32] }), { num: 1 })
    assert.throws(
      () => decode(hookLayout, buffer),
      (error) => error instanceof DecodeError && /attribute priority/.test(error.message),
    )
  })

  test('a missing attribute is named when encoding', () => {
    assert.throws(() => encode(hookLayout as Codec<unknown>, { num: 1 }), /attribute priority is missing/)
  })

  test('an unknown attribute is skipped', () => {
    const buffer = encode(attrs({ num: [1, be32], other: [9, bytes], priority: [2, bes32] }), {
      num: 1,
      other: new Uint8Array(5),
      priority: 2,
    })
    assert.deepEqual(decode(hookLayout, buffer), { num: 1, priority: 2 })
  })

  test('the last attribute need not be padded', () => {
    const buffer = fromHex('05000100 01000000 05000200 02')
    assert.deepEqual(decode(attrs({ first: [1, u8], second: [2, u8] }), buffer), { first: 1, second: 2 })
  })

  test('NLA_F_NESTED and NLA_F_NET_BYTEORDER are no part of the type', () => {
    const buffer = fromHex('050001c0 07000000')
    assert.deepEqual(decode(attrs({ first: [1, u8] }), buffer), { first: 7 })
  })

  for (const [title, hex] of [
    ['shorter than its header', '03000100'],
    ['longer than the message', '09000100 00000000'],
  ] as const) {
    test(`an attribute ${title} is refused with the place`, () => {
      const buffer = fromHex(`05000700 00000000 ${hex}`)
      assert.throws(
        () => forEachAttribute(buffer, 0, buffer.length, () => {}),
        (error) => error instanceof DecodeError && error.offset === 8,
      )
    })
  }

  test('a payload that is too short for its number is refused', () => {
    const buffer = fromHex('06000100 0102 0000')
    assert.throws(() => decode(attrs({ first: [1, u32] }), buffer), /expected 4 bytes at offset 4/)
  })

  test('an attribute of more than 65535 bytes is refused, not cut', () => {
    const layout = attrs({ payload: [1, bytes] })
    assert.equal(encode(layout, { payload: new Uint8Array(65531) }).length, 65536)
    assert.throws(() => encode(layout, { payload: new Uint8Array(65532) }), RangeError)
  })

  test('decoded bytes share no memory with the buffer', () => {
    const layout = attrs({ payload: [1, bytes] })
    const buffer = encode(layout, { payload: Uint8Array.of(1, 2, 3) })
    const { payload } = decode(layout, buffer)
    buffer.fill(0xff)
    assert.deepEqual(payload, Uint8Array.of(1, 2, 3))
  })
})

describe('cstr', () => {
  test('reads up to the zero byte, or to the end of an attribute without one', () => {
    assert.equal(cstr.read(Buffer.from('ab\0cd'), 0, 5), 'ab')
    assert.equal(cstr.read(Buffer.from('abcd\0'), 0, 3), 'abc')
  })
})

describe('every layout', () => {
  test('decode(encode(x)) = x for random layouts and values', () => {
    fc.assert(
      fc.property(layoutAndValue, ({ codec, value }) => {
        assert.deepEqual(decode(codec, encode(codec, value)), value)
      }),
      { numRuns: 500 },
    )
  })

  test('an attribute list is a multiple of four bytes long', () => {
    fc.assert(
      fc.property(layoutAndValue, ({ codec, value }) => {
        if (codec.isNested) assert.equal(encode(codec, value).length % 4, 0)
      }),
    )
  })

  test('bytes cut off anywhere give a DecodeError or a value, nothing else', () => {
    fc.assert(
      fc.property(layoutAndValue, fc.nat(), ({ codec, value }, cut) => {
        const encoded = encode(codec, value)
        try {
          decode(codec, encoded.subarray(0, cut % (encoded.length + 1)))
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error))
        }
      }),
    )
  })
})

/** A codec and values that it can carry. */
type Shape = { readonly codec: Codec<unknown>; readonly values: fc.Arbitrary<unknown> }

function integer(codec: FixedCodec<number>, min: number, max: number): Shape & { readonly codec: FixedCodec<unknown> } {
  return { codec: codec as FixedCodec<unknown>, values: fc.integer({ min, max }) }
}

const integers = [
  integer(u8, 0, 0xff),
  integer(u16, 0, 0xffff),
  integer(be16, 0, 0xffff),
  integer(u32, 0, 0xffffffff),
  integer(be32, 0, 0xffffffff),
  integer(s32, -(2 ** 31), 2 ** 31 - 1),
  integer(bes32, -(2 ** 31), 2 ** 31 - 1),
  integer(be64, 0, Number.MAX_SAFE_INTEGER),
]

const zeroFreeText = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', '').toWellFormed())

const structs: fc.Arbitrary<Shape> = fc
  .array(fc.constantFrom(...integers), { minLength: 1, maxLength: 5 })
  .map((fields) => ({
    codec: struct(Object.fromEntries(fields.map(({ codec }, i) => [`field${i}`, codec]))) as Codec<unknown>,
    values: fc.record(Object.fromEntries(fields.map(({ values }, i) => [`field${i}`, values])), {
      noNullPrototype: true,
    }),
  }))

const { shape } = fc.letrec<{ shape: Shape; nested: Shape; listed: Shape }>((tie) => ({
  shape: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'layout' },
    fc.constantFrom<Shape>(
      ...integers,
      { codec: cstr as Codec<unknown>, values: zeroFreeText },
      { codec: bytes as Codec<unknown>, values: fc.uint8Array({ maxLength: 70 }) },
    ),
    structs,
    tie('nested'),
    tie('listed'),
  ),
  nested: fc
    .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 0x3fff }), tie('shape'), fc.boolean()), {
      maxLength: 4,
      selector: ([type]) => type,
    })
    .map((fields) => {
      const name = (type: number) => `attribute${type}`
      const required = fields.filter(([, , isOptional]) => !isOptional).map(([type]) => name(type))
      return {
        codec: attrs(
          Object.fromEntries(
            fields.map(([type, { codec }, isOptional]) => [
              name(type),
              isOptional ? ([type, codec, '?'] as const) : ([type, codec] as const),
            ]),
          ),
        ) as Codec<unknown>,
        values: fc.record(Object.fromEntries(fields.map(([type, { values }]) => [name(type), values])), {
          requiredKeys: required,
          noNullPrototype: true,
        }),
      }
    }),
  listed: fc.tuple(fc.integer({ min: 1, max: 0x3fff }), tie('shape')).map(([type, { codec, values }]) => ({
    codec: list(type, codec) as Codec<unknown>,
    values: fc.array(values, { maxLength: 4 }),
  })),
}))

const layoutAndValue = shape.chain(({ codec, values }) => values.map((value) => ({ codec, value })))
