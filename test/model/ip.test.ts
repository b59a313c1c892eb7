import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { familyOf, ipBytes, ipFromBytes, parseIp } from '../../src/model/ip.ts'
import { ip } from './fixtures.ts'

const accepted = [
  ['10.180.0.1', '10.180.0.1'],
  ['0.0.0.0', '0.0.0.0'],
  ['255.255.255.255', '255.255.255.255'],
  ['172.30.0.041', '172.30.0.41'],
  ['1.2.3.004', '1.2.3.4'],
  ['192.168.099.022', '192.168.99.22'],
  ['10.180.00.001', '10.180.0.1'],
  ['0000000010.1.1.1', '10.1.1.1'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['FD00:10:96::A', 'fd00:10:96::a'],
  ['fd00:0010:0096:0000:0000:0000:0000:000a', 'fd00:10:96::a'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['1:0:0:2:3:0:0:4', '1::2:3:0:0:4'],
  ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ['64:ff9b::192.000.02.033', '64:ff9b::c000:221'],
  ['1:2:3:4:5:6:192.0.2.33', '1:2:3:4:5:6:c000:221'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['::ffff:0a01:0203', '10.1.2.3'],
  ['::fffe:10.1.2.3', '::fffe:a01:203'],
] as const

for (const [text, canonical] of accepted) {
  test(`${text} is the address ${canonical}`, () => {
    assert.equal(parseIp(text), canonical)
  })
}

const notIpv4 = [
  '',
  ' ',
  '1.2.3',
  '1.2.3.4.5',
  '1.2.3.256',
  '1.2..3',
  '.1.2.3',
  '1.2.3.',
  '1.2.3.4 ',
  ' 1.2.3.4',
  '1.2.3.x',
]
const notIpv6 = [':', ':::', '1:', ':1', '1::2::3', '1:::2', 'fe80::1%eth0', '::g', '::12345', '[::1]', 'fd00::/8']
const neither = ['-1.2.3.4', '1.2.3.4/24', '1.2.3.4:80', '0x1.2.3.4', 'localhost', '1.2.3.4::', '::1.2.3.4:5']
const wrongLength = ['1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::', '::1:2:3:4:5:6:7:8']
const wrongTail = ['::1.2.3', '::1.2.3.4.5', '1:2:3:4:5:6:7:1.2.3.4', '::1.2.3.256']

for (const text of [...notIpv4, ...notIpv6, ...neither, ...wrongLength, ...wrongTail]) {
  test(`${JSON.stringify(text)} is not an address`, () => {
    assert.equal(parseIp(text), undefined)
  })
}

const ipv4Bytes = fc.uint8Array({ minLength: 4, maxLength: 4 })
const isMapped = (bytes: Uint8Array): boolean => bytes.subarray(0, 12).join() === '0,0,0,0,0,0,0,0,0,0,255,255'
/** Zero bytes often, so that runs of zero groups occur. */
const ipv6Bytes = fc
  .array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])))
  .filter((bytes) => !isMapped(bytes))

test('the bytes of an address give the address back', () => {
  fc.assert(
    fc.property(fc.oneof(ipv4Bytes, ipv6Bytes), (bytes) => {
      const printed = ipFromBytes(bytes)
      assert.deepEqual(ipBytes(printed), bytes)
      assert.equal(parseIp(printed), printed)
      assert.equal(familyOf(printed), bytes.length === 4 ? 'IPv4' : 'IPv6')
    }),
  )
})

test('IPv6 text is what the URL standard makes of the same address', () => {
  fc.assert(
    fc.property(ipv6Bytes, (bytes) => {
      const printed = ipFromBytes(bytes)
      assert.equal(new URL(`http://[${printed}]/`).hostname, `[${printed}]`)
    }),
  )
})

test('text without leading zeros and zones is an address exactly if Node.js says so', () => {
  const pieces = fc.constantFrom('0', '1', '10', '255', '256', 'f', 'ffff', 'g', ':', '::', '.', ':1', '1.2.3.4', ' ')
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      const text = parts.join('')
      fc.pre(!/(?:^|[^0-9a-f])0[0-9a-f]|[0-9a-f]{5}/.test(text))
      assert.equal(parseIp(text) !== undefined, isIP(text) !== 0, text)
    }),
    { numRuns: 2_000 },
  )
})

test('an address that is canonical already is not copied into other text', () => {
  for (const text of ['10.180.0.1', 'fd00:10:180::1']) assert.equal(parseIp(text), text)
})

test('bytes of another length are a RangeError', () => {
  assert.throws(() => ipFromBytes(new Uint8Array(5)), RangeError)
})

test('an IPv4-mapped address is IPv4 in text, in bytes and in family', () => {
  const mapped = ip('::ffff:192.0.2.1')
  assert.equal(familyOf(mapped), 'IPv4')
  assert.deepEqual([...ipBytes(mapped)], [192, 0, 2, 1])
  assert.equal(ipFromBytes(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1)), mapped)
})
