/** The objects of nf_tables as nft(8) names them: readonly data, without any behaviour. */
import type { DataType } from './datatypes.ts'
import type { Expr, Verdict } from './expressions.ts'
import type { Selector } from './selectors.ts'

export type Family = 'ip' | 'ip6' | 'inet'

/** Which table: names are unique within a family only. */
export type TableRef = { readonly family: Family; readonly name: string }

export type Table = TableRef & { readonly comment?: string }

/** Where a base chain is attached. Lower priorities run first. */
export type BaseChain = {
  readonly type: 'filter' | 'nat' | 'route'
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'
  readonly priority: number
  readonly policy?: 'accept' | 'drop'
}

/** A base chain where `base` is given, else a regular one that others jump to. */
export type Chain = { readonly name: string; readonly base?: BaseChain; readonly comment?: string }

export type Rule = {
  readonly chain: string
  readonly expressions: readonly Expr[]
  readonly comment?: string
  /** Given by the kernel; needed to replace or delete the rule. */
  readonly handle?: number
}

/** The parts of a key or a value: by type (`ipv4_addr . inet_service`) or by packet field (`typeof ip daddr . tcp dport`). */
export type SetType =
  | { readonly kind: 'type'; readonly parts: readonly DataType[] }
  | { readonly kind: 'typeof'; readonly parts: readonly Selector[] }

export type SetFlag = 'constant' | 'dynamic' | 'interval' | 'timeout'

/** A set, or a map where `value` is given. */
export type NftSet = {
  readonly name: string
  readonly key: SetType
  readonly value?: SetType | 'verdict'
  readonly flags?: readonly SetFlag[]
  readonly timeoutMs?: number
  /** Most elements allowed; without it a set grows as needed. */
  readonly size?: number
  readonly comment?: string
}

/** Hooks of a flowtable are always ingress. */
export type Flowtable = {
  readonly name: string
  readonly priority: number
  readonly devices: readonly string[]
  readonly hasCounters?: boolean
}

/** One table with everything in it. Rules are in order; elements by name of their set. */
export type TableContents = {
  readonly table: Table
  readonly flowtables: readonly Flowtable[]
  readonly sets: readonly NftSet[]
  readonly chains: readonly Chain[]
  readonly rules: readonly Rule[]
  readonly elements: ReadonlyMap<string, readonly SetElement[]>
}

/** One element of a set or map. */
export type SetElement = {
  /** Parts padded to four bytes each; network or host order as their types say. */
  readonly key: Uint8Array
  /** Last key of a range, in a concatenated set with intervals. */
  readonly keyEnd?: Uint8Array
  readonly value?: Uint8Array
  readonly verdict?: Verdict
  readonly comment?: string
  readonly timeoutMs?: number
  /** Remaining life time. */
  readonly expiresMs?: number
  /** In an interval set: this element only marks the end of the range before it. */
  readonly isIntervalEnd?: boolean
  /** Stands for every key that the set has no element for (`*`); `key` is empty then. */
  readonly isCatchAll?: boolean
}

/** The data types of the parts of a key or value. */
export function partTypes(type: SetType): readonly DataType[] {
  return type.kind === 'type' ? type.parts : type.parts.map((selector) => selector.type)
}

/** A key or value declared by data types. */
export function byType(...parts: readonly DataType[]): SetType {
  return { kind: 'type', parts }
}

/** A key or value declared by packet fields. */
export function byTypeof(...parts: readonly Selector[]): SetType {
  return { kind: 'typeof', parts }
}
