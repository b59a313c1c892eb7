import { type Endpoint, endpointKey } from '../model/endpoint.ts'
import type { NodeTopology } from '../model/topology.ts'
import type { Destination } from './destination.ts'

/** An endpoint that gets nothing of this traffic, and why. */
export type UnusedEndpoint = { readonly endpoint: string; readonly reason: string }

/** The endpoints of a frontend that are not among the `used` ones (`ip:port`), each with the reason. */
export function unusedEndpoints(
  { endpoints, selection }: Extract<Destination, { kind: 'frontend' }>,
  used: ReadonlySet<string>,
  node: NodeTopology,
): readonly UnusedEndpoint[] {
  return endpoints
    .filter((endpoint) => !used.has(endpointKey(endpoint)))
    .map((endpoint) => ({ endpoint: endpointKey(endpoint), reason: reasonOf(endpoint, selection, node) }))
}

function reasonOf(
  endpoint: Endpoint,
  { cluster = [], topologyMode }: Extract<Destination, { kind: 'frontend' }>['selection'],
  node: NodeTopology,
): string {
  if (!endpoint.isReady) return readinessOf(endpoint)
  if (topologyMode === 'same-node' && !cluster.includes(endpoint)) {
    return `hints name ${listOf('node', endpoint.nodeHints)}, not ${node.name}`
  }
  if (topologyMode === 'same-zone' && !cluster.includes(endpoint)) {
    return `hints name ${listOf('zone', endpoint.zoneHints)}, this node is in ${node.zone ?? 'none'}`
  }
  if (!endpoint.isLocal) return `on ${endpoint.nodeName ?? 'an unknown node'}, and traffic policy Local keeps it here`
  return 'not for this traffic'
}

function readinessOf({ isServing, isTerminating }: Endpoint): string {
  if (isTerminating && isServing) return 'terminating, and others are ready'
  return isTerminating ? 'terminating and no longer serving' : 'not ready'
}

function listOf(what: string, names: readonly string[]): string {
  return `${what}${names.length === 1 ? '' : 's'} ${names.join(', ')}`
}
