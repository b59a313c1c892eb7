import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { cidrContains, cidrContainsCidr, cidrFamily, cidrParts, parseCidr } from '../../src/model/cidr.ts'
import type { Cidr } from '../../src/model/cidr.ts'
import { ipFromBytes } from '../../src/model/ip.ts'
import { ip } from './fixtures.ts'

function cidr(text: string): Cidr {
  const parsed = parseCidr(text)
  assert.ok(parsed, `${text} is a range`)
  return parsed
}

const accepted = [
  ['203.0.113.0/25', '203.0.113.0/25'],
  ['203.0.113.000/025', '203.0.113.0/25'],
  ['203.0.113.77/25', '203.0.113.0/25'],
  [' 203.0.113.0/25\n', '203.0.113.0/25'],
  ['1.2.3.4/0', '0.0.0.0/0'],
  ['1.2.3.4/32', '1.2.3.4/32'],
  ['1.2.3.255/31', '1.2.3.254/31'],
  ['FD00:10:96::1/112', 'fd00:10:96::/112'],
  ['fd00:ffff::/17', 'fd00:8000::/17'],
  ['2001:db8::1/0', '::/0'],
  ['2001:db8::1/128', '2001:db8::1/128'],
  ['::ffff:192.0.2.77/120', '192.0.2.0/24'],
  ['::ffff:192.0.2.77/96', '0.0.0.0/0'],
  ['::ffff:192.0.2.77/80', '::/80'],
] as const

for (const [text, canonical] of accepted) {
  test(`${JSON.stringify(text)} is the range ${canonical}`, () => {
    assert.equal(parseCidr(text), canonical)
  })
}

const refused = [
  '',
  '1.2.3.4',
  '1.2.3/24',
  '1.2.3.4/',
  '1.2.3.4/33',
  '1.2.3.4/-1',
  '1.2.3.4/+8',
  '1.2.3.4/8/8',
  '1.2.3.4/ 8',
]

for (const text of [...refused, '::/129', '::/', '/8', 'a/8', '1.2.3.4 /8', '::ffff:1.2.3.4/129']) {
  test(`${JSON.stringify(text)} is not a range`, () => {
    assert.equal(parseCidr(text), undefined)
  })
}

test('the parts of a range are its first address, the bytes of it and the prefix length', () => {
  const parts = cidrParts(cidr('172.30.64.9/18'))
  assert.deepEqual(parts, { address: '172.30.64.0', bytes: Uint8Array.of(172, 30, 64, 0), prefixLength: 18 })
  assert.equal(cidrFamily(cidr('fd00::/8')), 'IPv6')
  assert.equal(cidrFamily(cidr('10.0.0.0/8')), 'IPv4')
})

const containment = [
  ['172.30.0.0/16', '172.30.255.255', true],
  ['172.30.0.0/16', '172.31.0.0', false],
  ['0.0.0.0/0', '255.255.255.255', true],
  ['192.0.2.1/32', '192.0.2.1', true],
  ['192.0.2.1/32', '192.0.2.2', false],
  ['192.0.2.128/25', '192.0.2.127', false],
  ['fd00:10:96::/112', 'fd00:10:96::ffff', true],
  ['fd00:10:96::/112', 'fd00:10:96::1:0', false],
  ['::/0', '192.0.2.1', false],
  ['0.0.0.0/0', '::', false],
] as const

for (const [range, address, isInside] of containment) {
  test(`${address} is ${isInside ? '' : 'not '}in ${range}`, () => {
    assert.equal(cidrContains(cidr(range), ip(address)), isInside)
  })
}

test('a range is in another exactly if its first and last addresses are', () => {
  const range = fc.tuple(fc.array(fc.constantFrom(0, 128, 255), { minLength: 4, maxLength: 4 }), fc.nat(32))
  fc.assert(
    fc.property(range, range, ([outerBytes, outerLength], [innerBytes, innerLength]) => {
      const outer = cidr(`${outerBytes.join('.')}/${outerLength}`)
      const inner = cidr(`${innerBytes.join('.')}/${innerLength}`)
      const first = cidrParts(inner)
      const lastBytes = first.bytes.map(
        (byte, index) => byte | (0xff >> Math.min(8, Math.max(0, innerLength - 8 * index))),
      )
      const isInside = cidrContains(outer, first.address) && cidrContains(outer, ipFromBytes(lastBytes))
      assert.equal(cidrContainsCidr(outer, inner), isInside)
    }),
  )
})

test('a range in canonical text is itself', () => {
  const bytes = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  fc.assert(
    fc.property(bytes, fc.nat(128), (bytes, length) => {
      const parsed = cidr(`${ipFromBytes(bytes)}/${Math.min(length, bytes.length * 8)}`)
      assert.equal(parseCidr(parsed), parsed)
      assert.ok(cidrContains(parsed, ipFromBytes(bytes)))
    }),
  )
})
