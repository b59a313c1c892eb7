/** What changes while a packet meets rules, and what an expression may answer. All of it is data: ways part by copying. */
import type { NodeView } from './node.ts'
import type { Verdict } from '../nft/expressions.ts'
import type { BaseChain } from '../nft/objects.ts'
import type { IpAddress } from '../model/ip.ts'
import type { Tracking } from './conntrack.ts'
import type { Headers } from './packet.ts'
import { type Registers, writeRegister } from './registers.ts'
import type { IndexedTable } from './ruleset.ts'
import type { Effect, HookName, SetChange, Step } from './trace.ts'

/** A packet on one of its possible ways. */
export type PacketState = {
  readonly headers: Headers
  readonly mark: number
  readonly tracking: Tracking
  readonly isMasqueraded: boolean
  readonly setChanges: readonly SetChange[]
  readonly probability: number
  readonly hooks: readonly HookName[]
  readonly steps: readonly Step[]
}

/** A packet within a rule. Registers keep what the rules before loaded, as in the kernel. */
export type RuleState = {
  readonly packet: PacketState
  readonly registers: Registers
  readonly effects: readonly Effect[]
}

/** A hook, and what is known of the packet's interfaces there; a name that is not known there is empty. */
export type HookVisit = {
  readonly hook: HookName
  readonly iifname: string
  readonly oifname: string
  /** What masquerading puts in; undefined where the node has no address of the family. */
  readonly masqueradeAddress?: IpAddress | undefined
  readonly node: NodeView
  /** The packet came here over `lo` and was tracked when it was sent. */
  readonly isTrackedBefore: boolean
  readonly showsMismatches: boolean
}

/** Where an expression runs. */
export type Place = HookVisit & {
  readonly table: IndexedTable
  readonly chainType: BaseChain['type']
  /** Chains before conntrack (priority -200) see packets without a connection. */
  readonly seesConnection: boolean
}

/** What an expression does to the rule that it is in. */
export type Evaluation =
  | { readonly kind: 'next'; readonly state: RuleState }
  /** NFT_BREAK: the rule does not match. */
  | { readonly kind: 'mismatch'; readonly state: RuleState }
  | { readonly kind: 'verdict'; readonly verdict: Verdict; readonly state: RuleState }
  | { readonly kind: 'reject'; readonly state: RuleState }
  /** As likely one as the other. */
  | { readonly kind: 'fork'; readonly states: readonly RuleState[] }
  | { readonly kind: 'not understood'; readonly reason: string; readonly state: RuleState }

export function next(state: RuleState, ...effects: readonly Effect[]): Evaluation {
  return { kind: 'next', state: effects.length === 0 ? state : withEffects(state, effects) }
}

/** Goes on with the packet changed. */
export function nextWith(state: RuleState, packet: Partial<PacketState>, ...effects: readonly Effect[]): Evaluation {
  return next({ ...state, packet: { ...state.packet, ...packet } }, ...effects)
}

export function mismatch(state: RuleState): Evaluation {
  return { kind: 'mismatch', state }
}

export function notUnderstood(state: RuleState, reason: string): Evaluation {
  return { kind: 'not understood', reason, state }
}

/** Goes on with a value in a register. */
export function load(state: RuleState, dreg: number, value: Uint8Array, ...effects: readonly Effect[]): Evaluation {
  const registers = writeRegister(state.registers, dreg, value)
  return registers === undefined ? noSuchRegister(state, dreg) : next({ ...state, registers }, ...effects)
}

export function noSuchRegister(state: RuleState, register: number): Evaluation {
  return notUnderstood(state, `register ${register} does not exist or is too short`)
}

function withEffects(state: RuleState, effects: readonly Effect[]): RuleState {
  return { ...state, effects: [...state.effects, ...effects] }
}
