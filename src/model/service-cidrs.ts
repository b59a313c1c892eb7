import { describeObject } from '../kube/types.ts'
import type { ServiceCIDR, Warning } from '../kube/types.ts'
import { cidrContainsCidr, cidrFamily, cidrParts, parseCidr } from './cidr.ts'
import type { Cidr } from './cidr.ts'
import type { Family } from './ip.ts'

/** The valid ranges of a ServiceCIDR of one family. A malformed range is reported for the family it looks like. */
export function serviceCidrRanges(
  object: ServiceCIDR,
  family: Family,
): { readonly ranges: readonly Cidr[]; readonly warnings: readonly Warning[] } {
  const ranges: Cidr[] = []
  const warnings: Warning[] = []
  for (const [index, text] of (object.spec.cidrs ?? []).entries()) {
    const cidr = parseCidr(text)
    const cidrIs = cidr === undefined ? textualFamily(text) : cidrFamily(cidr)
    if (cidrIs !== family) continue
    if (cidr !== undefined) ranges.push(cidr)
    else {
      const message = `"${text}" is not an IP address range`
      warnings.push({ object: describeObject('ServiceCIDR', object.metadata), field: `spec.cidrs[${index}]`, message })
    }
  }
  return { ranges, warnings }
}

/** Ranges of one family in the order of their addresses, without those that lie in another one. */
export function mergeCidrs(cidrs: readonly Cidr[]): readonly Cidr[] {
  const merged: Cidr[] = []
  for (const cidr of [...cidrs].sort(byAddress)) {
    // In this order a range that contains the next ones comes right before them.
    const last = merged.at(-1)
    if (last === undefined || !cidrContainsCidr(last, cidr)) merged.push(cidr)
  }
  return merged
}

function byAddress(a: Cidr, b: Cidr): number {
  const { bytes: aBytes, prefixLength: aLength } = cidrParts(a)
  const { bytes: bBytes, prefixLength: bLength } = cidrParts(b)
  for (const [index, byte] of aBytes.entries()) {
    const difference = byte - (bBytes[index] ?? 0)
    if (difference !== 0) return difference
  }
  return aLength - bLength
}

function textualFamily(text: string): Family {
  return text.includes(':') ? 'IPv6' : 'IPv4'
}
