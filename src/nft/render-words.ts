/** Expressions and flags whose nft(8) words depend on nothing but themselves. */
import {
  ICMP_PORT_UNREACH,
  ICMPV6_PORT_UNREACH,
  NF_NAT_RANGE_PERSISTENT,
  NF_NAT_RANGE_PROTO_RANDOM,
  NF_NAT_RANGE_PROTO_RANDOM_FULLY,
  NFT_CT_BYTES,
  NFT_CT_DIRECTION,
  NFT_CT_LABELS,
  NFT_CT_MARK,
  NFT_CT_PKTS,
  NFT_CT_STATE,
  NFT_CT_STATUS,
  NFT_FIB_RESULT_ADDRTYPE,
  NFT_META_MARK,
  NFT_NG_RANDOM,
  NFT_REJECT_ICMP_UNREACH,
  NFT_REJECT_TCP_RST,
} from './constants.ts'
import { type DataType, dataTypes, hostInteger } from './datatypes.ts'
import type { ExprOf } from './expressions.ts'
import { numgenRandom } from './selectors.ts'
import { ctStates, ctStatuses } from './statements.ts'

/** A packet field in words, and how its values are written. */
export type Field = { readonly text: string; readonly type: DataType }

/** A field that a rule may set as well as match. */
export function metaField({ key }: ExprOf<'meta'>): Field {
  return { text: key === NFT_META_MARK ? 'meta mark' : `meta <${key}>`, type: dataTypes.mark }
}

/** `ct state`, `ct original packets` */
export function ctField({ key, direction }: ExprOf<'ct'>): Field {
  const { text, type } = ctFields.get(key) ?? { text: `<${key}>`, type: dataTypes.integer }
  return { text: ['ct', ...(direction === undefined ? [] : [directions[direction] ?? '']), text].join(' '), type }
}

const directions = ['original', 'reply']

const ctFields = new Map<number, Field>([
  [NFT_CT_STATE, { text: 'state', type: bitsOf(ctStates) }],
  [NFT_CT_STATUS, { text: 'status', type: bitsOf(ctStatuses) }],
  [NFT_CT_MARK, { text: 'mark', type: dataTypes.mark }],
  [NFT_CT_LABELS, { text: 'label', type: dataTypes.ct_label }],
  [NFT_CT_DIRECTION, { text: 'direction', type: integer((value) => directions[value[0] ?? 0] ?? String(value[0])) }],
  [NFT_CT_PKTS, { text: 'packets', type: integer(littleEndian) }],
  [NFT_CT_BYTES, { text: 'bytes', type: integer(littleEndian) }],
])

/** Whether values of the field are sets of named bits, so that `ct state new` asks for a bit and not for a value. */
export function hasNamedBits(text: string): boolean {
  return text === 'ct state' || text === 'ct status' || text === 'ct label'
}

/** `@nh,96,32`: a field without a name here, as base, bit offset and bit length. */
export function rawField(expr: ExprOf<'payload'> | ExprOf<'meta'>): Field {
  if (expr.kind === 'meta') return { text: `meta <${expr.key}>`, type: dataTypes.integer }
  const base = ['ll', 'nh', 'th', 'ih'][expr.base] ?? expr.base
  return {
    text: `@${base},${expr.offset * 8},${expr.len * 8}`,
    type: { ...integer((value) => `0x${Buffer.from(value).toString('hex')}`), bytes: expr.len, byteOrder: 'network' },
  }
}

export function numgenText({ modulus, type, offset }: ExprOf<'numgen'>): string {
  const base = type === NFT_NG_RANDOM ? numgenRandom(modulus).text : `numgen inc mod ${modulus}`
  return offset === undefined || offset === 0 ? base : `${base} offset ${offset}`
}

/** `fib daddr type`, `fib saddr . iif oif` */
export function fibText({ flags, result }: ExprOf<'fib'>): string {
  const keys = fibKeys.filter((_, bit) => ((flags >> bit) & 1) === 1)
  return `fib ${keys.join(' . ')} ${result === NFT_FIB_RESULT_ADDRTYPE ? 'type' : result === 1 ? 'oif' : 'oifname'}`
}

/** The bits of NFTA_FIB_FLAGS, NFTA_FIB_F_SADDR first. */
const fibKeys = ['saddr', 'daddr', 'mark', 'iif', 'oif']

export function natFlags(flags = 0): string[] {
  const names = [
    ...((flags & NF_NAT_RANGE_PROTO_RANDOM) === 0 ? [] : ['random']),
    ...((flags & NF_NAT_RANGE_PROTO_RANDOM_FULLY) === 0 ? [] : ['fully-random']),
    ...((flags & NF_NAT_RANGE_PERSISTENT) === 0 ? [] : ['persistent']),
  ]
  return names.length === 0 ? [] : [names.join(',')]
}

/** Port unreachable is what `reject` alone means. */
export function rejectText({ type, icmpCode }: ExprOf<'reject'>): string {
  if (type === NFT_REJECT_TCP_RST) return 'reject with tcp reset'
  const isPortUnreachable = icmpCode === ICMP_PORT_UNREACH || icmpCode === ICMPV6_PORT_UNREACH
  if (type === NFT_REJECT_ICMP_UNREACH && isPortUnreachable) return 'reject'
  return `reject with icmp ${icmpCode ?? 0}`
}

function integer(format: (value: Uint8Array) => string): DataType {
  return { ...dataTypes.integer, format }
}

function bitsOf(names: Readonly<Record<string, number>>): DataType {
  return integer((value) => {
    const bits = hostInteger(value)
    const set = Object.entries(names).filter(([, bit]) => (bits & bit) !== 0)
    return set.map(([name]) => name).join(',')
  })
}

function littleEndian(value: Uint8Array): string {
  return String(value.reduceRight((sum, byte) => sum * 256 + byte, 0))
}
