/*
 * What this kernel can do, found out by trying: a table is made that holds what is asked about, and removed again. That
 * also makes the kernel load the modules that it needs for it.
 */
import { TransactionError } from '../nft/errors.ts'
import type { Chain, Rule, Table } from '../nft/objects.ts'
import { counter, ctLabel, flowAdd, setCtLabel } from '../nft/statements.ts'
import { type Operation, removeTable } from '../nft/transaction.ts'
import type { FastpathKernel } from './fastpath-kernel.ts'

/** What the fast path may use. */
export type FastpathCapabilities = {
  readonly hasFlowtables: boolean
  /** Flowtables that keep connections' counters going (Linux 5.7). */
  readonly hasCounters: boolean
  /** Labels of connections (CONFIG_NF_CONNTRACK_LABELS). */
  readonly hasLabels: boolean
  /** Why there are no flow tables: what was tried, and what came back. */
  readonly reason: string | undefined
}

const table: Table = { family: 'inet', name: 'kube-proxy-fastpath-probe' }
const chain: Chain = { name: 'forward', base: { type: 'filter', hook: 'forward', priority: 0 } }
const flowtable = 'probe'

/** Without device, so that it concerns no packet. Throws what is no refusal of the kernel. */
export async function probeFastpath({ commit }: Pick<FastpathKernel, 'commit'>): Promise<FastpathCapabilities> {
  const refusalOf = async (operations: readonly Operation[]): Promise<string | undefined> => {
    try {
      await commit([...removeTable(table), { verb: 'add', object: 'table', table }, ...operations])
      await commit(removeTable(table))
      return undefined
    } catch (error) {
      if (error instanceof TransactionError) return error.message
      throw error
    }
  }
  const withCounters = await refusalOf(flowRule(true))
  const reason = withCounters === undefined ? undefined : await refusalOf(flowRule(false))
  return {
    hasFlowtables: reason === undefined,
    hasCounters: withCounters === undefined,
    hasLabels: reason === undefined && (await refusalOf(labelRules)) === undefined,
    reason,
  }
}

function flowRule(hasCounters: boolean): Operation[] {
  return [
    { verb: 'add', object: 'flowtable', table, flowtable: { name: flowtable, priority: 10, devices: [], hasCounters } },
    { verb: 'add', object: 'chain', table, chain },
    rule({ chain: chain.name, expressions: [flowAdd(flowtable), counter] }),
  ]
}

/** Never reached by a packet: nothing jumps to the chain. */
const labelRules: readonly Operation[] = [
  { verb: 'add', object: 'chain', table, chain: { name: 'labels' } },
  rule({ chain: 'labels', expressions: setCtLabel(0) }),
  rule({ chain: 'labels', expressions: [...ctLabel(0), counter] }),
]

function rule(rule: Rule): Operation {
  return { verb: 'add', object: 'rule', table, rule }
}
