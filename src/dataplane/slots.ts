import { endpointKey, type Endpoint } from '../model/endpoint.ts'

/**
 * The endpoint keys in the order of their slots, as one string with spaces between: what is remembered of endpoints that
 * were placed. There may be 250,000; one object for each would cost five times as much.
 */
export type PackedSlots = string

export function packSlots(slots: readonly Endpoint[]): PackedSlots {
  return slots.map(endpointKey).join(' ')
}

export function unpackSlots(packed: PackedSlots): readonly string[] {
  return packed === '' ? [] : packed.split(' ')
}

/**
 * Gives every endpoint a slot from 0 to N-1; `previous` are the keys of those that had one. Those that had one below N keep it; the others fill the holes, first the
 * ones that had a slot. So one endpoint added is one slot written, and one removed is one slot moved and one deleted.
 */
export function assignSlots(previous: readonly string[], wanted: readonly Endpoint[]): readonly Endpoint[] {
  if (previous.length === 0) return wanted
  const homeless = new Map(wanted.map((endpoint) => [endpointKey(endpoint), endpoint]))
  const slots: (Endpoint | undefined)[] = Array.from({ length: wanted.length })
  const displaced: Endpoint[] = []
  for (const [slot, key] of previous.entries()) {
    const endpoint = homeless.get(key)
    if (endpoint === undefined) continue
    homeless.delete(key)
    if (slot < slots.length) slots[slot] = endpoint
    else displaced.push(endpoint)
  }
  const waiting = [...displaced, ...homeless.values()].values()
  return slots.map((endpoint) => endpoint ?? next(waiting))
}

/** How many keys are in both lists. */
export function keptEndpoints(before: readonly string[], after: readonly string[]): number {
  if (before.length === 0 || after.length === 0) return 0
  const keys = new Set(before)
  return after.filter((key) => keys.has(key)).length
}

function next(endpoints: Iterator<Endpoint>): Endpoint {
  const { value, done } = endpoints.next()
  if (done === true) throw new RangeError('fewer endpoints than slots')
  return value
}
