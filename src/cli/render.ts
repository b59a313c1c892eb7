import { ClusterModels } from '../agent/cluster-models.ts'
import { dataplaneOptions } from '../agent/dataplane-options.ts'
import { nodePortRanges, selectNodePortIps } from '../agent/node-port-addresses.ts'
import { dataplaneConfig } from '../config/dataplane-flags.ts'
import { formatProblem } from '../kube/manifest-problem.ts'
import { readManifests } from '../kube/manifests.ts'
import { formatWarning } from '../kube/types.ts'
import { renderTable } from '../nft/render.ts'
import { wantedTable } from '../sync/wanted.ts'
import { UsageError } from './failure.ts'
import { type ManifestFlags, nodeNameOf } from './flags.ts'

/**
 * Prints the tables of both families. Warnings go to standard error; text that cannot be read is an error, since half
 * a ruleset is worse than none.
 */
export async function render(flags: ManifestFlags): Promise<void> {
  const dataplane = dataplaneConfig(flags)
  const { objects, problems } = await readManifests(flags.manifests)
  const warn = (line: string): void => void process.stderr.write(`flowproxy: ${line}\n`)
  const errors = problems.filter(({ severity }) => severity === 'error')
  for (const problem of problems.filter(({ severity }) => severity === 'warning')) warn(formatProblem(problem))
  if (errors.length > 0) throw new UsageError(errors.map(formatProblem).join('\nflowproxy: '))
  const models = new ClusterModels({ families: ['IPv4', 'IPv6'], nodeName: nodeNameOf(flags), processStartMs: 0 })
  models.apply(objects.map((object) => ({ type: 'set', object })))
  for (const model of models.models) {
    const facts = models.facts(flags.bindAddress)
    const options = dataplaneOptions(model.family, dataplane, facts)
    const nodePortIps = selectNodePortIps(nodePortRanges(model.family, dataplane, facts), Object.values(facts.ips))
    const { contents, warnings } = wantedTable(model, models.node, options, nodePortIps)
    for (const warning of warnings) warn(formatWarning(warning))
    process.stdout.write(renderTable(contents))
  }
}
