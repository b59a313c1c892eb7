import type { Family } from '../model/ip.ts'
import type { Clock } from '../sync/clock.ts'

export type ProxyHealthOptions = {
  /** The families that have to be programmed before the proxy is ready. */
  readonly families: readonly Family[]
  /** A requested sync may take twice as long before its family is unhealthy. */
  readonly syncPeriodMs: number
  /** Without need of a Node object the Node is eligible as long as nothing is known against it. */
  readonly isNodeNeeded: boolean
  readonly clock: Pick<Clock, 'now'>
  /** The time of day, for what is told to others. */
  readonly wallClock: () => Date
}

/** What we read of a Node object. */
export type NodeObject = {
  readonly metadata: { readonly deletionTimestamp?: string | undefined }
  readonly spec?: { readonly taints?: readonly { readonly key: string }[] | undefined } | undefined
}

/** With any value and effect. */
const autoscalerTaint = 'ToBeDeletedByClusterAutoscaler'

export type FamilyHealth = {
  readonly family: Family
  readonly lastUpdated: Date
  readonly isHealthy: boolean
  /** How long the oldest request has waited; 0 when none does. */
  readonly pendingMs: number
}

export type HealthReport = {
  readonly currentTime: Date
  /** Of the family that was updated last; undefined when none ever was. */
  readonly lastUpdated: Date | undefined
  readonly isHealthy: boolean
  /** Why the Node shall get no new connections; undefined when it may. */
  readonly nodeProblem: string | undefined
  /** Those whose loop has started. */
  readonly families: readonly FamilyHealth[]
}

type FamilyState = { lastUpdated: Date; pendingSinceMs: number | undefined }

/**
 * Whether the kernel follows the cluster. Failures do not count by themselves: a family is unhealthy when something
 * that it was asked for has waited too long.
 */
export class ProxyHealth {
  readonly #options: ProxyHealthOptions
  readonly #states = new Map<Family, FamilyState>()
  readonly #programmed = new Set<Family>()
  #node: NodeObject | undefined

  constructor(options: ProxyHealthOptions) {
    this.#options = options
  }

  /** Counts as a sync that went well, so that a proxy whose lists are still loading is healthy. */
  loopStarted(family: Family): void {
    this.#updated(family)
  }

  syncRequested(family: Family): void {
    const state = this.#states.get(family)
    if (state !== undefined) state.pendingSinceMs ??= this.#options.clock.now()
  }

  /** A sync programmed the kernel. */
  syncDone(family: Family): void {
    this.#updated(family)
    this.#programmed.add(family)
  }

  /** What the Node object says now. One that is gone keeps what it said last. */
  setNode(node: NodeObject): void {
    this.#node = node
  }

  /** Whether each family has been programmed at least once. */
  get isReady(): boolean {
    return this.#options.families.every((family) => this.#programmed.has(family))
  }

  /** The families that have to be programmed, and whether they have been. */
  get programmed(): ReadonlyMap<Family, boolean> {
    return new Map(this.#options.families.map((family) => [family, this.#programmed.has(family)]))
  }

  /** No family has kept a request waiting for too long. */
  get isHealthy(): boolean {
    return [...this.#states.values()].every((state) => this.#isInTime(state))
  }

  report(): HealthReport {
    const families = (['IPv4', 'IPv6'] as const).flatMap((family) => this.#familyHealth(family))
    const times = families.map(({ lastUpdated }) => lastUpdated.getTime())
    return {
      currentTime: this.#options.wallClock(),
      lastUpdated: times.length === 0 ? undefined : new Date(Math.max(...times)),
      isHealthy: this.isHealthy,
      nodeProblem: this.#nodeProblem(),
      families,
    }
  }

  #updated(family: Family): void {
    this.#states.set(family, { lastUpdated: this.#options.wallClock(), pendingSinceMs: undefined })
  }

  #familyHealth(family: Family): FamilyHealth[] {
    const state = this.#states.get(family)
    if (state === undefined) return []
    return [
      { family, lastUpdated: state.lastUpdated, isHealthy: this.#isInTime(state), pendingMs: this.#pendingMs(state) },
    ]
  }

  #isInTime(state: FamilyState): boolean {
    return this.#pendingMs(state) < 2 * this.#options.syncPeriodMs
  }

  #pendingMs({ pendingSinceMs }: FamilyState): number {
    return pendingSinceMs === undefined ? 0 : this.#options.clock.now() - pendingSinceMs
  }

  #nodeProblem(): string | undefined {
    const node = this.#node
    if (node === undefined) return this.#options.isNodeNeeded ? 'no Node object is known' : undefined
    if (node.metadata.deletionTimestamp !== undefined) return 'the Node is being deleted'
    const isDoomed = node.spec?.taints?.some(({ key }) => key === autoscalerTaint) ?? false
    return isDoomed ? 'the cluster autoscaler is about to delete the Node' : undefined
  }
}
