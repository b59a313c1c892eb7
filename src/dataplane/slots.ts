import { endpointKey, type Endpoint } from '../model/endpoint.ts'

/**
 * Gives every endpoint a slot from 0 to N-1. Those that had one below N keep it; the others fill the holes, first the
 * ones that had a slot. So one endpoint added is one slot written, and one removed is one slot moved and one deleted.
 */
export function assignSlots(previous: readonly Endpoint[], wanted: readonly Endpoint[]): readonly Endpoint[] {
  if (previous.length === 0) return wanted
  const homeless = new Map(wanted.map((endpoint) => [endpointKey(endpoint), endpoint]))
  const slots: (Endpoint | undefined)[] = Array.from({ length: wanted.length })
  const displaced: Endpoint[] = []
  for (const [slot, before] of previous.entries()) {
    const key = endpointKey(before)
    const endpoint = homeless.get(key)
    if (endpoint === undefined) continue
    homeless.delete(key)
    if (slot < slots.length) slots[slot] = endpoint
    else displaced.push(endpoint)
  }
  const waiting = [...displaced, ...homeless.values()].values()
  return slots.map((endpoint) => endpoint ?? next(waiting))
}

/** How many endpoints are in both lists. */
export function keptEndpoints(before: readonly Endpoint[], after: readonly Endpoint[]): number {
  if (before.length === 0 || after.length === 0) return 0
  const keys = new Set(before.map(endpointKey))
  return after.filter((endpoint) => keys.has(endpointKey(endpoint))).length
}

function next(endpoints: Iterator<Endpoint>): Endpoint {
  const { value, done } = endpoints.next()
  if (done === true) throw new RangeError('fewer endpoints than slots')
  return value
}
