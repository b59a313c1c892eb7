import type { Logger } from 'pino'
import type { DataplaneConfig } from '../config/dataplane-flags.ts'
import { formatProblem } from '../kube/manifest-problem.ts'
import { ManifestSource } from '../kube/manifest-source.ts'
import { formatWarning, type ObjectEvent } from '../kube/types.ts'
import type { Family } from '../model/ip.ts'
import { NftConnection } from '../nft/connection.ts'
import { TransactionError } from '../nft/errors.ts'
import { systemClock } from '../sync/clock.ts'
import { SyncLoop } from '../sync/sync-loop.ts'
import { Syncer, type SyncReport } from '../sync/syncer.ts'
import { ClusterModels } from './cluster-models.ts'
import { dataplaneOptions } from './dataplane-options.ts'

export type ManifestAgentOptions = {
  /** A file or a directory. */
  readonly manifests: string
  readonly nodeName: string
  readonly families: readonly Family[]
  readonly dataplane: DataplaneConfig
  /** Shortest pause between two syncs, and how long after a failed one the next is tried. */
  readonly minSyncPeriodMs: number
  readonly retryPeriodMs: number
  readonly log: Logger
  /** Opens the connection to nf_tables for a family; by default in the network namespace of this process. */
  readonly connect?: () => NftConnection
  /** Called after each sync that went well. */
  readonly onSync?: (report: SyncReport) => void
}

/** A sync runs at least this often, changes or not. */
const maxSyncPeriodMs = 3_600_000

/** Keeps the kernel as a directory of manifests says. Rules stay in force when it is closed. */
export class ManifestAgent {
  readonly #options: ManifestAgentOptions
  readonly #models: ClusterModels
  readonly #source: ManifestSource
  readonly #stop = new AbortController()
  readonly #connections: NftConnection[] = []
  #pipelines: readonly { readonly syncer: Syncer; readonly loop: SyncLoop }[] = []
  #running: Promise<unknown> = Promise.resolve()
  #isSynced = false

  constructor(options: ManifestAgentOptions) {
    this.#options = options
    const { families, nodeName, log, manifests } = options
    this.#models = new ClusterModels({ families, nodeName, processStartMs: Date.now() })
    this.#source = new ManifestSource({
      path: manifests,
      onChanges: (events) => this.#apply(events),
      onSynced: () => {
        this.#isSynced = true
      },
      onProblem: (problem) => log[problem.severity === 'error' ? 'error' : 'warn'](formatProblem(problem)),
      signal: this.#stop.signal,
    })
  }

  /**
   * Reads the manifests and then programs the kernel for the first time; after that it follows changes by itself.
   * Resolves false, with nothing programmed, when the path could not be read. Throws NetlinkError without nf_tables.
   */
  async start(): Promise<boolean> {
    await this.#source.start()
    if (!this.#isSynced) return false
    this.#pipelines = this.#models.models.map((model) => {
      const connection = (this.#options.connect ?? (() => new NftConnection()))()
      this.#connections.push(connection)
      const syncer = new Syncer({
        dataplane: dataplaneOptions(model.family, this.#options.dataplane),
        model,
        node: this.#models.node,
        commit: (operations) => connection.commit(operations),
        clock: systemClock,
      })
      const loop = new SyncLoop({
        run: () => this.#sync(syncer, model.family),
        minIntervalMs: this.#options.minSyncPeriodMs,
        retryIntervalMs: this.#options.retryPeriodMs,
        maxIntervalMs: maxSyncPeriodMs,
        clock: systemClock,
      })
      return { syncer, loop }
    })
    this.#requestSync()
    this.#running = Promise.all(this.#pipelines.map(({ loop }) => loop.start(this.#stop.signal)))
    return true
  }

  /** Stops following; a sync that is going on is finished. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#source.close()
    await this.#running
    for (const connection of this.#connections) connection.close()
  }

  #apply(events: readonly ObjectEvent[]): void {
    const { isSyncNeeded, isNodeChanged } = this.#models.apply(events)
    if (isNodeChanged) for (const { syncer } of this.#pipelines) syncer.setNode(this.#models.node)
    if (isSyncNeeded) this.#requestSync()
  }

  #requestSync(): void {
    for (const { loop } of this.#pipelines) loop.request()
  }

  async #sync(syncer: Syncer, family: Family): Promise<boolean> {
    const { log, retryPeriodMs } = this.#options
    try {
      const report = await syncer.sync()
      for (const warning of report.warnings) log.warn(formatWarning(warning))
      log.info(reportFields(report), report.isFull ? 'programmed' : 'synced')
      this.#options.onSync?.(report)
      return true
    } catch (error) {
      const reason = error instanceof TransactionError ? error.message : error
      log.error({ family, err: reason }, `sync failed, retry in ${retryPeriodMs / 1000} s at the latest`)
      return false
    }
  }
}

/** One flat line for each sync: counts, and times in milliseconds. */
function reportFields({ commit, warnings, isFull, ...report }: SyncReport): Record<string, unknown> {
  const { operations, bytes, encodeMs, kernelMs } = commit
  return {
    ...report,
    full: isFull,
    warnings: warnings.length,
    operations,
    bytes,
    planMs: rounded(report.planMs),
    encodeMs: rounded(encodeMs),
    kernelMs: rounded(kernelMs),
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
