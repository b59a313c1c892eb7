import { familyOf, ipBytes, ipFromBytes, parseIp } from './ip.ts'
import type { Family, IpAddress } from './ip.ts'

/** An address range in network form and canonical text: `203.0.113.0/25`, `fd00:10:96::/112`. */
export type Cidr = string & { readonly brand: 'Cidr' }

export interface CidrParts {
  /** The first address of the range. */
  readonly address: IpAddress
  /** The same in network byte order, 4 or 16 bytes. */
  readonly bytes: Uint8Array
  readonly prefixLength: number
}

/**
 * Reads a range as the Kubernetes API does for stored objects: white space around it, leading zeros and host bits are
 * accepted and removed. Undefined for anything else.
 */
export function parseCidr(text: string): Cidr | undefined {
  const trimmed = text.trim()
  const slash = trimmed.indexOf('/')
  if (slash < 0) return undefined
  const isIpv6 = trimmed.includes(':')
  const ip = parseIp(trimmed.slice(0, slash))
  const length = trimmed.slice(slash + 1)
  if (ip === undefined || !/^\d+$/.test(length) || Number(length) > (isIpv6 ? 128 : 32)) return undefined
  return isIpv6 && familyOf(ip) === 'IPv4' ? mappedNetwork(ip, Number(length)) : network(ipBytes(ip), Number(length))
}

export function cidrParts(cidr: Cidr): CidrParts {
  const slash = cidr.indexOf('/')
  const address = cidr.slice(0, slash) as IpAddress
  return { address, bytes: ipBytes(address), prefixLength: Number(cidr.slice(slash + 1)) }
}

export function cidrFamily(cidr: Cidr): Family {
  return cidr.includes(':') ? 'IPv6' : 'IPv4'
}

/** Whether the address lies in the range; never for an address of the other family. */
export function cidrContains(cidr: Cidr, ip: IpAddress): boolean {
  const { bytes, prefixLength } = cidrParts(cidr)
  return hasPrefix(ipBytes(ip), bytes, prefixLength)
}

/** Whether all of `inner` lies in `outer`. */
export function cidrContainsCidr(outer: Cidr, inner: Cidr): boolean {
  const { bytes, prefixLength } = cidrParts(outer)
  const innerParts = cidrParts(inner)
  return innerParts.prefixLength >= prefixLength && hasPrefix(innerParts.bytes, bytes, prefixLength)
}

function hasPrefix(bytes: Uint8Array, prefix: Uint8Array, prefixLength: number): boolean {
  if (bytes.length !== prefix.length) return false
  return bytes.every((byte, index) => ((byte ^ (prefix[index] ?? 0)) & maskByte(prefixLength, index)) === 0)
}

function network(bytes: Uint8Array, prefixLength: number): Cidr {
  const masked = bytes.map((byte, index) => byte & maskByte(prefixLength, index))
  return `${ipFromBytes(masked)}/${prefixLength}` as Cidr
}

/** `::ffff:192.0.2.0/120` is the IPv4 range 192.0.2.0/24; a prefix shorter than the mapping's 96 bits is plain IPv6. */
function mappedNetwork(ip: IpAddress, prefixLength: number): Cidr {
  if (prefixLength >= 96) return network(ipBytes(ip), prefixLength - 96)
  const mapping = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...ipBytes(ip))
  return network(mapping, prefixLength)
}

/** The byte of a netmask of this length at this place. */
function maskByte(prefixLength: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefixLength - 8 * index))
  return (0xff << (8 - bits)) & 0xff
}
