/** A transaction: what shall change, in nft(8)'s verbs. All of it takes effect at once, or nothing does. */
import type { Chain, Flowtable, NftSet, Rule, Table, TableRef } from './objects.ts'

/**
 * add: fine if it is there already (and equal); create: an error then. delete: an error if it is not there;
 * destroy: fine then (since Linux 6.3). flush: removes what is inside. insert: a rule at the beginning of its chain.
 */
export type Operation =
  | { readonly verb: 'add' | 'create'; readonly object: 'table'; readonly table: Table }
  | { readonly verb: 'delete' | 'destroy' | 'flush'; readonly object: 'table'; readonly table: TableRef }
  | { readonly verb: 'add' | 'create'; readonly object: 'chain'; readonly table: TableRef; readonly chain: Chain }
  | {
      readonly verb: 'delete' | 'destroy' | 'flush'
      readonly object: 'chain'
      readonly table: TableRef
      readonly name: string
    }
  | { readonly verb: 'add' | 'insert'; readonly object: 'rule'; readonly table: TableRef; readonly rule: Rule }
  | {
      readonly verb: 'replace'
      readonly object: 'rule'
      readonly table: TableRef
      readonly rule: Rule & { readonly handle: number }
    }
  | {
      readonly verb: 'delete' | 'destroy'
      readonly object: 'rule'
      readonly table: TableRef
      readonly chain: string
      readonly handle: number
    }
  | { readonly verb: 'add' | 'create'; readonly object: 'set'; readonly table: TableRef; readonly set: NftSet }
  | {
      readonly verb: 'delete' | 'destroy' | 'flush'
      readonly object: 'set'
      readonly table: TableRef
      readonly set: NftSet
    }
  | {
      readonly verb: 'add' | 'create' | 'delete' | 'destroy'
      readonly object: 'element'
      readonly table: TableRef
      readonly set: NftSet
      /** As `encodeElements` makes them; any number, they are split over messages as needed. */
      readonly elements: Uint8Array
    }
  | {
      readonly verb: 'add' | 'create' | 'delete' | 'destroy'
      readonly object: 'flowtable'
      readonly table: TableRef
      readonly flowtable: Flowtable
    }
  | {
      /** Members of a flowtable that is there: all others stay. Add: one that is a member already is fine. */
      readonly verb: 'add' | 'delete' | 'destroy'
      readonly object: 'flowtable-devices'
      readonly table: TableRef
      readonly flowtable: string
      /** At most 255: the kernel refuses more in one message (EFBIG). */
      readonly devices: readonly string[]
    }

/** The operations that make a table, with nothing in it but what is given, from nothing. */
export function createTable(contents: {
  readonly table: Table
  readonly sets: readonly NftSet[]
  readonly chains: readonly Chain[]
  readonly rules: readonly Rule[]
}): Operation[] {
  const { table } = contents
  return [
    { verb: 'add', object: 'table', table },
    ...contents.sets.map((set): Operation => ({ verb: 'add', object: 'set', table, set })),
    ...contents.chains.map((chain): Operation => ({ verb: 'add', object: 'chain', table, chain })),
    ...contents.rules.map((rule): Operation => ({ verb: 'add', object: 'rule', table, rule })),
  ]
}

/** The operations that leave no table of that name, whether there is one or not (on every kernel). */
export function removeTable(table: TableRef): Operation[] {
  return [
    { verb: 'add', object: 'table', table: { family: table.family, name: table.name } },
    { verb: 'delete', object: 'table', table },
  ]
}
