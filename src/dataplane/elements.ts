/** The elements of one Service: all that the table holds of it. */
import type { Endpoint } from '../model/endpoint.ts'
import type { SetElement } from '../nft/objects.ts'
import { clusterIpElement } from './cluster-ips.ts'
import type { Frontend, ServiceFrontends } from './frontend.ts'
import { hairpinElement } from './hairpin.ts'
import { endpointsMapName, setNames } from './names.ts'
import { noEndpointElement } from './no-endpoints.ts'
import { slotElements } from './picks.ts'
import { serviceIpElement } from './services.ts'

/** An element and the name of its set. */
export type Placed = { readonly set: string; readonly element: SetElement }

/** The sets in which several Services may want the same element; it is there as long as any of them does. */
export const sharedSets: ReadonlySet<string> = new Set([setNames.clusterIps, setNames.hairpinConnections])

/** What one service port has whoever owns its frontends: its cluster IP and its hairpin connections. */
export function portElements({ servicePort, localEndpoints }: ServiceFrontends): Placed[] {
  return [
    { set: setNames.clusterIps, element: clusterIpElement(servicePort) },
    ...localEndpoints.map((endpoint) => ({
      set: setNames.hairpinConnections,
      element: hairpinElement(endpoint, servicePort.protocol),
    })),
  ]
}

/** What one frontend has; `slots` are its endpoints in their places, for the treatment `pick`. */
export function frontendElements(frontend: Frontend, slots: readonly Endpoint[]): Placed[] {
  const { kind } = frontend.treatment
  if (kind !== 'pick') return [{ set: setNames.noEndpointServices, element: noEndpointElement(frontend, kind) }]
  const set = endpointsMapName(frontend.protocol)
  return [
    { set: setNames.serviceIps, element: serviceIpElement(frontend, slots.length) },
    ...slotElements(frontend, slots).map((element) => ({ set, element })),
  ]
}
