import type { ClusterSize } from '../cluster.ts'

/** What one measurement does, one part after the other, with one proxy against one API server. */
export type Scenario = ClusterSize & {
  /** The proxy's program and its arguments; `--config FILE` comes after them. */
  readonly command: readonly string[]
  readonly isTls: boolean
  /** As in the configuration file: `1ms`, `1s`. */
  readonly minSyncPeriod: string
  /** How often the proxy is started on an empty kernel, and how often again with nothing changed. */
  readonly coldStarts: number
  readonly restarts: number
  /** 0 leaves a part out. */
  readonly idleSeconds: number
  readonly singleChanges: number
  readonly loadSeconds: number
}

/** Endpoint changes in each second of the load. */
export const loadRatePerSecond = 100

export type StartResult = {
  /** From the start of the process until the kernel had all Services. */
  readonly programmedMs: number
  /** From the start of the process to its first request of objects at the API server. */
  readonly firstRequestMs: number
  /** From the start of the process to the first answer of /livez; infinite without one. */
  readonly firstAnswerMs: number
  /** The longest that /livez took to answer, asked every 20 ms. */
  readonly longestAnswerMs: number
  /** Highest resident memory of the proxy and its child processes. */
  readonly peakBytes: number
  /** What the proxy and its child processes computed until then, and the API server. */
  readonly cpuMs: number
  readonly serverCpuMs: number
}

/** From the write of a watch event to the kernel's notification of the commit that brought it. */
export type ChangesResult = {
  readonly latenciesMs: readonly number[]
  /** Changes that the kernel never notified of. */
  readonly unseen: number
}

export type ScenarioResult = {
  readonly coldStarts: readonly StartResult[]
  readonly restarts: readonly StartResult[]
  readonly idle?: { readonly settlingCpuMs: number; readonly residentBytes: number; readonly cpuPercent: number }
  readonly singleChanges?: ChangesResult
  readonly load?: ChangesResult & { readonly cpuPercent: number; readonly residentBytes: number }
}

/** After a start, so long until the program is said to be at rest. */
export const settleSeconds = 20
