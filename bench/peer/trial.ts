import type { ClusterSize } from '../cluster.ts'

/** One proxy at one size: what bench/peer/measure.ts does, one part after the other. */
export type Trial = ClusterSize & {
  /** The proxy's program and its arguments; `--config FILE` comes after them. */
  readonly command: readonly string[]
  /** A start that takes longer is given up, and with it the trial. */
  readonly startPatienceMs: number
  /** Starts on an empty kernel, and again with nothing changed. Further ones are left out when the first was slow. */
  readonly starts: number
  /** How long the proxy is left alone before its memory counts as steady. */
  readonly idleMs: number
  readonly newServices: number
  readonly endpointChanges: number
  /** Endpoints that are replaced at once. */
  readonly rollingEndpoints: number
}

/**
 * A start of the process until the table has the cluster, and what was seen until a second after it. Child processes
 * count too.
 */
export type ProxyStart = {
  readonly readyMs: number
  readonly cpuMs: number
  /** What the API server computed meanwhile, on the same machine. */
  readonly serverCpuMs: number
  readonly peakBytes: number
  /** The longest that another user of nf_tables had to wait for its own transaction. */
  readonly longestLockMs: number
  /** The longest that /livez took to answer, asked every 20 ms. */
  readonly longestAnswerMs: number
}

/** From the write of a watch event to the kernel's notification of the commit that brought it. */
export type ChangeTimes = {
  readonly latenciesMs: readonly number[]
  /** Changes that the kernel did not notify of in time. */
  readonly unseen: number
}

export type RollingUpdate = {
  readonly endpoints: number
  /** From the first write to the notification of the last endpoint; undefined when one never came. */
  readonly totalMs: number | undefined
  readonly cpuMs: number
  readonly longestLockMs: number
}

/** How much of each there is in all tables of the proxy. */
export type TableObjects = { readonly chains: number; readonly rules: number; readonly sets: number }

export type Measured = {
  readonly outcome: 'measured'
  readonly coldStarts: readonly ProxyStart[]
  readonly restarts: readonly ProxyStart[]
  readonly objects: TableObjects
  /** Resident memory, and the longest wait for the lock, while the proxy had nothing to do. */
  readonly steadyBytes: number
  readonly idleLongestLockMs: number
  readonly newServices: ChangeTimes
  readonly endpointChanges: ChangeTimes
  readonly rollingUpdate: RollingUpdate
}

export type Failure =
  /** The kernel did not have the cluster in time: what was seen until then. */
  | { readonly outcome: 'timed out'; readonly afterMs: number; readonly peakBytes: number; readonly cpuMs: number }
  | { readonly outcome: 'failed'; readonly reason: string }

export type TrialResult = Measured | Failure
