import type { Endpoint } from './endpoint.ts'
import { usesClusterEndpoints, usesLocalEndpoints } from './service-port.ts'
import type { ServicePort } from './service-port.ts'

/** This Node, as far as it decides which endpoints it uses. */
export interface NodeTopology {
  /** The name by which EndpointSlices know the Node; without it Node hints are passed over. */
  readonly name: string
  /** Label topology.kubernetes.io/zone. */
  readonly zone?: string | undefined
}

/** By which hints the ready endpoints were narrowed (KEP-2433, KEP-3015). */
export type TopologyMode = 'none' | 'same-node' | 'same-zone'

/** Why all ready endpoints are used although some have hints. */
export type UnusedHints =
  | 'some-missing' // at least one ready endpoint has no hint
  | 'zone-unknown' // the Node has no zone label
  | 'other-zones' // no endpoint is meant for this Node or its zone

/** Where the traffic of one service port may go from this Node. */
export interface EndpointSelection {
  /** For policy Cluster; absent when no traffic of the port has this policy. */
  readonly cluster: readonly Endpoint[] | undefined
  /** For policy Local; absent when no traffic of the port has this policy. */
  readonly local: readonly Endpoint[] | undefined
  /** All that this Node may send to. */
  readonly reachable: readonly Endpoint[]
  /** Whether any Node has a usable endpoint, even if this one may not send to it. */
  readonly isAnyUsable: boolean
  readonly topologyMode: TopologyMode
  readonly unusedHints: UnusedHints | undefined
  /** No endpoint is ready, and `cluster` holds those that still serve while they terminate (KEP-1669). */
  readonly isClusterTerminating: boolean
  /** The same for `local`. */
  readonly isLocalTerminating: boolean
}

/** Selects by readiness, traffic policies and topology hints. The order of the lists is the order of `endpoints`. */
export function selectEndpoints(
  port: ServicePort,
  endpoints: readonly Endpoint[],
  node: NodeTopology,
): EndpointSelection {
  const ready = filtered(endpoints, (endpoint) => endpoint.isReady)
  const topology = chooseTopology(ready, node)
  const cluster = usesClusterEndpoints(port) ? clusterEndpoints(endpoints, ready, topology.eligible) : undefined
  const local = usesLocalEndpoints(port) ? localEndpoints(endpoints) : undefined
  return {
    cluster: cluster?.list,
    local: local?.list,
    reachable: reachable(endpoints, cluster, local, topology.mode),
    isAnyUsable: (cluster?.list.length ?? 0) > 0 || (local !== undefined && endpoints.some(isUsable)),
    topologyMode: cluster === undefined ? 'none' : topology.mode,
    unusedHints: cluster === undefined ? undefined : topology.unusedHints,
    isClusterTerminating: cluster?.isTerminating ?? false,
    isLocalTerminating: local?.isTerminating ?? false,
  }
}

/** Endpoints that are neither ready nor terminating in good order are never sent to. */
function isUsable(endpoint: Endpoint): boolean {
  return endpoint.isReady || isServingTerminating(endpoint)
}

function isServingTerminating(endpoint: Endpoint): boolean {
  return endpoint.isServing && endpoint.isTerminating
}

interface Candidates {
  readonly list: readonly Endpoint[]
  readonly isTerminating: boolean
}

/** Terminating endpoints are the last resort, whatever their hints. */
function clusterEndpoints(
  endpoints: readonly Endpoint[],
  ready: readonly Endpoint[],
  eligible: readonly Endpoint[],
): Candidates {
  if (ready.length > 0) return { list: eligible, isTerminating: false }
  const terminating = filtered(endpoints, isServingTerminating)
  return { list: terminating, isTerminating: terminating.length > 0 }
}

/** Hints never narrow what is on this Node anyway. */
function localEndpoints(endpoints: readonly Endpoint[]): Candidates {
  const local = filtered(endpoints, (endpoint) => endpoint.isLocal)
  const ready = filtered(local, (endpoint) => endpoint.isReady)
  if (ready.length > 0) return { list: ready, isTerminating: false }
  const terminating = filtered(local, isServingTerminating)
  return { list: terminating, isTerminating: terminating.length > 0 }
}

function reachable(
  endpoints: readonly Endpoint[],
  cluster: Candidates | undefined,
  local: Candidates | undefined,
  mode: TopologyMode,
): readonly Endpoint[] {
  if (cluster === undefined || local === undefined) return (cluster ?? local)?.list ?? []
  // Without narrowing and fallbacks the local endpoints are among the cluster's.
  if (mode === 'none' && !local.isTerminating) return cluster.list
  const either = new Set([...cluster.list, ...local.list])
  return filtered(endpoints, (endpoint) => either.has(endpoint))
}

interface Topology {
  readonly mode: TopologyMode
  readonly eligible: readonly Endpoint[]
  readonly unusedHints: UnusedHints | undefined
}

/** A mode needs a hint on every ready endpoint, and one that means this Node; the Node comes before the zone. */
function chooseTopology(ready: readonly Endpoint[], { name, zone = '' }: NodeTopology): Topology {
  const forNode = narrowed(ready, name, (endpoint) => endpoint.nodeHints)
  if (forNode !== undefined) return { mode: 'same-node', eligible: forNode, unusedHints: undefined }
  const forZone = narrowed(ready, zone, (endpoint) => endpoint.zoneHints)
  if (forZone !== undefined) return { mode: 'same-zone', eligible: forZone, unusedHints: undefined }
  return { mode: 'none', eligible: ready, unusedHints: unusedHints(ready, zone) }
}

/** The endpoints whose hints name the target, if all have hints and any does. */
function narrowed(
  ready: readonly Endpoint[],
  target: string,
  hints: (endpoint: Endpoint) => readonly string[],
): readonly Endpoint[] | undefined {
  if (target === '' || !ready.every((endpoint) => hints(endpoint).length > 0)) return undefined
  const meant = filtered(ready, (endpoint) => hints(endpoint).includes(target))
  return meant.length > 0 ? meant : undefined
}

function unusedHints(ready: readonly Endpoint[], zone: string): UnusedHints | undefined {
  if (!ready.some((endpoint) => endpoint.zoneHints.length + endpoint.nodeHints.length > 0)) return undefined
  const isComplete = (hints: (endpoint: Endpoint) => readonly string[]): boolean =>
    ready.every((endpoint) => hints(endpoint).length > 0)
  if (isComplete((endpoint) => endpoint.zoneHints)) return zone === '' ? 'zone-unknown' : 'other-zones'
  return isComplete((endpoint) => endpoint.nodeHints) ? 'other-zones' : 'some-missing'
}

/** The list itself when nothing is filtered out, which is the rule. */
function filtered(endpoints: readonly Endpoint[], isWanted: (endpoint: Endpoint) => boolean): readonly Endpoint[] {
  return endpoints.every(isWanted) ? endpoints : endpoints.filter(isWanted)
}
