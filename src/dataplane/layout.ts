/** The fixed part of a table: everything that is there before the first Service. One fragment for each concern. */
import type { Chain, NftSet, Rule, Table } from '../nft/objects.ts'
import { affinity } from './affinity.ts'
import { baseChains } from './base-chains.ts'
import { clusterIps } from './cluster-ips.ts'
import { externalLocal } from './external-local.ts'
import { firewall } from './firewall.ts'
import { hairpin } from './hairpin.ts'
import { masquerade } from './masquerade.ts'
import { tableOf } from './names.ts'
import { noEndpoints } from './no-endpoints.ts'
import { nodePorts } from './node-ports.ts'
import type { DataplaneOptions } from './options.ts'
import { picks } from './picks.ts'
import { services } from './services.ts'

/** Sets, chains and rules that belong together. Rules of one chain run in the order of the fragments. */
export type Fragment = {
  readonly sets?: readonly NftSet[]
  readonly chains?: readonly Chain[]
  readonly rules?: readonly Rule[]
}

export type TableLayout = {
  readonly table: Table
  readonly sets: readonly NftSet[]
  readonly chains: readonly Chain[]
  readonly rules: readonly Rule[]
}

/** The table without any Service: the same objects whatever the number of Services. */
export function tableLayout(options: DataplaneOptions): TableLayout {
  const fragments: readonly Fragment[] = [
    baseChains(),
    firewall(options),
    clusterIps(options),
    masquerade(options),
    hairpin(options),
    services(options),
    nodePorts(options),
    externalLocal(options),
    affinity(options),
    noEndpoints(options),
    picks(options),
  ]
  return {
    table: tableOf(options.family),
    sets: fragments.flatMap(({ sets = [] }) => sets),
    chains: fragments.flatMap(({ chains = [] }) => chains),
    rules: fragments.flatMap(({ rules = [] }) => rules),
  }
}
