/** Sets from within a rule: the lookup expression, and dynset, which packets add elements with. */
import { NFT_DYNSET_OP_ADD, NFT_DYNSET_OP_DELETE, NFT_DYNSET_OP_UPDATE, NFT_LOOKUP_F_INV } from '../nft/constants.ts'
import { concatenatedBytes } from '../nft/datatypes.ts'
import type { ExprOf } from '../nft/expressions.ts'
import { type NftSet, partTypes, type SetElement, type TableRef } from '../nft/objects.ts'
import { NFT_REG_VERDICT } from '../nft/statements.ts'
import { readRegister } from './registers.ts'
import type { IndexedSet } from './ruleset.ts'
import { keyOf } from './set-index.ts'
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
import type { Effect, SetChange } from './trace.ts'

/** The kernel asks for the catch-all element whenever the rest of the set did not say yes, in an inverted lookup too. */
export function evaluateLookup(expr: ExprOf<'lookup'>, state: RuleState, place: Place): Evaluation {
  const indexed = place.table.set(expr.set)
  if (indexed === undefined) return notUnderstood(state, `there is no set ${expr.set}`)
  const { index } = indexed
  const key = readRegister(state.registers, expr.sreg, index.keyBytes)
  if (key === undefined) return noSuchRegister(state, expr.sreg)
  const isInverted = ((expr.flags ?? 0) & NFT_LOOKUP_F_INV) !== 0
  const found = findElement(indexed, place.table.table, key, state)
  const element = (found !== undefined) !== isInverted ? found : index.catchAll
  if (element === undefined) return (found === undefined) === isInverted ? next(state) : mismatch(state)
  return withElement(expr, state, indexed.set, element)
}

function withElement({ dreg }: ExprOf<'lookup'>, state: RuleState, set: NftSet, element: SetElement): Evaluation {
  const effect: Effect = { kind: 'element', set, element }
  if (dreg === undefined) return next(state, effect)
  const { verdict, value } = element
  if (dreg === NFT_REG_VERDICT) {
    if (verdict === undefined) return notUnderstood(state, `an element of ${set.name} has no verdict`)
    return { kind: 'verdict', verdict, state: { ...state, effects: [...state.effects, effect] } }
  }
  return value === undefined
    ? notUnderstood(state, `an element of ${set.name} has no value`)
    : load(state, dreg, value, effect)
}

/** What earlier packets and rules changed comes before what is in the table. */
function findElement(
  { set, index }: IndexedSet,
  table: TableRef,
  keyBytes: Uint8Array,
  { packet }: RuleState,
): SetElement | undefined {
  const key = keyOf(keyBytes)
  const change = packet.setChanges.findLast((change) => isOf(change, table, set) && keyOf(change.element.key) === key)
  if (change === undefined) return index.find(key)
  return change.change === 'removed' || change.element.expiresMs === 0 ? undefined : change.element
}

function isOf(change: SetChange, table: TableRef, set: NftSet): boolean {
  return change.set.name === set.name && change.table.name === table.name && change.table.family === table.family
}

/** enum nft_dynset_flags */
const NFT_DYNSET_F_INV = 1

/**
 * `add` leaves an element that is there as it is; `update` lets its life time begin anew, but does not change its value.
 * Where the set is full the rule does not match.
 */
export function evaluateDynset(expr: ExprOf<'dynset'>, state: RuleState, place: Place): Evaluation {
  const indexed = place.table.set(expr.set)
  if (indexed === undefined) return notUnderstood(state, `there is no set ${expr.set}`)
  const { set, index } = indexed
  const table = place.table.table
  const key = readRegister(state.registers, expr.sregKey, index.keyBytes)
  if (key === undefined) return noSuchRegister(state, expr.sregKey)
  const there = findElement(indexed, table, key, state)
  const timeoutMs = expr.timeout ?? set.timeoutMs
  const isInverted = ((expr.flags ?? 0) & NFT_DYNSET_F_INV) !== 0
  if (expr.op === NFT_DYNSET_OP_DELETE) {
    return there === undefined ? next(state) : changed(state, 'removed', table, set, there)
  }
  if (expr.op !== NFT_DYNSET_OP_ADD && expr.op !== NFT_DYNSET_OP_UPDATE) {
    return notUnderstood(state, `operation ${expr.op} on set ${set.name}`)
  }
  if (there !== undefined) {
    const isRefreshed = expr.op === NFT_DYNSET_OP_UPDATE && timeoutMs !== undefined
    const evaluation = isRefreshed
      ? changed(state, 'refreshed', table, set, { ...there, expiresMs: timeoutMs })
      : next(state)
    return isInverted ? asMismatch(evaluation) : evaluation
  }
  if (set.size !== undefined && elementCount(indexed, table, state) >= set.size) {
    return isInverted ? next(state) : mismatch(state)
  }
  const value = expr.sregData === undefined ? noValue : readRegister(state.registers, expr.sregData, valueBytes(set))
  if (value === undefined) return noSuchRegister(state, expr.sregData ?? 0)
  const added = changed(state, 'added', table, set, {
    key: Uint8Array.from(key),
    ...(value.length === 0 ? {} : { value: Uint8Array.from(value) }),
    ...(timeoutMs === undefined ? {} : { timeoutMs, expiresMs: timeoutMs }),
  })
  return isInverted ? asMismatch(added) : added
}

const noValue = new Uint8Array()

function asMismatch(evaluation: Evaluation): Evaluation {
  return evaluation.kind === 'next' ? mismatch(evaluation.state) : evaluation
}

function changed(
  state: RuleState,
  change: SetChange['change'],
  { family, name }: TableRef,
  set: NftSet,
  element: SetElement,
): Evaluation {
  const setChange: SetChange = { change, table: { family, name }, set, element }
  const setChanges = [...state.packet.setChanges, setChange]
  return nextWith(state, { setChanges }, { kind: 'set change', ...setChange })
}

function elementCount({ set, index }: IndexedSet, table: TableRef, { packet }: RuleState): number {
  return packet.setChanges
    .filter((change) => isOf(change, table, set))
    .reduce((count, { change }) => count + (change === 'added' ? 1 : change === 'removed' ? -1 : 0), index.elementCount)
}

function valueBytes({ value }: NftSet): number {
  return value === undefined || value === 'verdict' ? 0 : concatenatedBytes(partTypes(value))
}
