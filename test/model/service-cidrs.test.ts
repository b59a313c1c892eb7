import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatWarning } from '../../src/kube/types.ts'
import type { ServiceCIDR } from '../../src/kube/types.ts'
import { cidrContains, parseCidr } from '../../src/model/cidr.ts'
import type { Cidr } from '../../src/model/cidr.ts'
import { ipFromBytes } from '../../src/model/ip.ts'
import { mergeCidrs, serviceCidrRanges } from '../../src/model/service-cidrs.ts'

function object(...cidrs: string[]): ServiceCIDR {
  return { kind: 'ServiceCIDR', metadata: { namespace: '', name: 'kubernetes' }, spec: { cidrs } }
}

const oneEach = object('172.30.0.0/16', 'fd00:10:96::/112')
const twoEach = object('172.50.0.0/16', 'fd00:172:30::/112', '172.30.0.0/16', 'fd00:10:96::/112')

const lists = [
  ['IPv4', oneEach, '172.30.0.0/16'],
  ['IPv4', twoEach, '172.30.0.0/16,172.50.0.0/16'],
  ['IPv6', oneEach, 'fd00:10:96::/112'],
  ['IPv6', twoEach, 'fd00:10:96::/112,fd00:172:30::/112'],
  ['IPv4', object(), ''],
  ['IPv4', object('10.0.0.0/16', '10.0.9.0/24', '10.0.0.0/16', '10.0.0.0/8'), '10.0.0.0/8'],
  ['IPv4', object('10.1.0.0/16', '10.0.0.0/16', '9.0.0.0/8'), '9.0.0.0/8,10.0.0.0/16,10.1.0.0/16'],
] as const

for (const [family, given, expected] of lists) {
  test(`of ${given.spec.cidrs?.join(' ') || 'nothing'}, the ${family} ranges are ${expected || 'none'}`, () => {
    const { ranges, warnings } = serviceCidrRanges(given, family)
    assert.equal(mergeCidrs(ranges).join(), expected)
    assert.deepEqual(warnings, [])
  })
}

test('a malformed range is reported for the family that it looks like', () => {
  const given = object('172.30.0.0/16', '172.30.0.0/33', 'fd00::/200')
  const warnings = (family: 'IPv4' | 'IPv6'): string[] => serviceCidrRanges(given, family).warnings.map(formatWarning)
  assert.deepEqual(warnings('IPv4'), [
    'ServiceCIDR kubernetes: spec.cidrs[1]: "172.30.0.0/33" is not an IP address range',
  ])
  assert.deepEqual(warnings('IPv6'), ['ServiceCIDR kubernetes: spec.cidrs[2]: "fd00::/200" is not an IP address range'])
})

test('merged ranges hold the same addresses, and no two hold the same one', () => {
  const byte = fc.constantFrom(0, 1, 64, 128, 255)
  const address = fc.tuple(byte, byte, byte, byte).map((bytes) => ipFromBytes(Uint8Array.from(bytes)))
  const range = fc.tuple(address, fc.nat(32)).map(([address, length]) => parseCidr(`${address}/${length}`) as Cidr)
  fc.assert(
    fc.property(fc.array(range), fc.array(address), (ranges, addresses) => {
      const merged = mergeCidrs(ranges)
      for (const address of addresses) {
        const holders = merged.filter((cidr) => cidrContains(cidr, address))
        assert.equal(holders.length, ranges.some((cidr) => cidrContains(cidr, address)) ? 1 : 0)
      }
    }),
  )
})
