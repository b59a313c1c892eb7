/** The ct expression: conntrack's view of a packet (net/netfilter/nft_ct.c). */
import {
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFT_CT_BYTES,
  NFT_CT_DIRECTION,
  NFT_CT_DST_IP,
  NFT_CT_DST_IP6,
  NFT_CT_LABELS,
  NFT_CT_MARK,
  NFT_CT_PKTS,
  NFT_CT_PROTO_DST,
  NFT_CT_PROTO_SRC,
  NFT_CT_SRC_IP,
  NFT_CT_SRC_IP6,
  NFT_CT_STATE,
  NFT_CT_STATUS,
} from '../nft/constants.ts'
import { hostBytes, hostInteger } from '../nft/datatypes.ts'
import type { ExprOf } from '../nft/expressions.ts'
import { ctStates } from '../nft/statements.ts'
import type { Connection, Direction, Tracking } from './conntrack.ts'
import { type Headers, protocolNumber } from './packet.ts'
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

/** enum nft_ct_keys: the ones without a name in nft(8) text here. */
const NFT_CT_L3PROTOCOL = 7
const NFT_CT_SRC = 8
const NFT_CT_DST = 9
const NFT_CT_PROTOCOL = 10

const labelBytes = 16

export function evaluateCt(expr: ExprOf<'ct'>, state: RuleState, { seesConnection }: Place): Evaluation {
  const tracking = seesConnection ? state.packet.tracking : 'invalid'
  if (expr.dreg === undefined) return setCt(expr, state, tracking)
  if (expr.key === NFT_CT_STATE) return load(state, expr.dreg, hostBytes(stateBit(tracking)))
  // Without a connection all else does not match.
  if (typeof tracking === 'string') return mismatch(state)
  const value = connectionValue(expr, tracking, state.packet.headers)
  if (value === 'other family') return mismatch(state)
  return value === undefined
    ? notUnderstood(state, `ct key ${expr.key} is not known here`)
    : load(state, expr.dreg, value)
}

function stateBit(tracking: Tracking): number {
  return ctStates[typeof tracking === 'string' ? tracking : tracking.state]
}

const directions = ['original', 'reply'] as const satisfies readonly Direction[]

function connectionValue(
  { key, direction }: ExprOf<'ct'>,
  connection: Connection,
  headers: Headers,
): Uint8Array | 'other family' | undefined {
  switch (key) {
    case NFT_CT_DIRECTION:
      return Uint8Array.of(directions.indexOf(connection.direction))
    case NFT_CT_STATUS:
      return hostBytes(connection.status)
    case NFT_CT_MARK:
      return hostBytes(connection.mark)
    case NFT_CT_LABELS:
      return connection.labels
    case NFT_CT_PKTS:
      return counterBytes(connection.packets, direction)
    case NFT_CT_BYTES:
      return counterBytes(connection.bytes, direction)
    case NFT_CT_L3PROTOCOL:
      return Uint8Array.of(headers.family === 'ip' ? NFPROTO_IPV4 : NFPROTO_IPV6)
    case NFT_CT_PROTOCOL:
      return Uint8Array.of(protocolNumber(headers))
    default:
      return tupleValue(key, connection[directions[direction ?? 0] ?? 'original'], headers)
  }
}

function tupleValue(
  key: number,
  { source, destination }: Connection['original'],
  { family }: Headers,
): Uint8Array | 'other family' | undefined {
  switch (key) {
    case NFT_CT_SRC:
      return source.address
    case NFT_CT_DST:
      return destination.address
    case NFT_CT_PROTO_SRC:
      return portBytes(source.port)
    case NFT_CT_PROTO_DST:
      return portBytes(destination.port)
    case NFT_CT_SRC_IP:
      return family === 'ip' ? source.address : 'other family'
    case NFT_CT_DST_IP:
      return family === 'ip' ? destination.address : 'other family'
    case NFT_CT_SRC_IP6:
      return family === 'ip6' ? source.address : 'other family'
    case NFT_CT_DST_IP6:
      return family === 'ip6' ? destination.address : 'other family'
    default:
      return undefined
  }
}

function portBytes(port: number): Uint8Array {
  return Uint8Array.of(port >>> 8, port)
}

/** 64 bits in host order, of one direction or of both together. */
function counterBytes(counters: Readonly<Record<Direction, number>>, direction: number | undefined): Uint8Array {
  const name = direction === undefined ? undefined : directions[direction]
  const count = name === undefined ? counters.original + counters.reply : counters[name]
  const value = new Uint8Array(8)
  new DataView(value.buffer).setBigUint64(0, BigInt(count), true)
  return value
}

/** Where there is no connection nothing happens. Labels are only ever added (nf_connlabels_replace() with the bits as mask). */
function setCt({ key, sreg = 0 }: ExprOf<'ct'>, state: RuleState, tracking: Tracking): Evaluation {
  if (key !== NFT_CT_MARK && key !== NFT_CT_LABELS) return notUnderstood(state, `ct key ${key} is not known here`)
  const value = readRegister(state.registers, sreg, key === NFT_CT_MARK ? 4 : labelBytes)
  if (value === undefined) return noSuchRegister(state, sreg)
  if (typeof tracking === 'string') return next(state)
  if (key === NFT_CT_MARK) {
    const mark = hostInteger(value)
    return nextWith(state, { tracking: { ...tracking, mark } }, { kind: 'connection mark', mark })
  }
  const labels = tracking.labels.map((byte, index) => byte | (value[index] ?? 0))
  return nextWith(state, { tracking: { ...tracking, labels } }, { kind: 'labels', bits: bitsOf(value) })
}

function bitsOf(value: Uint8Array): number[] {
  return Array.from({ length: value.length * 8 }, (_, bit) => bit).filter((bit) =>
    Boolean(((value[bit >> 3] ?? 0) >> (bit & 7)) & 1),
  )
}
