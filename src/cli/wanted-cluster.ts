import { ClusterModels } from '../agent/cluster-models.ts'
import { dataplaneOptions, type NodeFacts } from '../agent/dataplane-options.ts'
import { nodePortRanges, selectNodePortIps } from '../agent/node-port-addresses.ts'
import { dataplaneConfig } from '../config/dataplane-flags.ts'
import { fastpathTable } from '../dataplane/fastpath.ts'
import { fastpathLabelBit } from '../dataplane/names.ts'
import type { DataplaneOptions } from '../dataplane/options.ts'
import { formatProblem } from '../kube/manifest-problem.ts'
import { readManifests } from '../kube/manifests.ts'
import { formatWarning, type KubeObject } from '../kube/types.ts'
import type { ClusterModel } from '../model/cluster-model.ts'
import type { Family } from '../model/ip.ts'
import type { NodeTopology } from '../model/topology.ts'
import type { TableContents } from '../nft/objects.ts'
import { wantedTable } from '../sync/wanted.ts'
import { UsageError } from './failure.ts'
import { bindAddressOf, fastpathThresholdOf, type ManifestFlags, nodeNameOf } from './flags.ts'

/** What a node would be programmed with. */
export type WantedCluster = {
  readonly node: NodeTopology
  readonly facts: NodeFacts
  readonly tables: readonly WantedFamily[]
  /** 0 for none. */
  readonly fastpathThreshold: number
  /** The table of the fast path, with nothing in it that only the machine knows: interfaces and devices. */
  readonly fastpath: TableContents | undefined
}

export type WantedFamily = {
  readonly model: ClusterModel
  readonly options: DataplaneOptions
  readonly contents: TableContents
}

/**
 * Reads manifests and works out the tables, for commands that look once. Warnings go to standard error.
 * Throws ConfigError, and UsageError when a part cannot be read: half a ruleset is worse than none.
 */
export async function wantedCluster(flags: ManifestFlags, families: readonly Family[]): Promise<WantedCluster> {
  const dataplane = dataplaneConfig(flags)
  const fastpathThreshold = fastpathThresholdOf(flags)
  const models = new ClusterModels({ families, nodeName: nodeNameOf(flags), processStartMs: 0 })
  const objects = await readObjects(flags.manifests)
  models.apply(objects.map((object) => ({ type: 'set', object })))
  const label = fastpathThreshold === 0 ? {} : { fastpathLabelBit }
  const facts: NodeFacts = { ...models.facts(bindAddressOf(flags)), ...label }
  const tables = models.models.map((model): WantedFamily => {
    const options = dataplaneOptions(model.family, dataplane, facts)
    const nodePortIps = selectNodePortIps(nodePortRanges(model.family, dataplane, facts), Object.values(facts.ips))
    const { contents, warnings } = wantedTable(model, models.node, options, nodePortIps)
    for (const warning of warnings) complain(formatWarning(warning))
    return { model, options, contents }
  })
  return { node: models.node, facts, tables, fastpathThreshold, fastpath: fastpathOf(fastpathThreshold) }
}

function fastpathOf(threshold: number): TableContents | undefined {
  if (threshold === 0) return undefined
  return fastpathTable({ threshold, selection: 'label', interfaces: [], devices: [], noOffload: [], hasCounters: true })
}

async function readObjects(path: string): Promise<readonly KubeObject[]> {
  const { objects, problems } = await readManifests(path)
  const lines = (severity: 'error' | 'warning'): string[] =>
    problems.filter((problem) => problem.severity === severity).map(formatProblem)
  for (const line of lines('warning')) complain(line)
  const errors = lines('error')
  if (errors.length > 0) throw new UsageError(errors.join('\nflowproxy: '))
  return objects
}

function complain(line: string): void {
  process.stderr.write(`flowproxy: ${line}\n`)
}
