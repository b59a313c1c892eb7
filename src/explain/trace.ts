/** What the machine answers: where a packet may end up, how likely each way is, and the rules that led there. */
import type { IpAddress } from '../model/ip.ts'
import type { BaseChain, NftSet, SetElement, TableRef } from '../nft/objects.ts'
import type { Tracking } from './conntrack.ts'

export type HookName = BaseChain['hook']

/** What one expression found or did. */
export type Effect =
  /** The element that a lookup found; its comment names the Service. */
  | { readonly kind: 'element'; readonly set: NftSet; readonly element: SetElement }
  /** One of `modulus` values: all of them were followed, this is the one of this outcome. */
  | { readonly kind: 'draw'; readonly by: DrawKind; readonly modulus: number; readonly value: number }
  | { readonly kind: 'mark' | 'connection mark'; readonly mark: number }
  | { readonly kind: 'labels'; readonly bits: readonly number[] }
  | { readonly kind: 'payload' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  | { readonly kind: 'accept' | 'drop' | 'return' | 'reject' }
  | {
      readonly kind: 'dnat' | 'snat'
      readonly address: IpAddress | undefined
      readonly port: number | undefined
    }
  | { readonly kind: 'masquerade'; readonly address: IpAddress }
  | ({ readonly kind: 'set change' } & SetChange)
  | { readonly kind: 'offload'; readonly flowtable: string }

export type DrawKind = 'numgen random' | 'numgen inc' | 'jhash' | 'symhash'

/** What a packet changed in a set: an element added, one whose life time began anew, or one removed. */
export type SetChange = {
  readonly change: 'added' | 'refreshed' | 'removed'
  readonly table: TableRef
  readonly set: NftSet
  readonly element: SetElement
}

type At = { readonly hook: HookName; readonly table: TableRef; readonly chain: string }

/** One rule on the packet's way, in the order in which the packet met them. */
export type Step =
  /** All of the rule matched. */
  | (At & RuleRef & { readonly kind: 'rule'; readonly effects: readonly Effect[] })
  /** It did not, up to this part of it; nevertheless `effects` of the parts before stay. */
  | (At & RuleRef & { readonly kind: 'mismatch'; readonly until: string; readonly effects: readonly Effect[] })
  /** Nobody here knows what the rule does to the packet. */
  | (At & RuleRef & { readonly kind: 'not understood'; readonly reason: string })
  /** No rule of a base chain decided, and its policy is drop. */
  | (At & { readonly kind: 'policy' })

/** `index` counts the rules of the chain from 0; `text` is the rule as nft(8) prints it. */
export type RuleRef = { readonly index: number; readonly text: string; readonly comment?: string }

/** `unknown`: a rule was not understood, or there are more ways than can be followed. */
export type Verdict = 'pass' | 'drop' | 'reject' | 'unknown'

/** One end of the packet's way. The probabilities of all outcomes of a packet add up to 1. */
export type Outcome = {
  readonly verdict: Verdict
  readonly probability: number
  /** To a process of the node, through the node, or out of it; only of packets that pass. */
  readonly delivery?: Delivery
  readonly destination: { readonly address: IpAddress; readonly port: number }
  /** The port is undefined where masquerading draws it. */
  readonly source: { readonly address: IpAddress; readonly port: number | undefined }
  /** Destination NAT gave it another destination. */
  readonly isTranslated: boolean
  readonly isMasqueraded: boolean
  readonly mark: number
  /** The hooks that it went through, in order; a packet of the node to itself goes through four. */
  readonly hooks: readonly HookName[]
  readonly steps: readonly Step[]
  /** For the next packet of the connection: `establishedConnection(tracking, ...)`. */
  readonly tracking: Tracking
  /** Those given to the machine and those of this packet: what the next packet's machine is to be given. */
  readonly setChanges: readonly SetChange[]
}

export type Delivery = 'local' | 'forwarded' | 'sent'

/** Outcomes that differ in nothing but drawn numbers and the elements found by them become one, in the order of the first. */
export function groupOutcomes(outcomes: readonly Outcome[]): readonly Outcome[] {
  if (outcomes.length < 2) return outcomes
  const groups = new Map<string, Outcome>()
  for (const outcome of outcomes) {
    const key = outcomeKey(outcome)
    const group = groups.get(key)
    groups.set(key, group === undefined ? outcome : { ...group, probability: group.probability + outcome.probability })
  }
  return [...groups.values()]
}

function outcomeKey(outcome: Outcome): string {
  const { verdict, delivery, destination, source, isTranslated, isMasqueraded, mark, setChanges } = outcome
  return [
    verdict,
    delivery,
    destination.address,
    destination.port,
    source.address,
    source.port,
    isTranslated,
    isMasqueraded,
    mark,
    ...outcome.steps.map(stepKey),
    ...setChanges.map(({ change, set, element }) => [change, set.name, element.key, element.value].join()),
  ].join(' ')
}

function stepKey(step: Step): string {
  const place = `${step.table.family} ${step.table.name} ${step.hook} ${step.chain} ${step.kind}`
  return step.kind === 'policy' ? place : `${place} ${step.index}`
}
