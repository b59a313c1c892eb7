/** The elements of one Service: all that the table holds of it. */
import type { Endpoint } from '../model/endpoint.ts'
import { goto } from '../nft/expressions.ts'
import type { SetElement } from '../nft/objects.ts'
import { affinityElement } from './affinity.ts'
import { clusterIpElement } from './cluster-ips.ts'
import { firewallElements } from './firewall.ts'
import { type Frontend, frontendKey, type ServiceFrontends } from './frontend.ts'
import { hairpinElement } from './hairpin.ts'
import { chainNames, setNames } from './names.ts'
import { noEndpointElement } from './no-endpoints.ts'
import type { DataplaneOptions } from './options.ts'
import { endpointsMapName, type EndpointList, type Pick, slotElements, staysOnSlowPath } from './picks.ts'

/** An element and the name of its set. */
export type Placed = { readonly set: string; readonly element: SetElement }

/** The sets in which several Services may want the same element; it is there as long as any of them does. */
export const sharedSets: ReadonlySet<string> = new Set([setNames.clusterIps, setNames.hairpinConnections])

/** One way from a frontend to endpoints: the verdict map that holds it, and what the pick chain is to be like. */
export type Route = {
  readonly map: string
  readonly endpoints: readonly Endpoint[]
  readonly pick: Omit<Pick, 'slotCount'>
}

/** A route whose endpoints have their places, and the chain that picks among them. */
export type PlacedRoute = { readonly route: Route; readonly slots: readonly Endpoint[]; readonly chain: string }

/** What one service port has whoever owns its frontends: its cluster IP and its hairpin connections. */
export function addPortElements({ servicePort, localEndpoints }: ServiceFrontends, to: Placed[]): void {
  to.push({ set: setNames.clusterIps, element: clusterIpElement(servicePort) })
  for (const endpoint of localEndpoints) {
    to.push({ set: setNames.hairpinConnections, element: hairpinElement(endpoint, servicePort.protocol) })
  }
}

/** The ways from a frontend to endpoints: none where it is rejected or dropped. */
export function frontendRoutes(frontend: Frontend, options: DataplaneOptions): readonly Route[] {
  const { kind, protocol, treatment, affinityTimeoutSeconds } = frontend
  const hasAffinity = affinityTimeoutSeconds > 0
  const isSlowPath = staysOnSlowPath(frontend, options)
  const isIp = kind === 'ip'
  const route = (map: string, list: EndpointList, endpoints: readonly Endpoint[], isMasqueraded: boolean): Route => {
    return { map, endpoints, pick: { kind, protocol, list, isMasqueraded, hasAffinity, isSlowPath } }
  }
  switch (treatment.kind) {
    case 'pick':
      return [route(dispatchMap(frontend), 'all', treatment.endpoints, treatment.isMasqueraded)]
    case 'external-local': {
      const { cluster, local } = treatment
      const toCluster = isIp ? setNames.externalClusterIps : setNames.externalClusterNodePorts
      const toLocal = isIp ? setNames.externalLocalIps : setNames.externalLocalNodePorts
      return [
        route(toCluster, 'all', cluster, false),
        ...(local.length === 0 ? [] : [route(toLocal, 'local', local, false)]),
      ]
    }
    case 'reject':
    case 'drop':
      return []
  }
}

/** What one frontend has; `routes` are its routes, placed. */
export function addFrontendElements(
  frontend: Frontend,
  routes: readonly PlacedRoute[],
  { servicePort }: ServiceFrontends,
  options: DataplaneOptions,
  to: Placed[],
): void {
  to.push(...answerElements(frontend))
  for (const route of routes) addRouteElements(frontend, route, to)
  if (frontend.affinityTimeoutSeconds > 0 && routes.length > 0) to.push(affinityElement(frontend))
  if (frontend.sourceRanges.length > 0) {
    to.push(...firewallElements(frontend, servicePort.loadBalancerIps, options.nodeIp))
  }
}

/** Where a new connection is sent first when no pick chain follows at once. */
function answerElements(frontend: Frontend): Placed[] {
  const { treatment, kind, owner } = frontend
  switch (treatment.kind) {
    case 'pick':
      return []
    case 'external-local': {
      const chain = kind === 'ip' ? chainNames.externalLocal : chainNames.externalLocalNodePort
      const element = { key: frontendKey(frontend), verdict: goto(chain), comment: owner }
      return [
        { set: dispatchMap(frontend), element },
        // Who is not short-circuited finds no endpoint, keeps the destination, and meets this in the filter hooks.
        ...(treatment.local.length === 0 ? [noEndpointElement(frontend, 'drop')] : []),
      ]
    }
    case 'reject':
    case 'drop':
      return [noEndpointElement(frontend, treatment.kind)]
  }
}

function addRouteElements(frontend: Frontend, { route: { map, pick }, slots, chain }: PlacedRoute, to: Placed[]): void {
  const key = frontendKey(frontend)
  to.push({ set: map, element: { key, verdict: goto(chain), comment: frontend.owner } })
  const set = endpointsMapName(pick)
  // The key begins with the address; protocol and port are eight bytes.
  const ip = frontend.kind === 'ip' ? key.subarray(0, key.length - 8) : undefined
  for (const element of slotElements(frontend, ip, slots)) to.push({ set, element })
}

function dispatchMap({ kind }: Frontend): string {
  return kind === 'ip' ? setNames.serviceIps : setNames.serviceNodePorts
}
