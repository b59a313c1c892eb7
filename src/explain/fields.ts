/** Expressions that load what is known of a packet, and that change it: payload, meta, fib. */
import { ipFromBytes } from '../model/ip.ts'
import {
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFT_FIB_RESULT_ADDRTYPE,
  NFT_META_IIFNAME,
  NFT_META_L4PROTO,
  NFT_META_MARK,
  NFT_META_NFPROTO,
  NFT_META_OIFNAME,
  NFT_PAYLOAD_NETWORK_HEADER,
  NFT_PAYLOAD_TRANSPORT_HEADER,
  NFTA_FIB_F_DADDR,
  NFTA_FIB_F_SADDR,
} from '../nft/constants.ts'
import { dataTypes, hostBytes, hostInteger } from '../nft/datatypes.ts'
import type { ExprOf } from '../nft/expressions.ts'
import { addressType } from './node.ts'
import { destinationOf, protocolNumber, sourceOf, transportOffset } from './packet.ts'
import { readRegister } from './registers.ts'
import {
  type Evaluation,
  load,
  mismatch,
  next,
  nextWith,
  noSuchRegister,
  notUnderstood,
  type Place,
  type RuleState,
} from './state.ts'

/** Reads past the end of the packet do not match. Writes leave the checksums alone. */
export function evaluatePayload(expr: ExprOf<'payload'>, state: RuleState): Evaluation {
  const { headers } = state.packet
  const base = payloadBase(expr.base, transportOffset(headers))
  if (base === undefined) return notUnderstood(state, `header ${expr.base} of the packet is not imagined`)
  const start = base + expr.offset
  if (start + expr.len > headers.bytes.length) return mismatch(state)
  if (expr.dreg !== undefined) return load(state, expr.dreg, headers.bytes.subarray(start, start + expr.len))
  if (expr.sreg === undefined) return notUnderstood(state, 'a payload expression without a register')
  const value = readRegister(state.registers, expr.sreg, expr.len)
  if (value === undefined) return noSuchRegister(state, expr.sreg)
  const bytes = Uint8Array.from(headers.bytes)
  bytes.set(value, start)
  return nextWith(state, { headers: { ...headers, bytes } }, { kind: 'payload' })
}

function payloadBase(base: number, transport: number): number | undefined {
  if (base === NFT_PAYLOAD_NETWORK_HEADER) return 0
  return base === NFT_PAYLOAD_TRANSPORT_HEADER ? transport : undefined
}

/** enum nft_meta_keys: what nft(8) puts before the fields of one family in an inet table, and what decides nothing. */
const NFT_META_PROTOCOL = 1
const NFT_META_PRIORITY = 2
const NFT_META_NFTRACE = 12

export function evaluateMeta(expr: ExprOf<'meta'>, state: RuleState, place: Place): Evaluation {
  if (expr.dreg === undefined) return setMeta(expr, state)
  const value = metaValue(expr.key, state, place)
  return value === undefined
    ? notUnderstood(state, `meta key ${expr.key} is not known here`)
    : load(state, expr.dreg, value)
}

function metaValue(key: number, { packet }: RuleState, { iifname, oifname }: Place): Uint8Array | undefined {
  const isIpv4 = packet.headers.family === 'ip'
  switch (key) {
    case NFT_META_L4PROTO:
      return Uint8Array.of(protocolNumber(packet.headers))
    case NFT_META_MARK:
      return hostBytes(packet.mark)
    case NFT_META_IIFNAME:
      return interfaceName(iifname)
    case NFT_META_OIFNAME:
      return interfaceName(oifname)
    case NFT_META_NFPROTO:
      return Uint8Array.of(isIpv4 ? NFPROTO_IPV4 : NFPROTO_IPV6)
    case NFT_META_PROTOCOL:
      return isIpv4 ? Uint8Array.of(0x08, 0x00) : Uint8Array.of(0x86, 0xdd)
    default:
      return undefined
  }
}

/** Filled up with zeros; all zeros where there is no interface (nft_meta_store_ifname()). */
function interfaceName(name: string): Uint8Array {
  const { bytes } = dataTypes.ifname
  const value = new Uint8Array(bytes)
  value.set(Buffer.from(name).subarray(0, bytes - 1))
  return value
}

function setMeta({ key, sreg }: ExprOf<'meta'>, state: RuleState): Evaluation {
  if (key === NFT_META_PRIORITY || key === NFT_META_NFTRACE) return next(state)
  if (key !== NFT_META_MARK || sreg === undefined) return notUnderstood(state, `meta key ${key} is not known here`)
  const value = readRegister(state.registers, sreg, 4)
  if (value === undefined) return noSuchRegister(state, sreg)
  const mark = hostInteger(value)
  return nextWith(state, { mark }, { kind: 'mark', mark })
}

/** `fib saddr type` and `fib daddr type`. */
export function evaluateFib({ dreg, result, flags }: ExprOf<'fib'>, state: RuleState, { node }: Place): Evaluation {
  const end = flags === NFTA_FIB_F_SADDR ? sourceOf : flags === NFTA_FIB_F_DADDR ? destinationOf : undefined
  if (end === undefined || result !== NFT_FIB_RESULT_ADDRTYPE) {
    return notUnderstood(state, 'only the type of one address is looked up in routing tables here')
  }
  const { address } = end(state.packet.headers)
  return load(state, dreg, hostBytes(addressType(node, ipFromBytes(address))))
}
