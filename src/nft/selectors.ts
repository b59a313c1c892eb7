/*
 * Selectors: the packet fields of nft(8) that rules load and that set keys are declared by (`typeof ip daddr . tcp dport`).
 * One declaration gives the text, the data type, the expression that loads it, and the typeof bytes in a set's userdata.
 */
import {
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFT_CT_DST_IP,
  NFT_CT_DST_IP6,
  NFT_CT_PROTO_DST,
  NFT_CT_PROTO_SRC,
  NFT_CT_SRC_IP,
  NFT_CT_SRC_IP6,
  NFT_META_IIFNAME,
  NFT_META_L4PROTO,
  NFT_META_MARK,
  NFT_META_NFPROTO,
  NFT_META_OIFNAME,
  NFT_NG_RANDOM,
  NFT_PAYLOAD_NETWORK_HEADER,
  NFT_PAYLOAD_TRANSPORT_HEADER,
} from './constants.ts'
import { type DataType, dataTypes, type DataTypeName, IPPROTO } from './datatypes.ts'
import type { Expr } from './expressions.ts'
import type { InetFamily } from './inet.ts'

/** A packet field. `ordinal` numbers are those that nft writes into userdata: part of its format, not of the kernel's. */
export type Selector = {
  /** As nft(8) prints it. */
  readonly text: string
  readonly type: DataType
  /** The expression that loads the field into a register. */
  readonly load: (dreg: number) => Expr
  /** enum expr_types of nftables, and the numbers that follow it in NFTNL_UDATA_SET_KEY_TYPEOF. */
  readonly typeof: {
    readonly expression: number
    readonly operands: readonly number[]
    /** The field's byte order, where it is not that of its type. */
    readonly byteOrder?: 'network' | 'host'
  }
  /** The transport protocol that the rule must have matched before; nft prints that match only where it is not implied. */
  readonly protocol?: number
  /** The family (NFPROTO_) that the rule of an inet table must have matched before; nft does not print that match. */
  readonly family?: number
}

/** enum expr_types of nftables */
export const EXPR_VERDICT = 1
const EXPR_PAYLOAD = 7
const EXPR_META = 9
const EXPR_CT = 12
export const EXPR_CONCAT = 13
const EXPR_NUMGEN = 23

/** nftables' numbers of protocol descriptions (enum proto_desc_id). */
const protocolDescription = { udp: 6, tcp: 8, sctp: 10, th: 11, ip: 12, ip6: 13 } as const

type Protocol = keyof typeof IPPROTO

const ipSaddr = networkField('ip', 'ip saddr', 'ipv4_addr', 12, 11)
const ipDaddr = networkField('ip', 'ip daddr', 'ipv4_addr', 16, 12)
const ip6Saddr = networkField('ip6', 'ip6 saddr', 'ipv6_addr', 8, 8)
const ip6Daddr = networkField('ip6', 'ip6 daddr', 'ipv6_addr', 24, 9)

/** The byte order that the field is loaded in, as nft sees it. */
export function selectorByteOrder({ type, typeof: { byteOrder } }: Selector): DataType['byteOrder'] {
  return byteOrder ?? type.byteOrder
}

/** The source address of a packet of that family. */
export const saddr = (family: InetFamily): Selector => (family === 'ip' ? ipSaddr : ip6Saddr)
/** The destination address of a packet of that family. */
export const daddr = (family: InetFamily): Selector => (family === 'ip' ? ipDaddr : ip6Daddr)

/** The destination port of any transport protocol. */
export const thDport = port('th', 'dport')
/** The ports of one transport protocol. */
export const dport = (protocol: Protocol): Selector => ports[protocol].dport
export const sport = (protocol: Protocol): Selector => ports[protocol].sport

const ports = {
  tcp: { sport: port('tcp', 'sport'), dport: port('tcp', 'dport') },
  udp: { sport: port('udp', 'sport'), dport: port('udp', 'dport') },
  sctp: { sport: port('sctp', 'sport'), dport: port('sctp', 'dport') },
} as const

export const nfproto = meta('meta nfproto', 'nf_proto', NFT_META_NFPROTO)
export const l4proto = meta('meta l4proto', 'inet_proto', NFT_META_L4PROTO)
export const metaMark = meta('meta mark', 'mark', NFT_META_MARK)
export const iifname = meta('iifname', 'ifname', NFT_META_IIFNAME)
export const oifname = meta('oifname', 'ifname', NFT_META_OIFNAME)

