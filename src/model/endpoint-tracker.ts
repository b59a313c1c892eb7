import { isDeepStrictEqual } from 'node:util'
import { describeObject, objectKey, serviceNameLabel, triggerTimeAnnotation } from '../kube/types.ts'
import type { EndpointSlice, ObjectKey, Warning } from '../kube/types.ts'
import { serviceEndpoints, sliceWarnings } from './endpoint.ts'
import type { EndpointsByPort } from './endpoint.ts'
import type { Family } from './ip.ts'

const noEndpoints: EndpointsByPort = new Map()
const noSlices: readonly EndpointSlice[] = []
/** RFC 3339 with any number of fractional digits. */
const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/

export interface EndpointTrackerOptions {
  readonly family: Family
  readonly nodeName: string
  /** Trigger times before this one, in milliseconds since 1970, say nothing about this process. */
  readonly processStartMs: number
}

/** What changed since the last time. */
export interface EndpointChanges {
  readonly services: readonly ObjectKey[]
  /** Whether a Service concerned had or has endpoints of a UDP port. */
  readonly isConntrackCleanupNeeded: boolean
  /** When what the slices tell happened, in milliseconds since 1970, for the Services for which it is known. */
  readonly triggerTimes: ReadonlyMap<ObjectKey, readonly number[]>
  readonly warnings: readonly Warning[]
}

/** A slice that was told but not taken; undefined if it was removed. */
type PendingSlice = { readonly name: string; readonly slice: EndpointSlice | undefined }

/** Those of one Service. Mostly there is one, so a list is smaller than a map, and it is searched as fast. */
type PendingSlices = readonly PendingSlice[]

/**
 * The endpoints of all Services for one family, in two layers: what was last taken, and what has been told since. Only
 * slices are kept; a Service's endpoints are made of them when somebody asks, which is seldom but after a change.
 */
export class EndpointTracker {
  readonly #options: EndpointTrackerOptions
  readonly #slices = new Map<ObjectKey, readonly EndpointSlice[]>()
  readonly #pending = new Map<ObjectKey, PendingSlices>()
  /** The Service of each slice, in the latest layer. */
  readonly #serviceOf = new Map<ObjectKey, ObjectKey>()
  #triggerTimes = new Map<ObjectKey, number[]>()
  #warnings: Warning[] = []
  #changesTotal = 0
  #changesPending = 0

  constructor(options: EndpointTrackerOptions) {
    this.#options = options
  }

  /** Notifications so far about slices of the family, with or without effect. */
  get changesTotal(): number {
    return this.#changesTotal
  }

  /** Notifications with an effect that was not taken yet. */
  get changesPending(): number {
    return this.#changesPending
  }

  /** Whether this notification changed anything, be it only the resourceVersion. */
  set(slice: EndpointSlice): boolean {
    const key = objectKey(slice.metadata)
    const serviceName = slice.metadata.labels?.[serviceNameLabel] ?? ''
    if (slice.addressType !== this.#options.family) return this.#serviceOf.has(key) && this.delete(key)
    if (serviceName === '') {
      this.#warn(slice, `metadata.labels[${serviceNameLabel}]`, 'is missing; the slice belongs to no Service')
      return this.#serviceOf.has(key) && this.delete(key)
    }
    this.#changesTotal++
    const service = objectKey({ namespace: slice.metadata.namespace, name: serviceName })
    const formerService = this.#serviceOf.get(key)
    if (formerService !== undefined && formerService !== service) this.#remove(formerService, slice.metadata.name)
    const latest = this.#latest(service, slice.metadata.name)
    if (latest !== undefined && isDeepStrictEqual(latest, slice)) return false
    this.#serviceOf.set(key, service)
    this.#change(service, slice.metadata.name, slice)
    this.#warnings.push(...sliceWarnings(slice))
    this.#noteTriggerTime(service, slice)
    return true
  }

  /** Whether the slice was known. */
  delete(key: ObjectKey): boolean {
    const service = this.#serviceOf.get(key)
    if (service === undefined) return false
    this.#changesTotal++
    this.#serviceOf.delete(key)
    this.#remove(service, key.slice(key.indexOf('/') + 1))
    return true
  }

  /** Makes the pending slices the known ones. */
  take(): EndpointChanges {
    const warnings = this.#warnings
    const triggerTimes = this.#triggerTimes
    const services = [...this.#pending.keys()]
    let isConntrackCleanupNeeded = false
    for (const [service, pending] of this.#pending) {
      isConntrackCleanupNeeded ||= this.#hasUdpEndpoints(service)
      this.#apply(service, pending)
      isConntrackCleanupNeeded ||= this.#hasUdpEndpoints(service)
    }
    this.#pending.clear()
    this.#changesPending = 0
    this.#triggerTimes = new Map()
    this.#warnings = []
    return { services, isConntrackCleanupNeeded, triggerTimes, warnings }
  }

  /** As last taken. */
  endpoints(service: ObjectKey): EndpointsByPort {
    const slices = this.#slices.get(service)
    if (slices === undefined) return noEndpoints
    return serviceEndpoints(slices, this.#options.family, this.#options.nodeName)
  }

  #hasUdpEndpoints(service: ObjectKey): boolean {
    const slices = this.#slices.get(service) ?? noSlices
    const hasUdpPort = slices.some(({ ports }) => ports?.some(({ protocol }) => protocol === 'UDP'))
    return hasUdpPort && [...this.endpoints(service).keys()].some((key) => key.startsWith('udp:'))
  }

  #latest(service: ObjectKey, name: string): EndpointSlice | undefined {
    const pending = this.#pending.get(service)?.find((entry) => entry.name === name)
    if (pending !== undefined) return pending.slice
    return this.#slices.get(service)?.find((slice) => slice.metadata.name === name)
  }

  #remove(service: ObjectKey, name: string): void {
    this.#change(service, name)
    this.#triggerTimes.delete(service)
  }

  #change(service: ObjectKey, name: string, slice?: EndpointSlice): void {
    const others = this.#pending.get(service)?.filter((entry) => entry.name !== name) ?? []
    this.#pending.set(service, others.length === 0 ? [{ name, slice }] : [...others, { name, slice }])
    this.#changesPending++
  }

  #apply(service: ObjectKey, pending: PendingSlices): void {
    const kept = (this.#slices.get(service) ?? noSlices).filter(
      ({ metadata }) => !pending.some(({ name }) => name === metadata.name),
    )
    const slices = kept.concat(pending.flatMap(({ slice }) => slice ?? []))
    if (slices.length > 0) this.#slices.set(service, slices)
    else this.#slices.delete(service)
  }

  #noteTriggerTime(service: ObjectKey, slice: EndpointSlice): void {
    const text = slice.metadata.annotations?.[triggerTimeAnnotation]
    if (text === undefined) return
    const timeMs = rfc3339.test(text) ? Date.parse(text) : Number.NaN
    if (Number.isNaN(timeMs)) {
      this.#warn(slice, `metadata.annotations[${triggerTimeAnnotation}]`, `"${text}" is not an RFC 3339 time`)
    } else if (timeMs > this.#options.processStartMs) {
      const times = this.#triggerTimes.get(service) ?? []
      times.push(timeMs)
      this.#triggerTimes.set(service, times)
    }
  }

  #warn(slice: EndpointSlice, field: string, message: string): void {
    this.#warnings.push({ object: describeObject('EndpointSlice', slice.metadata), field, message })
  }
}
