import { isDeepStrictEqual } from 'node:util'
import { formatWarning, objectKey } from '../kube/types.ts'
import type { ObjectKey, Service, Warning } from '../kube/types.ts'
import type { Family } from './ip.ts'
import { servicePorts } from './service-port.ts'
import type { ServicePort } from './service-port.ts'

const noPorts: readonly ServicePort[] = []
const noWarnings: readonly Warning[] = []

/** What changed since the last time. */
export interface ServiceChanges {
  readonly services: readonly ObjectKey[]
  /** Whether a Service concerned had or has a UDP port. */
  readonly isConntrackCleanupNeeded: boolean
  /** Those that are new. */
  readonly warnings: readonly Warning[]
}

/**
 * The ports of all Services for one family, in two layers: what was last taken, and what has been told since. Only what
 * differs is pending, so a change that is undone before it is taken leaves nothing behind.
 */
export class ServiceTracker {
  readonly #family: Family
  readonly #usesExternalIps: boolean
  readonly #ports = new Map<ObjectKey, readonly ServicePort[]>()
  readonly #pending = new Map<ObjectKey, readonly ServicePort[]>()
  /** What is wrong now with those Services that have anything wrong. */
  readonly #warnings = new Map<ObjectKey, readonly Warning[]>()
  readonly #unreported = new Set<ObjectKey>()
  #changesTotal = 0

  constructor(family: Family, usesExternalIps = true) {
    this.#family = family
    this.#usesExternalIps = usesExternalIps
  }

  /** Notifications so far, with or without effect. */
  get changesTotal(): number {
    return this.#changesTotal
  }

  /** Services that differ from what was last taken. */
  get changesPending(): number {
    return this.#pending.size
  }

  /** Whether any Service, not only this one, differs from what was last taken. */
  set(service: Service): boolean {
    const { ports, warnings } = servicePorts(service, this.#family, this.#usesExternalIps)
    return this.#update(objectKey(service.metadata), ports, warnings)
  }

  /** As `set`. */
  delete(key: ObjectKey): boolean {
    return this.#update(key, noPorts, noWarnings)
  }

  /** Makes the pending ports the known ones. */
  take(): ServiceChanges {
    const services = [...this.#pending.keys()]
    let isConntrackCleanupNeeded = false
    for (const [key, ports] of this.#pending) {
      isConntrackCleanupNeeded ||= hasUdpPort(this.ports(key)) || hasUdpPort(ports)
      if (ports.length > 0) this.#ports.set(key, ports)
      else this.#ports.delete(key)
    }
    const warnings = [...this.#unreported].flatMap((key) => this.#warnings.get(key) ?? noWarnings)
    this.#pending.clear()
    this.#unreported.clear()
    return { services, isConntrackCleanupNeeded, warnings }
  }

  /** As last taken. */
  ports(key: ObjectKey): readonly ServicePort[] {
    return this.#ports.get(key) ?? noPorts
  }

  /** The Services that have ports, as last taken. */
  keys(): Iterable<ObjectKey> {
    return this.#ports.keys()
  }

  #update(key: ObjectKey, ports: readonly ServicePort[], warnings: readonly Warning[]): boolean {
    this.#changesTotal++
    const known = this.ports(key)
    if (ports.length === known.length && isDeepStrictEqual(ports, known)) this.#pending.delete(key)
    else this.#pending.set(key, ports)
    this.#noteWarnings(key, warnings)
    return this.#pending.size > 0
  }

  #noteWarnings(key: ObjectKey, warnings: readonly Warning[]): void {
    if (warnings.length === 0) {
      this.#warnings.delete(key)
      return
    }
    const known = this.#warnings.get(key) ?? noWarnings
    this.#warnings.set(key, warnings)
    if (known.map(formatWarning).join('\n') !== warnings.map(formatWarning).join('\n')) this.#unreported.add(key)
  }
}

function hasUdpPort(ports: readonly ServicePort[]): boolean {
  return ports.some(({ protocol }) => protocol === 'udp')
}
