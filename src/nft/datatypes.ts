/** The data types of nft(8) that keys, values and comparisons have here. */
import { NFPROTO_IPV4, NFPROTO_IPV6 } from './constants.ts'
import { familyBytes, inetText } from './inet.ts'

export type DataTypeName =
  | 'nf_proto'
  | 'ipv4_addr'
  | 'ipv6_addr'
  | 'inet_proto'
  | 'inet_service'
  | 'integer'
  | 'mark'
  | 'ifname'
  | 'ct_label'
  | 'fib_addrtype'

export type DataType = {
  readonly name: DataTypeName
  /** nft's number of the type, as NFTA_SET_KEY_TYPE carries it (enum datatypes of nftables, part of its wire format). */
  readonly id: number
  readonly bytes: number
  /** As nft notes it in userdata; it gives none to a protocol number. */
  readonly byteOrder: 'network' | 'host' | 'none'
  /** The value as nft(8) prints it. */
  readonly format: (value: Uint8Array) => string
}

export const dataTypes = {
  nf_proto: { name: 'nf_proto', id: 2, bytes: 1, byteOrder: 'none', format: (v) => familyName(v[0] ?? 0) },
  ipv4_addr: { name: 'ipv4_addr', id: 7, bytes: 4, byteOrder: 'network', format: inetText },
  ipv6_addr: { name: 'ipv6_addr', id: 8, bytes: 16, byteOrder: 'network', format: inetText },
  inet_proto: { name: 'inet_proto', id: 12, bytes: 1, byteOrder: 'none', format: (v) => protocolName(v[0] ?? 0) },
  inet_service: {
    name: 'inet_service',
    id: 13,
    bytes: 2,
    byteOrder: 'network',
    format: (v) => String(networkInteger(v)),
  },
  integer: { name: 'integer', id: 4, bytes: 4, byteOrder: 'host', format: (v) => String(hostInteger(v)) },
  mark: { name: 'mark', id: 19, bytes: 4, byteOrder: 'host', format: (v) => hex32(hostInteger(v)) },
  ifname: { name: 'ifname', id: 41, bytes: 16, byteOrder: 'host', format: (v) => `"${text(v)}"` },
  ct_label: { name: 'ct_label', id: 30, bytes: 16, byteOrder: 'host', format: (v) => labelBits(v).join(',') },
  fib_addrtype: {
    name: 'fib_addrtype',
    id: 38,
    bytes: 4,
    byteOrder: 'host',
    format: (v) => addressTypeName(hostInteger(v)),
  },
} as const satisfies Record<DataTypeName, DataType>

/** The address type of a family. */
export function addressType(family: 'ip' | 'ip6'): DataType {
  return familyBytes(family) === 4 ? dataTypes.ipv4_addr : dataTypes.ipv6_addr
}

/** Bytes that one part of a concatenation takes: its own, padded to a multiple of four. */
export function paddedBytes(type: DataType): number {
  return (type.bytes + 3) & ~3
}

/** nft's type number of a concatenation: six bits for each part, the first part highest. */
export function concatenatedTypeId(types: readonly DataType[]): number {
  return types.reduce((id, type) => id * 64 + type.id, 0)
}

/** The byte length of a key or value made of these parts. A single one is not padded. */
export function concatenatedBytes(types: readonly DataType[]): number {
  const [only] = types
  if (types.length === 1 && only !== undefined) return only.bytes
  return types.reduce((sum, type) => sum + paddedBytes(type), 0)
}

/** The parts of a concatenated value as nft(8) prints them: `10.96.0.1 . tcp . 80`. */
export function formatConcatenation(types: readonly DataType[], value: Uint8Array): string {
  let at = 0
  return types
    .map((type) => {
      const part = value.subarray(at, at + type.bytes)
      at += paddedBytes(type)
      return type.format(part)
    })
    .join(' . ')
}

/** Sorts keys part by part, numbers by their value and not by their bytes in memory. */
export function compareConcatenations(types: readonly DataType[], a: Uint8Array, b: Uint8Array): number {
  let at = 0
  for (const type of types) {
    const order =
      type.byteOrder === 'host' && type.bytes === 4
        ? hostInteger(a.subarray(at, at + 4)) - hostInteger(b.subarray(at, at + 4))
        : Buffer.compare(a.subarray(at, at + type.bytes), b.subarray(at, at + type.bytes))
    if (order !== 0) return order
    at += paddedBytes(type)
  }
  return 0
}

/** The name of an NFPROTO_ number as nft(8) prints it. */
function familyName(number: number): string {
  if (number === NFPROTO_IPV4) return 'ipv4'
  return number === NFPROTO_IPV6 ? 'ipv6' : String(number)
}

export const IPPROTO = { tcp: 6, udp: 17, sctp: 132 } as const

/** The name of an IP protocol number as nft(8) prints it. */
export function protocolName(number: number): string {
  return protocolNames.get(number) ?? String(number)
}

const protocolNames = new Map<number, string>(
  Object.entries({ ...IPPROTO, icmp: 1, ipv6_icmp: 58 }).map(([n, v]) => [v, n]),
)
protocolNames.set(58, 'ipv6-icmp')

/** The number in four bytes of host (little-endian) order. */
export function hostInteger(value: Uint8Array): number {
  return ((value[0] ?? 0) | ((value[1] ?? 0) << 8) | ((value[2] ?? 0) << 16) | ((value[3] ?? 0) << 24)) >>> 0
}

/** Four bytes of host (little-endian) order. */
export function hostBytes(value: number): Uint8Array {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24)
}

export function hex32(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}

function networkInteger(value: Uint8Array): number {
  return value.reduce((sum, byte) => sum * 256 + byte, 0)
}

function text(value: Uint8Array): string {
  const zero = value.indexOf(0)
  return Buffer.from(zero === -1 ? value : value.subarray(0, zero)).toString('utf8')
}

function labelBits(value: Uint8Array): number[] {
  return Array.from({ length: value.length * 8 }, (_, bit) => bit).filter(
    (bit) => ((value[bit >> 3] ?? 0) >> (bit & 7)) & 1,
  )
}

/** RTN_*, include/uapi/linux/rtnetlink.h */
const addressTypes = [
  'unspec',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
]
export const RTN_LOCAL = 2

function addressTypeName(value: number): string {
  return addressTypes[value] ?? String(value)
}
