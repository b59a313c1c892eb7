/*
 * Tables, prepared for packets. At each hook functions run by priority; of two with the same priority the one that was
 * registered later runs first (nf_hook_entries_grow() in net/netfilter/core.c).
 *
 * NAT chains are not such functions. The first one of a family registers NAT itself at all hooks, with priorities of
 * its own (nf_nat_ipv4_ops in nf_nat_proto.c): that is when they run, one after the other by their priorities. It stays
 * registered while there is any, so that beside a chain of just that priority the order depends on tables long gone.
 * Without connection tracking they do not run at all; what turns it on is not a chain but an expression (nf_ct_netns_get()).
 */
import type { Expr } from '../nft/expressions.ts'
import type { InetFamily } from '../nft/inet.ts'
import type { BaseChain, Chain, NftSet, Rule, SetElement, Table, TableContents } from '../nft/objects.ts'
import { ruleText } from '../nft/render-rule.ts'
import { indexSet, type SetIndex } from './set-index.ts'
import type { HookName } from './trace.ts'

/** Tables in the order of their making, ready for any number of packets. */
export type Ruleset = Readonly<Record<InetFamily, Readonly<Record<HookName, readonly HookFunction[]>>>>

/** What runs at a hook. */
export type HookFunction =
  | { readonly kind: 'chain'; readonly priority: number; readonly chain: PlacedChain }
  | { readonly kind: 'nat'; readonly priority: number; readonly chains: readonly PlacedChain[] }

/** A base chain, its table and its rules. */
export type PlacedChain = {
  readonly table: IndexedTable
  readonly base: BaseChain
  readonly chain: IndexedChain
}

export type IndexedChain = { readonly name: string; readonly rules: readonly Rule[] }

/** A table whose parts are found by name. Sets are indexed and rules rendered when they are first asked for. */
export type IndexedTable = {
  readonly table: Table
  readonly chain: (name: string) => IndexedChain | undefined
  readonly set: (name: string) => IndexedSet | undefined
  readonly ruleText: (rule: Rule) => string
  readonly declarationOf: (name: string) => NftSet | undefined
}

export type IndexedSet = { readonly set: NftSet; readonly index: SetIndex }

/** Prepares tables: those given first were made first. */
export function indexTables(contents: readonly TableContents[]): Ruleset {
  const placed = contents.flatMap(placedChains)
  const hooks = (family: InetFamily): Ruleset[InetFamily] =>
    hooksOf(placed, family, tracksConnections(contents, family))
  return { ip: hooks('ip'), ip6: hooks('ip6') }
}

const needsTracking: ReadonlySet<Expr['kind']> = new Set(['ct', 'nat', 'masq', 'flow_offload'])

function tracksConnections(contents: readonly TableContents[], family: InetFamily): boolean {
  const ofFamily = contents.filter(({ table }) => table.family === family || table.family === 'inet')
  return ofFamily.some(({ rules }) =>
    rules.some(({ expressions }) => expressions.some(({ kind }) => needsTracking.has(kind))),
  )
}

function placedChains(contents: TableContents): PlacedChain[] {
  const table = indexTable(contents)
  return contents.chains.flatMap(({ name, base }: Chain): PlacedChain[] => {
    const chain = table.chain(name)
    return base === undefined || chain === undefined ? [] : [{ table, base, chain }]
  })
}

const hookNames = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const satisfies readonly HookName[]

/** NF_IP_PRI_NAT_DST and NF_IP_PRI_NAT_SRC, include/uapi/linux/netfilter_ipv4.h; the same for IPv6. */
const natPriorities = { prerouting: -100, output: -100, input: 100, postrouting: 100 } as const

function hooksOf(all: readonly PlacedChain[], family: InetFamily, isTracking: boolean): Ruleset[InetFamily] {
  const chains = all.filter(({ table }) => [family, 'inet'].includes(table.table.family))
  const functions = (hook: HookName): HookFunction[] => {
    const atHook = chains.filter(({ base }) => base.hook === hook)
    // The later one of equals runs first: from last to first, and sorting keeps that order.
    const natChains = byPriority(atHook.filter(({ base }) => base.type === 'nat').map(withPriority))
    const others = atHook.filter(({ base }) => base.type !== 'nat')
    const firstNat = chains.findIndex(({ base }) => base.type === 'nat')
    const isLater = (chain: PlacedChain): boolean => chains.indexOf(chain) > firstNat
    const nat: HookFunction[] =
      hook === 'forward' || !isTracking
        ? []
        : [{ kind: 'nat', priority: natPriorities[hook], chains: natChains.map(({ chain }) => chain) }]
    return byPriority([
      ...others.filter((chain) => !isLater(chain)).map(withPriority),
      ...nat,
      ...others.filter(isLater).map(withPriority),
    ])
  }
  const entries = hookNames.map((hook) => [hook, functions(hook)] as const)
  return Object.fromEntries(entries) as Record<HookName, HookFunction[]>
}

function withPriority(chain: PlacedChain): Extract<HookFunction, { kind: 'chain' }> {
  return { kind: 'chain', priority: chain.base.priority, chain }
}

function byPriority<T extends { readonly priority: number }>(inOrderOfRegistration: readonly T[]): T[] {
  return inOrderOfRegistration.toReversed().sort((a, b) => a.priority - b.priority)
}

function indexTable({ table, chains, rules, sets, elements }: TableContents): IndexedTable {
  const rulesByChain = Map.groupBy(rules, ({ chain }) => chain)
  const chainsByName = new Map(chains.map(({ name }) => [name, { name, rules: rulesByChain.get(name) ?? [] }]))
  const setsByName = new Map(sets.map((set) => [set.name, set]))
  const indexed = new Map<string, IndexedSet>()
  const texts = new Map<Rule, string>()
  const declarationOf = (name: string): NftSet | undefined => setsByName.get(name)
  return {
    table,
    declarationOf,
    chain: (name) => chainsByName.get(name),
    set(name) {
      const set = setsByName.get(name)
      const known = indexed.get(name)
      if (known !== undefined || set === undefined) return known
      const made = { set, index: indexSet(set, elements.get(name) ?? noElements) }
      indexed.set(name, made)
      return made
    },
    ruleText(rule) {
      const text = texts.get(rule) ?? ruleText(rule, declarationOf)
      texts.set(rule, text)
      return text
    },
  }
}

const noElements: readonly SetElement[] = []
