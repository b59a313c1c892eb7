import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { ByteWriter } from '../../src/netlink/bytes.ts'
import { DecodeError } from '../../src/netlink/errors.ts'
import { inetAddress, inetNtop, inetPton, parsePrefix } from '../../src/netlink/inet.ts'

describe('inetPton and inetNtop', () => {
  const cases: [text: string, hex: string, canonical?: string][] = [
    ['0.0.0.0', '00000000'],
    ['10.244.1.255', '0af401ff'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['1::', '00010000000000000000000000000000'],
    ['fd00:10:96::41', 'fd000010009600000000000000000041'],
    ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001'],
    ['2001:DB8:0:0:1:0:0:1', '20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['2001:0:0:1:0:0:0:1', '20010000000000010000000000000001', '2001:0:0:1::1'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '00000002000300040005000600070008', '0:2:3:4:5:6:7:8'],
    ['::ffff:10.0.0.1', '00000000000000000000ffff0a000001'],
    ['::ffff:a00:1', '00000000000000000000ffff0a000001', '::ffff:10.0.0.1'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221', '64:ff9b::c000:221'],
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'ffffffffffffffffffffffffffffffff'],
  ]
  for (const [text, hex, canonical = text] of cases) {
    test(text, () => {
      assert.equal(Buffer.from(inetPton(text)).toString('hex'), hex)
      assert.equal(inetNtop(Buffer.from(hex, 'hex')), canonical)
    })
  }

  for (const text of [
    '',
    '10.0.0',
    '10.0.0.256',
    '10.0.0.01',
    '10.0.0.1/8',
    '1:2:3',
    '::1::',
    'fe80::1%lo',
    'localhost',
  ]) {
    test(`'${text}' is no address`, () => assert.throws(() => inetPton(text), RangeError))
  }

  test('any address survives the way through text', () => {
    const address = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.array(fc.constantFrom(0, 0, 1, 0xff), { minLength: 16, maxLength: 16 }).map((bytes) => Uint8Array.from(bytes)),
    )
    fc.assert(fc.property(address, (bytes) => assert.deepEqual(inetPton(inetNtop(bytes)), bytes)))
  })

  test('the canonical text of IPv6 is the one that URLs use', () => {
    const group = fc.constantFrom(0, 0, 0, 1, 0xab, 0xffff).map((value) => value.toString(16))
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const text = groups.join(':')
        const canonical = inetNtop(inetPton(text))
        if (!canonical.includes('.')) assert.equal(`[${canonical}]`, new URL(`http://[${text}]/`).hostname)
      }),
    )
  })
})

describe('parsePrefix', () => {
  test('splits an address from its prefix length', () => {
    assert.deepEqual(parsePrefix('10.0.0.1/24'), { address: Uint8Array.of(10, 0, 0, 1), prefixLength: 24 })
    assert.equal(parsePrefix('::/0').prefixLength, 0)
    assert.equal(parsePrefix('fd00::1/128').prefixLength, 128)
  })

  for (const text of ['10.0.0.1', '10.0.0.1/33', 'fd00::/129', '10.0.0.1/', '10.0.0.1/-1', '10.0.0.1/8/8', '/8']) {
    test(`'${text}' is refused`, () => assert.throws(() => parsePrefix(text), RangeError))
  }
})

describe('inetAddress', () => {
  test('an attribute of another length is no address', () => {
    assert.throws(() => inetAddress.read(Buffer.alloc(5), 0, 5), DecodeError)
  })

  test('is written in network order', () => {
    const writer = new ByteWriter()
    inetAddress.write(writer, '1.2.3.4')
    assert.equal(writer.view().toString('hex'), '01020304')
  })
})