/** Where the client sent its first packet, also after destination NAT. */
export const ctOriginalDaddr = (family: InetFamily): Selector =>
  family === 'ip'
    ? ctOriginal('ct original ip daddr', 'ipv4_addr', NFT_CT_DST_IP)
    : ctOriginal('ct original ip6 daddr', 'ipv6_addr', NFT_CT_DST_IP6)
export const ctOriginalProtoDst: Selector = ctOriginal('ct original proto-dst', 'inet_service', NFT_CT_PROTO_DST)

/** Who answers: after destination NAT the endpoint. */
export const ctReplySaddr = (family: InetFamily): Selector =>
  family === 'ip'
    ? ctField('ct reply ip saddr', 'ipv4_addr', NFT_CT_SRC_IP, 1)
    : ctField('ct reply ip6 saddr', 'ipv6_addr', NFT_CT_SRC_IP6, 1)
export const ctReplyProtoSrc: Selector = ctField('ct reply proto-src', 'inet_service', NFT_CT_PROTO_SRC, 1)

/** A random number from 0 to `modulus` - 1. */
export function numgenRandom(modulus: number): Selector {
  return {
    text: `numgen random mod ${modulus}`,
    type: dataTypes.integer,
    load: (dreg) => ({ kind: 'numgen', dreg, modulus, type: NFT_NG_RANDOM, offset: 0 }),
    typeof: { expression: EXPR_NUMGEN, operands: [NFT_NG_RANDOM, modulus, 0] },
  }
}

/** Every selector that may appear in a dumped rule or set, for turning expressions back into text. */
export const knownSelectors: readonly Selector[] = [
  ...(['ip', 'ip6'] as const).flatMap((family) => [
    saddr(family),
    daddr(family),
    ctOriginalDaddr(family),
    ctReplySaddr(family),
  ]),
  ...Object.values(ports).flatMap(({ sport, dport }) => [sport, dport]),
  port('th', 'sport'),
  thDport,
  networkField('ip', 'ip protocol', 'inet_proto', 9, 9),
  nfproto,
  l4proto,
  metaMark,
  iifname,
  oifname,
  ctOriginalProtoDst,
  ctReplyProtoSrc,
]

function networkField(family: InetFamily, text: string, type: DataTypeName, offset: number, field: number): Selector {
  return {
    ...payload(text, type, NFT_PAYLOAD_NETWORK_HEADER, offset, protocolDescription[family], field),
    family: family === 'ip' ? NFPROTO_IPV4 : NFPROTO_IPV6,
  }
}

function payload(
  text: string,
  type: DataTypeName,
  base: number,
  offset: number,
  description: number,
  field: number,
): Selector {
  const dataType = dataTypes[type]
  return {
    text,
    type: dataType,
    load: (dreg) => ({ kind: 'payload', dreg, base, offset, len: dataType.bytes }),
    typeof: { expression: EXPR_PAYLOAD, operands: [description, field], byteOrder: 'network' },
  }
}

function port(protocol: Protocol | 'th', which: 'sport' | 'dport'): Selector {
  const offset = which === 'sport' ? 0 : 2
  const field = which === 'sport' ? 1 : 2
  return {
    ...payload(
      `${protocol} ${which}`,
      'inet_service',
      NFT_PAYLOAD_TRANSPORT_HEADER,
      offset,
      protocolDescription[protocol],
      field,
    ),
    ...(protocol === 'th' ? {} : { protocol: IPPROTO[protocol] }),
  }
}

function meta(text: string, type: DataTypeName, key: number): Selector {
  return {
    text,
    type: dataTypes[type],
    load: (dreg) => ({ kind: 'meta', dreg, key }),
    typeof: { expression: EXPR_META, operands: [key], byteOrder: 'host' },
  }
}

function ctOriginal(text: string, type: DataTypeName, key: number): Selector {
  return ctField(text, type, key, 0)
}

/** Direction 0 is the client's, 1 that of the answers (IP_CT_DIR_ORIGINAL, IP_CT_DIR_REPLY). */
function ctField(text: string, type: DataTypeName, key: number, direction: number): Selector {
  return {
    text,
    type: dataTypes[type],
    load: (dreg) => ({ kind: 'ct', dreg, key, direction }),
    typeof: { expression: EXPR_CT, operands: [key, direction] },
  }
}
