/** One expression, executed as the kernel does (net/netfilter/nft_*.c). A new kind of expression fails to compile here. */
import { NFT_CMP_EQ, NFT_CMP_GT, NFT_CMP_GTE, NFT_CMP_LT, NFT_CMP_LTE, NFT_CMP_NEQ } from '../nft/constants.ts'
import { IPPROTO } from '../nft/datatypes.ts'
import type { Expr, ExprOf } from '../nft/expressions.ts'
import { ctStatuses, NFT_REG_VERDICT } from '../nft/statements.ts'
import { offloaded } from './conntrack.ts'
import { evaluateCt } from './ct.ts'
import { evaluateHash, evaluateNumgen } from './draw.ts'
import { evaluateFib, evaluateMeta, evaluatePayload } from './fields.ts'
import { evaluateDynset, evaluateLookup } from './lookup.ts'
import { protocolNumber } from './packet.ts'
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
import { evaluateMasquerade, evaluateNat } from './translate.ts'

export function evaluate(expr: Expr, state: RuleState, place: Place): Evaluation {
  switch (expr.kind) {
    case 'payload':
      return evaluatePayload(expr, state)
    case 'meta':
      return evaluateMeta(expr, state, place)
    case 'ct':
      return evaluateCt(expr, state, place)
    case 'fib':
      return evaluateFib(expr, state, place)
    case 'numgen':
      return evaluateNumgen(expr, state)
    case 'hash':
      return evaluateHash(expr, state)
    case 'cmp':
      return compare(expr, state)
    case 'bitwise':
      return combineBits(expr, state)
    case 'byteorder':
      return swapBytes(expr, state)
    case 'immediate':
      return loadConstant(expr, state)
    case 'lookup':
      return evaluateLookup(expr, state, place)
    case 'dynset':
      return evaluateDynset(expr, state, place)
    case 'nat':
      return evaluateNat(expr, state, place)
    case 'masq':
      return evaluateMasquerade(expr, state, place)
    case 'reject':
      return { kind: 'reject', state: { ...state, effects: [...state.effects, { kind: 'reject' }] } }
    case 'flow_offload':
      return offload(expr, state, place)
    case 'counter':
      return next(state)
    case 'unknown':
      return onlyObserves.has(expr.name)
        ? next(state)
        : notUnderstood(state, `the expression ${expr.name} is not known here`)
  }
}

/** Expressions of other programs' rules that do nothing to the packet. */
const onlyObserves: ReadonlySet<string> = new Set(['log', 'last'])

/** memcmp() of the register's bytes: numbers are ordered only where they are in network order. */
function compare({ sreg, op, data }: ExprOf<'cmp'>, state: RuleState): Evaluation {
  const constant = data.value ?? new Uint8Array()
  const value = readRegister(state.registers, sreg, constant.length)
  if (value === undefined) return noSuchRegister(state, sreg)
  const isMatching = comparisons.get(op)
  if (isMatching === undefined) return notUnderstood(state, `comparison ${op}`)
  return isMatching(Buffer.compare(value, constant)) ? next(state) : mismatch(state)
}

const comparisons = new Map<number, (order: number) => boolean>([
  [NFT_CMP_EQ, (order) => order === 0],
  [NFT_CMP_NEQ, (order) => order !== 0],
  [NFT_CMP_LT, (order) => order < 0],
  [NFT_CMP_LTE, (order) => order <= 0],
  [NFT_CMP_GT, (order) => order > 0],
  [NFT_CMP_GTE, (order) => order >= 0],
])

/** NFT_BITWISE_MASK_XOR; the other operations of enum nft_bitwise_ops, shifts among them, are not used by anything here. */
const NFT_BITWISE_MASK_XOR = 0

function combineBits({ sreg, dreg, len, mask, xor, op }: ExprOf<'bitwise'>, state: RuleState): Evaluation {
  if ((op ?? NFT_BITWISE_MASK_XOR) !== NFT_BITWISE_MASK_XOR) return notUnderstood(state, `bitwise operation ${op}`)
  const value = readRegister(state.registers, sreg, len)
  if (value === undefined) return noSuchRegister(state, sreg)
  const combined = value.map((byte, index) => (byte & (mask.value?.[index] ?? 0)) ^ (xor.value?.[index] ?? 0))
  return load(state, dreg, combined)
}

/** Words of two, four or eight bytes turned round, which is the same in both directions; what is shorter stays. */
function swapBytes({ sreg, dreg, len, size }: ExprOf<'byteorder'>, state: RuleState): Evaluation {
  const value = readRegister(state.registers, sreg, len)
  if (value === undefined) return noSuchRegister(state, sreg)
  const swapped = Uint8Array.from(value)
  if (size > 0) {
    for (let start = 0; start + size <= len; start += size) swapped.subarray(start, start + size).reverse()
  }
  return load(state, dreg, swapped)
}

function loadConstant({ dreg, data }: ExprOf<'immediate'>, state: RuleState): Evaluation {
  const { verdict, value } = data
  if (dreg !== NFT_REG_VERDICT) return load(state, dreg, value ?? new Uint8Array())
  return verdict === undefined ? notUnderstood(state, 'no verdict') : { kind: 'verdict', verdict, state }
}

/**
 * Connections that cannot be offloaded do not match: those of which no packet has passed yet, TCP before the handshake
 * is over, all protocols but TCP and UDP, and those that are offloaded already (nft_flow_offload_eval()). The packet
 * in hand goes on as it would have.
 */
function offload({ table }: ExprOf<'flow_offload'>, state: RuleState, { hook }: Place): Evaluation {
  if (hook !== 'forward') return notUnderstood(state, 'offloading outside of the forward hook')
  const { tracking, headers } = state.packet
  if (typeof tracking === 'string' || (tracking.status & ctStatuses.confirmed) === 0) return mismatch(state)
  const protocol = protocolNumber(headers)
  const isReady = protocol === IPPROTO.udp || (protocol === IPPROTO.tcp && tracking.state === 'established')
  const connection = isReady ? offloaded(tracking) : undefined
  return connection === undefined
    ? mismatch(state)
    : nextWith(state, { tracking: connection }, { kind: 'offload', flowtable: table })
}
