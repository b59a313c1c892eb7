import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ByteWriter } from '../../src/netlink/bytes.ts'

describe('ByteWriter', () => {
  const cases: [title: string, write: (writer: ByteWriter) => void, hex: string][] = [
    ['u8 keeps the low byte', (w) => w.u8(0x1fe), 'fe'],
    ['u16 is little-endian', (w) => w.u16(0x1234), '3412'],
    ['u32 is little-endian', (w) => w.u32(0xdeadbeef), 'efbeadde'],
    ['u32 takes a negative number as its two’s complement', (w) => w.u32(-2), 'feffffff'],
    ['be16 is big-endian', (w) => w.be16(0x1234), '1234'],
    ['be32 is big-endian', (w) => w.be32(0xdeadbeef), 'deadbeef'],
    ['be32 takes a negative number as its two’s complement', (w) => w.be32(-100), 'ffffff9c'],
    ['be64 is exact at 2^53 - 1', (w) => w.be64(Number.MAX_SAFE_INTEGER), '001fffffffffffff'],
    ['cstr ends with a zero byte', (w) => w.cstr('ip'), '697000'],
    ['cstr writes UTF-8', (w) => w.cstr('é'), 'c3a900'],
    ['bytes are written as they are', (w) => w.bytes(Uint8Array.of(1, 2, 3)), '010203'],
    ['align4 adds nothing to an aligned length', (w) => (w.u32(1), w.align4()), '01000000'],
    ['align4 pads with zeros', (w) => (w.u8(1), w.align4()), '01000000'],
    ['truncate forgets the end', (w) => (w.u16(1), w.truncate(1), w.u8(7)), '0107'],
  ]
  for (const [title, write, hex] of cases) {
    test(title, () => {
      const writer = new ByteWriter(1) // every case grows it
      write(writer)
      assert.equal(writer.view().toString('hex'), hex)
    })
  }

  test('padding is zero although the memory was used before', () => {
    const writer = new ByteWriter(8)
    writer.u32(0xffffffff)
    writer.truncate(0)
    writer.u8(1)
    writer.align4()
    assert.equal(writer.view().toString('hex'), '01000000')
  })

  test('a length is patched once it is known', () => {
    const writer = new ByteWriter()
    writer.u16(0)
    writer.u32(0)
    writer.bytes(new Uint8Array(100).fill(9))
    writer.patchU16(0, writer.length)
    writer.patchU32(2, 0x01020304)
    assert.equal(writer.view().subarray(0, 6).toString('hex'), '6a0004030201')
  })

  test('what was written survives many growths', () => {
    const writer = new ByteWriter(1)
    const expected = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i & 0xff))
    for (let at = 0; at < expected.length; at += 100) writer.bytes(expected.subarray(at, at + 100))
    assert.ok(writer.view().equals(expected))
  })

  test('a copy stays as it was, a view does not', () => {
    const writer = new ByteWriter()
    writer.u32(1)
    const copy = writer.copy(1)
    const view = writer.view()
    writer.truncate(0)
    writer.u32(0xffffffff)
    assert.equal(copy.toString('hex'), '000000')
    assert.equal(view.toString('hex'), 'ffffffff')
  })
})
