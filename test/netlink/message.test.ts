import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { ByteWriter } from '../../src/netlink/bytes.ts'
import { DecodeError } from '../../src/netlink/errors.ts'
import { attrs, bytes, cstr, struct, u16, u8 } from '../../src/netlink/layout.ts'
import {
  beginMessage,
  body,
  endMessage,
  messages,
  NLM_F_ACK,
  NLM_F_REQUEST,
  writeMessage,
} from '../../src/netlink/message.ts'
import { fromHex } from './hex.ts'

describe('messages', () => {
  test('a message is a header with its unpadded length, a payload and padding', () => {
    const writer = new ByteWriter()
    writeMessage(writer, 0x10, NLM_F_REQUEST | NLM_F_ACK, 7, bytes, Uint8Array.of(0xaa))
    assert.deepEqual(writer.copy(), fromHex('11000000 1000 0500 07000000 00000000 aa000000'))
  })

  test('what was written one after the other is read one after the other', () => {
    const message = fc.record({
      type: fc.integer({ min: 0, max: 0xffff }),
      flags: fc.integer({ min: 0, max: 0xffff }),
      seq: fc.integer({ min: 0, max: 0xffffffff }),
      payload: fc.uint8Array({ maxLength: 41 }),
    })
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), (written) => {
        const writer = new ByteWriter(1)
        for (const { type, flags, seq, payload } of written) writeMessage(writer, type, flags, seq, bytes, payload)
        const read = [...messages(writer.copy())].map((each) => ({ ...each, payload: new Uint8Array(each.payload) }))
        assert.deepEqual(
          read,
          written.map((each) => ({ ...each })),
        )
      }),
    )
  })

  test('the last message need not be padded', () => {
    const writer = new ByteWriter()
    const at = beginMessage(writer, 1, 0, 1)
    writer.u8(1)
    endMessage(writer, at)
    assert.deepEqual(
      [...messages(writer.copy().subarray(0, 17))].map(({ payload }) => payload.length),
      [1],
    )
  })

  for (const [title, length] of [
    ['shorter than its header', 15],
    ['longer than what was received', 33],
  ] as const) {
    test(`a message ${title} is refused with the place`, () => {
      const writer = new ByteWriter()
      writeMessage(writer, 1, 0, 1, bytes, new Uint8Array(0))
      writeMessage(writer, 1, 0, 2, bytes, new Uint8Array(16))
      writer.patchU32(16, length)
      assert.throws(
        () => [...messages(writer.copy())],
        (error) => error instanceof DecodeError && error.offset === 16,
      )
    })
  }
})

describe('body', () => {
  const layout = body(struct({ family: u8, resource: u16 }), attrs({ name: [1, cstr, '?'] }))

  test('attributes begin at a multiple of four bytes', () => {
    const writer = new ByteWriter()
    layout.write(writer, { header: { family: 2, resource: 3 }, attributes: { name: 'a' } })
    assert.deepEqual(writer.copy(), fromHex('02030000 06000100 61000000'))
  })

  test('a header without attributes need not be padded', () => {
    assert.deepEqual(layout.read(fromHex('020300'), 0, 3), {
      header: { family: 2, resource: 3 },
      attributes: {},
    })
  })
})
