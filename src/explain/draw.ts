/*
 * Expressions that draw a number: the packet takes every way, each as likely as the others. A generator that counts is
 * explored like one at random, since nobody knows what packets came before. A hash is computed where the seed is known;
 * otherwise the kernel chose a secret one, and symhash always uses a secret of its own.
 */
import { NFT_HASH_SYM, NFT_NG_RANDOM } from '../nft/constants.ts'
import { hostBytes } from '../nft/datatypes.ts'
import type { ExprOf } from '../nft/expressions.ts'
import { jhash, scaled } from './jhash.ts'
import { readRegister, writeRegister } from './registers.ts'
import { type Evaluation, load, noSuchRegister, notUnderstood, type RuleState } from './state.ts'
import type { DrawKind } from './trace.ts'

/** Ways less likely than this are not followed: a bound for what one trace costs. */
const leastProbability = 1e-5

export function evaluateNumgen({ dreg, modulus, type, offset }: ExprOf<'numgen'>, state: RuleState): Evaluation {
  return draw(state, type === NFT_NG_RANDOM ? 'numgen random' : 'numgen inc', dreg, modulus, offset)
}

export function evaluateHash(expr: ExprOf<'hash'>, state: RuleState): Evaluation {
  const { dreg, sreg, len = 0, seed, modulus, offset = 0, type } = expr
  if (type === NFT_HASH_SYM) return draw(state, 'symhash', dreg, modulus, offset)
  if (sreg === undefined) return notUnderstood(state, 'a hash of nothing')
  const key = readRegister(state.registers, sreg, len)
  if (key === undefined) return noSuchRegister(state, sreg)
  if (seed === undefined) return draw(state, 'jhash', dreg, modulus, offset)
  const value = scaled(jhash(key, seed), modulus)
  return load(state, dreg, hostBytes(value + offset), { kind: 'draw', by: 'jhash', modulus, value })
}

function draw(state: RuleState, by: DrawKind, dreg: number, modulus: number, offset = 0): Evaluation {
  const probability = state.packet.probability / modulus
  if (!(probability >= leastProbability)) return notUnderstood(state, 'too many ways to follow them all')
  const packet = { ...state.packet, probability }
  const states: RuleState[] = []
  for (let value = 0; value < modulus; value++) {
    const registers = writeRegister(state.registers, dreg, hostBytes(value + offset))
    if (registers === undefined) return noSuchRegister(state, dreg)
    states.push({ packet, registers, effects: [...state.effects, { kind: 'draw', by, modulus, value }] })
  }
  return { kind: 'fork', states }
}
