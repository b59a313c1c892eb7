import assert from 'node:assert/strict'
import { SocketAddress } from 'node:net'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { addressAfter, familyBytes, inetText, maskPrefixLength, prefixMask, prefixText } from '../../src/nft/inet.ts'

const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 })
/** Many zeros, so that runs of zero groups are common. */
const ipv6 = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0xffff), fc.nat({ max: 0xffff })), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])))
const prefix = fc
  .oneof(ipv4, ipv6)
  .chain((address) => fc.record({ address: fc.constant(address), length: fc.nat({ max: address.length * 8 }) }))

describe('the text of an address', () => {
  const rows: readonly [hex: string, text: string][] = [
    ['0a600001', '10.96.0.1'],
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000000000001', '::1'],
    ['fd000010009600000000000000000041', 'fd00:10:96::41'],
    ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
    ['fd000000000000000000000000000000', 'fd00::'],
    ['00000000000000000000ffff0a600001', '::ffff:10.96.0.1'],
    ['0000000000000000000000000a600001', '::10.96.0.1'],
  ]
  for (const [hex, text] of rows) {
    test(`${hex} is ${text}`, () => assert.equal(inetText(Buffer.from(hex, 'hex')), text))
  }

  test('of any IPv6 address is what inet_ntop makes of it', () => {
    fc.assert(
      fc.property(ipv6, (address) => {
        const full = Buffer.from(address)
          .toString('hex')
          .replaceAll(/.{4}(?!$)/g, '$&:')
        assert.equal(inetText(address), new SocketAddress({ address: full, family: 'ipv6' }).address)
      }),
    )
  })
})

describe('a prefix', () => {
  test('has a mask that gives its length back', () => {
    fc.assert(
      fc.property(prefix, ({ address, length }) => {
        assert.equal(maskPrefixLength(prefixMask(length, address.length)), length)
      }),
    )
  })

  test('has a mask whose one bits come first', () => {
    assert.deepEqual(prefixMask(9, 4), Uint8Array.of(0xff, 0x80, 0, 0))
    assert.equal(maskPrefixLength(Uint8Array.of(0xff, 0x81, 0, 0)), undefined)
  })

  test('ends just before the address after it', () => {
    fc.assert(
      fc.property(prefix, ({ address, length }) => {
        const mask = prefixMask(length, address.length)
        const first = address.map((byte, index) => byte & (mask[index] ?? 0))
        const bits = address.length * 8
        const next = number(first) + (1n << BigInt(bits - length))
        const expected = next >> BigInt(bits) === 0n ? next : undefined
        const after = addressAfter(first, length)
        assert.equal(after === undefined ? undefined : number(after), expected)
      }),
    )
  })

  test('is written without its length where it is one address', () => {
    assert.equal(prefixText(Uint8Array.of(10, 0, 0, 0), 8), '10.0.0.0/8')
    assert.equal(prefixText(Uint8Array.of(10, 0, 0, 1), 32), '10.0.0.1')
  })
})

test('an address of a family has as many bytes as familyBytes says', () => {
  assert.deepEqual([familyBytes('ip'), familyBytes('ip6')], [4, 16])
})

function number(address: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(address).toString('hex')}`)
}
