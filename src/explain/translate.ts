/** Expressions that end a NAT chain with a decision: nat (dnat, snat) and masq. */
import { ipBytes, ipFromBytes } from '../model/ip.ts'
import {
  NF_NAT_RANGE_PROTO_RANDOM,
  NF_NAT_RANGE_PROTO_RANDOM_FULLY,
  NFPROTO_INET,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFT_NAT_DNAT,
} from '../nft/constants.ts'
import { accept, drop, type ExprOf } from '../nft/expressions.ts'
import { familyBytes } from '../nft/inet.ts'
import { decide, type Manipulation } from './conntrack.ts'
import type { TransportAddress } from './packet.ts'
import { readRegister } from './registers.ts'
import { type Evaluation, next, noSuchRegister, notUnderstood, type Place, type RuleState } from './state.ts'
import type { Effect } from './trace.ts'

/** Destinations are translated where packets enter, sources where they leave. */
export function manipulationAt(hook: Place['hook']): Manipulation | undefined {
  if (hook === 'forward') return undefined
  return hook === 'prerouting' || hook === 'output' ? 'destination' : 'source'
}

/** A translation of the other family does nothing; of a range of addresses or ports the kernel picks one by a hash. */
export function evaluateNat(expr: ExprOf<'nat'>, state: RuleState, place: Place): Evaluation {
  const { addrMin, addrMax = addrMin, protoMin, protoMax = protoMin } = expr
  const manipulation = expr.type === NFT_NAT_DNAT ? 'destination' : 'source'
  if (!isPossible(place, manipulation)) return notUnderstood(state, 'translation outside of a NAT chain')
  const { family } = state.packet.headers
  const isOfFamily = expr.family === NFPROTO_INET || expr.family === (family === 'ip' ? NFPROTO_IPV4 : NFPROTO_IPV6)
  if (!isOfFamily) return next(state)
  const read = (register: number | undefined, len: number): Uint8Array | undefined =>
    register === undefined ? undefined : readRegister(state.registers, register, len)
  const [from, to] = [read(addrMin, familyBytes(family)), read(addrMax, familyBytes(family))]
  const [firstPort, lastPort] = [read(protoMin, 2), read(protoMax, 2)]
  if ((addrMin !== undefined && from === undefined) || (protoMin !== undefined && firstPort === undefined)) {
    return noSuchRegister(state, addrMin ?? protoMin ?? 0)
  }
  if (!isSame(from, to) || !isSame(firstPort, lastPort)) return notUnderstood(state, 'translation to a range')
  const port = firstPort === undefined ? undefined : ((firstPort[0] ?? 0) << 8) | (firstPort[1] ?? 0)
  const address = from === undefined ? undefined : Uint8Array.from(from)
  return decided(
    state,
    manipulation,
    { address, port },
    manipulation === 'source' && port === undefined && isPortRandom(expr.flags),
    {
      kind: manipulation === 'destination' ? 'dnat' : 'snat',
      address: address === undefined ? undefined : ipFromBytes(address),
      port,
    },
  )
}

/** The source becomes an address of the interface that the packet leaves by; where there is none it is dropped. */
export function evaluateMasquerade(expr: ExprOf<'masq'>, state: RuleState, place: Place): Evaluation {
  if (place.hook !== 'postrouting' || !isPossible(place, 'source')) {
    return notUnderstood(state, 'masquerading outside of a NAT chain of the postrouting hook')
  }
  if (expr.protoMin !== undefined) return notUnderstood(state, 'masquerading to a range of ports')
  const address = place.masqueradeAddress
  if (address === undefined) return { kind: 'verdict', verdict: drop, state }
  const masqueraded = { ...state, packet: { ...state.packet, isMasqueraded: true } }
  const to = { address: ipBytes(address), port: undefined }
  return decided(masqueraded, 'source', to, isPortRandom(expr.flags), { kind: 'masquerade', address })
}

/** A decision ends the chain, and NAT: chains behind are not asked. */
function decided(
  state: RuleState,
  manipulation: Manipulation,
  { address, port }: { readonly [K in keyof TransportAddress]: TransportAddress[K] | undefined },
  isRandom: boolean,
  effect: Effect,
): Evaluation {
  const { tracking } = state.packet
  if (typeof tracking === 'string') return notUnderstood(state, 'translation of a packet without a connection')
  const to = { ...(address === undefined ? {} : { address }), ...(port === undefined ? {} : { port }) }
  return {
    kind: 'verdict',
    verdict: accept,
    state: {
      ...state,
      packet: { ...state.packet, tracking: decide(tracking, manipulation, to, isRandom) },
      effects: [...state.effects, effect],
    },
  }
}

function isPossible({ chainType, hook }: Place, manipulation: Manipulation): boolean {
  return chainType === 'nat' && manipulationAt(hook) === manipulation
}

function isPortRandom(flags = 0): boolean {
  return (flags & (NF_NAT_RANGE_PROTO_RANDOM | NF_NAT_RANGE_PROTO_RANDOM_FULLY)) !== 0
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0
}
