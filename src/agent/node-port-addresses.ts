import type { DataplaneConfig } from '../config/dataplane-flags.ts'
import { type Cidr, cidrContains, cidrFamily, cidrParts, parseCidr } from '../model/cidr.ts'
import { type Family, familyOf, type IpAddress } from '../model/ip.ts'
import type { NodeFacts } from './dataplane-options.ts'

/**
 * The ranges whose addresses take node ports, or `all`: when a range of the family has length 0, and when there is no
 * range of the family. `primary` stands for the Node's main addresses; loopback ones do not count.
 */
export function nodePortRanges(family: Family, config: DataplaneConfig, node: NodeFacts): 'all' | readonly Cidr[] {
  const configured = config.nodePortAddresses === 'primary' ? primaryRanges(node) : config.nodePortAddresses
  const ranges = configured.filter((range) => cidrFamily(range) === family)
  return ranges.length === 0 || ranges.some((range) => cidrParts(range).prefixLength === 0) ? 'all' : ranges
}

/** Of this machine's addresses those that take node ports; loopback addresses never do. */
export function selectNodePortIps(
  ranges: 'all' | readonly Cidr[],
  addresses: readonly IpAddress[],
): readonly IpAddress[] {
  if (ranges === 'all') return []
  const isSelected = (ip: IpAddress): boolean => !isLoopback(ip) && ranges.some((range) => contains(range, ip))
  return [...new Set(addresses.filter(isSelected))].sort()
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback(ip: IpAddress): boolean {
  return ip === '::1' || (familyOf(ip) === 'IPv4' && ip.startsWith('127.'))
}

function primaryRanges({ ips }: NodeFacts): readonly Cidr[] {
  return Object.values(ips).flatMap((ip) =>
    isLoopback(ip) ? [] : (parseCidr(`${ip}/${familyOf(ip) === 'IPv4' ? 32 : 128}`) ?? []),
  )
}

function contains(range: Cidr, ip: IpAddress): boolean {
  return cidrFamily(range) === familyOf(ip) && cidrContains(range, ip)
}
