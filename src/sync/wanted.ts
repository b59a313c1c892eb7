import { tableLayout } from '../dataplane/layout.ts'
import type { DataplaneOptions } from '../dataplane/options.ts'
import type { Warning } from '../kube/types.ts'
import type { ClusterModel } from '../model/cluster-model.ts'
import type { IpAddress } from '../model/ip.ts'
import type { NodeTopology } from '../model/topology.ts'
import { decodeElements } from '../nft/elements.ts'
import type { SetElement, TableContents } from '../nft/objects.ts'
import { clusterOf } from './cluster-of.ts'
import { Ledger } from './ledger.ts'
import { TableChange } from './table-change.ts'
import { atOnce } from './time-slices.ts'

/** The whole table as a first sync would make it, for showing and explaining. Equal models give equal tables. */
export function wantedTable(
  model: ClusterModel,
  node: NodeTopology,
  options: DataplaneOptions,
  nodePortIps: readonly IpAddress[] = [],
): { readonly contents: TableContents; readonly warnings: readonly Warning[] } {
  const layout = tableLayout(options)
  const changes = model.takeChanges()
  const ledger = new Ledger(options, layout.sets)
  const change = new TableChange()
  const conflicts = atOnce(ledger.update([...model.serviceKeys()].sort(), clusterOf(model, node), 0, change))
  ledger.updateServiceCidrs(model.serviceCidrs, change)
  ledger.updateNodePortIps(nodePortIps, change)
  const elements = new Map<string, readonly SetElement[]>()
  for (const operation of change.elementOperations(layout.table, layout.sets)) {
    if (operation.object === 'element') elements.set(operation.set.name, decodeElements(operation.elements))
  }
  return {
    contents: {
      ...layout,
      flowtables: [],
      chains: [...layout.chains, ...change.chains],
      rules: [...layout.rules, ...change.rules],
      elements,
    },
    warnings: [...changes.warnings, ...conflicts],
  }
}
