import { frontendRoutes, type PlacedRoute } from '../dataplane/elements.ts'
import type { Frontend } from '../dataplane/frontend.ts'
import type { DataplaneOptions } from '../dataplane/options.ts'
import { type EndpointList, pickChainName } from '../dataplane/picks.ts'
import { assignSlots, keptEndpoints, type PackedSlots, unpackSlots } from '../dataplane/slots.ts'
import type { Protocol } from '../model/service-port.ts'
import type { TableChange } from './table-change.ts'

/** A frontend that a Service claims, and what it uses; without routes if it leads nowhere or another Service owns it. */
export type Placement = {
  readonly frontend: string
  readonly protocol: Protocol
  readonly routes: readonly UsedRoute[]
  /** The chain that records the clients, with session affinity. */
  readonly recordChain?: string
}

/** The endpoints of one list in their slots, and the chain that picks among them. */
type UsedRoute = { readonly list: EndpointList; readonly chain: string; readonly slots: PackedSlots }

/** The routes of a frontend with each endpoint in a slot, as near to where it was as can be. */
export function placeRoutes(
  frontend: Frontend,
  previous: Placement | undefined,
  options: DataplaneOptions,
): readonly PlacedRoute[] {
  return frontendRoutes(frontend, options).map((route) => {
    const before = previous?.routes.find(({ list }) => list === route.pick.list)?.slots ?? ''
    const slots = assignSlots(unpackSlots(before), route.endpoints)
    return { route, slots, chain: pickChainName({ ...route.pick, slotCount: slots.length }) }
  })
}

/** Counts what a Service's frontends lost, kept and gained, and notes the protocols whose clients may have to be let go. */
export function compareEndpoints(before: readonly Placement[], after: readonly Placement[], change: TableChange): void {
  if (before.length === 0) {
    change.endpointsAdded += endpointCount(after)
    return
  }
  const routesOf = new Map(after.map((placement) => [placement.frontend, placement]))
  let kept = 0
  for (const placement of before) {
    const now = routesOf.get(placement.frontend)
    for (const { list, slots: packed } of placement.routes) {
      const slots = unpackSlots(packed)
      const stayed = keptEndpoints(slots, unpackSlots(now?.routes.find((route) => route.list === list)?.slots ?? ''))
      kept += stayed
      const isStuckTo = placement.recordChain !== undefined
      if (isStuckTo && (stayed < slots.length || now?.recordChain === undefined)) change.unstuck.add(placement.protocol)
    }
  }
  change.endpointsRemoved += endpointCount(before) - kept
  change.endpointsAdded += endpointCount(after) - kept
}

function endpointCount(placements: readonly Placement[]): number {
  let count = 0
  for (const { routes } of placements) for (const { slots } of routes) count += unpackSlots(slots).length
  return count
}
