/*
 * Tables, prepared for packets. At each hook functions run by priority; of two with the same priority the one that was
 * registered later runs first (nf_hook_entries_grow() in net/netfilter/core.c).
 *
 * NAT chains are not such functions. The first one of a family registers NAT itself at all hooks, with priorities of
 * its own (nf_nat_ipv4_ops in nf_nat_proto.c): that is when they run, one after the other by their priorities.
 */
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
  return { ip: hooksOf(placed, 'ip'), ip6: hooksOf(placed, 'ip6') }
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

function hooksOf(all: readonly PlacedChain[], family: InetFamily): Ruleset[InetFamily] {
  const chains = all.filter(({ table }) => [family, 'inet'].includes(table.table.family))
  const functions = (hook: HookName): HookFunction[] => {
    const atHook = chains.filter(({ base }) => base.hook === hook)
    // The later one of equals runs first: from last to first, and sorting keeps that order.
    const natChains = byPriority(atHook.filter(({ base }) => base.type === 'nat').map(withPriority))
    const others = atHook.filter(({ base }) => base.type !== 'nat')
    const firstNat = chains.findIndex(({ base }) => base.type === 'nat')
    const isLater = (chain: PlacedChain): boolean => chains.indexOf(chain) > firstNat
    const nat: HookFunction[] =
      hook === 'forward'
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
