/*
 * One base chain, as nft_do_chain() of net/netfilter/nf_tables_core.c runs it.
 *
 *   jump    the caller's next rule is put on a stack; the chain's end, or `return` in it, goes on there
 *   goto    nothing is put on the stack: the chain's end goes on where that of the chain before would have
 *   the end of the base chain, or `return` in it, is the chain's policy
 */
import { NF_ACCEPT, NF_DROP, NFT_CONTINUE, NFT_GOTO, NFT_JUMP, NFT_RETURN } from '../nft/constants.ts'
import type { Verdict as RuleVerdict } from '../nft/expressions.ts'
import type { Rule } from '../nft/objects.ts'
import { ruleText } from '../nft/render-rule.ts'
import { evaluate } from './evaluate.ts'
import { emptyRegisters, type Registers } from './registers.ts'
import type { IndexedChain, PlacedChain } from './ruleset.ts'
import type { Evaluation, HookVisit, PacketState, Place, RuleState } from './state.ts'
import type { Effect, RuleRef, Step } from './trace.ts'

/** Where a packet is after a chain or a hook: `accept` goes on, the others end its way. */
export type Branch = {
  readonly verdict: 'accept' | 'drop' | 'reject' | 'unknown'
  readonly packet: PacketState
}

/** NF_IP_PRI_CONNTRACK, include/uapi/linux/netfilter_ipv4.h */
const conntrackPriority = -200

/** All ways through a base chain. */
export function runBaseChain({ table, base, chain }: PlacedChain, packet: PacketState, visit: HookVisit): Branch[] {
  const isTrackingHook = visit.hook === 'prerouting' || visit.hook === 'output'
  const place: Place = {
    ...visit,
    table,
    chainType: base.type,
    seesConnection: visit.isTrackedBefore || !isTrackingHook || base.priority >= conntrackPriority,
  }
  const start: Position = { chain, index: 0, caller: undefined, depth: 1 }
  return runFrom({ packet, registers: emptyRegisters(), position: start }, place, base.policy ?? 'accept', chain)
}

/** The rule that comes next, and where to go on after the chain's end. */
type Position = {
  readonly chain: IndexedChain
  readonly index: number
  readonly caller: Position | undefined
  readonly depth: number
}

type Thread = { readonly packet: PacketState; readonly registers: Registers; readonly position: Position | undefined }

/** NFT_JUMP_STACK_SIZE: the kernel accepts no table in which chains are nested deeper, or in a circle. */
const deepestNesting = 16

function runFrom(start: Thread, place: Place, policy: 'accept' | 'drop', base: IndexedChain): Branch[] {
  const branches: Branch[] = []
  // The first way is followed to its end before the second: so they come out in the order of the numbers drawn.
  const stack: (Thread | Branch)[] = [start]
  for (let way = stack.pop(); way !== undefined; way = stack.pop()) {
    if ('verdict' in way) branches.push(way)
    else if (way.position === undefined) branches.push(afterPolicy(policy, way.packet, place, base))
    else stack.push(...afterPosition(way, way.position, place).toReversed())
  }
  return branches
}

function afterPosition({ packet, registers }: Thread, position: Position, place: Place): (Thread | Branch)[] {
  const { chain, index, caller } = position
  const rule = chain.rules[index]
  if (rule === undefined) return [{ packet, registers, position: caller }]
  const ends = ruleEnds(rule, 0, { packet, registers, effects: [] }, place)
  return ends.map((end) => afterRule(end, rule, position, place))
}

/** How a rule ended, and the expression at which it did. */
type RuleEnd = Exclude<Evaluation, { kind: 'fork' }> & { readonly at: number }

function ruleEnds(rule: Rule, from: number, start: RuleState, place: Place): RuleEnd[] {
  let state = start
  for (const [offset, expr] of rule.expressions.slice(from).entries()) {
    const at = from + offset
    const evaluation = evaluate(expr, state, place)
    if (evaluation.kind === 'fork') return evaluation.states.flatMap((fork) => ruleEnds(rule, at + 1, fork, place))
    const isContinue = evaluation.kind === 'verdict' && evaluation.verdict.code === NFT_CONTINUE
    if (evaluation.kind !== 'next' && !isContinue) return [{ ...evaluation, at }]
    state = evaluation.state
  }
  return [{ kind: 'next', state, at: rule.expressions.length }]
}

