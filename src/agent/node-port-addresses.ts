import type { DataplaneConfig } from '../config/dataplane-flags.ts'
import { type Cidr, cidrContains, cidrFamily, cidrParts, parseCidr } from '../model/cidr.ts'
import { type Family, familyOf, type IpAddress, isLoopback } from '../model/ip.ts'
import type { NodeFacts } from './dataplane-options.ts'

/**
 * The ranges whose addresses take node ports, or `all`: when a range of the family has length 0, and when there is no
 * range of the family. `primary` stands for the Node's main addresses.
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

/** As `selectNodePortIps`, but names all of the family where all do. */
export function nodePortIps(
  family: Family,
  ranges: 'all' | readonly Cidr[],
  addresses: readonly IpAddress[],
): readonly IpAddress[] {
  if (ranges !== 'all') return selectNodePortIps(ranges, addresses)
  return addresses.filter((ip) => familyOf(ip) === family && !isLoopback(ip))
}

/**
 * Where load balancers may ask for a Service's health: where node ports are taken, and on loopback addresses in the
 * ranges. A link-local address cannot be listened on without a zone.
 */
export function healthCheckIps(
  family: Family,
  ranges: 'all' | readonly Cidr[],
  addresses: readonly IpAddress[],
): 'all' | readonly IpAddress[] {
  if (ranges === 'all') return 'all'
  const isSelected = (ip: IpAddress): boolean =>
    familyOf(ip) === family && !ip.startsWith('fe80:') && ranges.some((range) => contains(range, ip))
  return [...new Set(addresses.filter(isSelected))].sort()
}

function primaryRanges({ ips }: NodeFacts): readonly Cidr[] {
  return Object.values(ips).flatMap((ip) => parseCidr(`${ip}/${familyOf(ip) === 'IPv4' ? 32 : 128}`) ?? [])
}

function contains(range: Cidr, ip: IpAddress): boolean {
  return cidrFamily(range) === familyOf(ip) && cidrContains(range, ip)
}