function afterRule(end: RuleEnd, rule: Rule, position: Position, place: Place): Thread | Branch {
  const { registers, effects } = end.state
  const at = { hook: place.hook, table: tableRef(place), chain: position.chain.name }
  const ref = ruleRef(rule, position.index, place)
  const stepped = (step: Step): PacketState => withStep(end.state.packet, step)
  const following = { ...position, index: position.index + 1 }
  switch (end.kind) {
    case 'next':
      return { packet: stepped({ kind: 'rule', ...at, ...ref, effects }), registers, position: following }
    case 'mismatch': {
      if (!place.showsMismatches && !effects.some(isLasting)) {
        return { packet: end.state.packet, registers, position: following }
      }
      const until = ruleText({ ...withoutComment(rule), expressions: rule.expressions.slice(0, end.at + 1) }, (name) =>
        place.table.declarationOf(name),
      )
      return { packet: stepped({ kind: 'mismatch', ...at, ...ref, until, effects }), registers, position: following }
    }
    case 'reject':
      return { verdict: 'reject', packet: stepped({ kind: 'rule', ...at, ...ref, effects }) }
    case 'not understood':
      return { verdict: 'unknown', packet: stepped({ kind: 'not understood', ...at, ...ref, reason: end.reason }) }
    case 'verdict': {
      const target = verdictTarget(end.verdict, following, place)
      if ('reason' in target) {
        return { verdict: 'unknown', packet: stepped({ kind: 'not understood', ...at, ...ref, reason: target.reason }) }
      }
      const packet = stepped({ kind: 'rule', ...at, ...ref, effects: [...effects, target.effect] })
      return 'verdict' in target
        ? { verdict: target.verdict, packet }
        : { packet, registers, position: target.position }
    }
  }
}

type Target =
  | { readonly effect: Effect; readonly verdict: 'accept' | 'drop' }
  | { readonly effect: Effect; readonly position: Position | undefined }
  | { readonly reason: string }

function verdictTarget({ code, chain = '' }: RuleVerdict, following: Position, place: Place): Target {
  switch (code) {
    case NF_ACCEPT:
      return { effect: { kind: 'accept' }, verdict: 'accept' }
    case NF_DROP:
      return { effect: { kind: 'drop' }, verdict: 'drop' }
    case NFT_RETURN:
      return { effect: { kind: 'return' }, position: following.caller }
    case NFT_JUMP:
      return entered({ kind: 'jump', chain }, following, following.depth, place)
    case NFT_GOTO:
      return entered({ kind: 'goto', chain }, following.caller, following.depth, place)
    default:
      return { reason: `verdict ${code}` }
  }
}

function entered(
  effect: Extract<Effect, { kind: 'jump' | 'goto' }>,
  caller: Position | undefined,
  depth: number,
  { table }: Place,
): Target {
  const chain = table.chain(effect.chain)
  if (chain === undefined) return { reason: `there is no chain ${effect.chain}` }
  if (depth === deepestNesting) return { reason: `more than ${deepestNesting} chains lead into each other` }
  return { effect, position: { chain, index: 0, caller, depth: depth + 1 } }
}

function afterPolicy(policy: 'accept' | 'drop', packet: PacketState, place: Place, base: IndexedChain): Branch {
  if (policy === 'accept') return { verdict: 'accept', packet }
  const step: Step = { kind: 'policy', hook: place.hook, table: tableRef(place), chain: base.name }
  return { verdict: 'drop', packet: withStep(packet, step) }
}

function withStep(packet: PacketState, step: Step): PacketState {
  return { ...packet, steps: [...packet.steps, step] }
}

function tableRef({ table }: Place): Step['table'] {
  const { family, name } = table.table
  return { family, name }
}

function ruleRef(rule: Rule, index: number, { table }: Place): RuleRef {
  return { index, text: table.ruleText(rule), ...(rule.comment === undefined ? {} : { comment: rule.comment }) }
}

function withoutComment({ chain, expressions }: Rule): Rule {
  return { chain, expressions }
}

/** Whether it stays when the rule does not match after all. */
function isLasting({ kind }: Effect): boolean {
  switch (kind) {
    case 'mark':
    case 'connection mark':
    case 'labels':
    case 'payload':
    case 'set change':
    case 'offload':
      return true
    case 'element':
    case 'draw':
    case 'jump':
    case 'goto':
    case 'accept':
    case 'drop':
    case 'return':
    case 'reject':
    case 'dnat':
    case 'snat':
    case 'masquerade':
      return false
  }
}
