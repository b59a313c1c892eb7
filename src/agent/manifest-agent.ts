import type { Logger } from 'pino'
import type { DataplaneConfig } from '../config/dataplane-flags.ts'
import { formatProblem } from '../kube/manifest-problem.ts'
import { ManifestSource } from '../kube/manifest-source.ts'
import type { ObjectEvent } from '../kube/types.ts'
import type { Family } from '../model/ip.ts'
import { NftConnection } from '../nft/connection.ts'
import type { SyncReport } from '../sync/syncer.ts'
import { AddressWatcher } from './address-watcher.ts'
import { ClusterModels } from './cluster-models.ts'
import { Pipeline } from './pipeline.ts'

export type ManifestAgentOptions = {
  /** A file or a directory. */
  readonly manifests: string
  readonly nodeName: string
  readonly families: readonly Family[]
  readonly dataplane: DataplaneConfig
  /** Addresses that stand for the Node's own of their family. */
  readonly bindAddress?: string
  /** Shortest pause between two syncs, and how long after a failed one the next is tried. */
  readonly minSyncPeriodMs: number
  readonly retryPeriodMs: number
  readonly log: Logger
  /** Runs what opens sockets; by default they are of the network namespace of this process. */
  readonly inNamespace?: <T>(open: () => T) => T
  /** Called after each sync that went well. */
  readonly onSync?: (report: SyncReport) => void
}

/** Keeps the kernel as a directory of manifests says. Rules stay in force when it is closed. */
export class ManifestAgent {
  readonly #options: ManifestAgentOptions
  readonly #models: ClusterModels
  readonly #source: ManifestSource
  readonly #stop = new AbortController()
  #addresses: AddressWatcher | undefined
  #pipelines: readonly Pipeline[] = []
  #running: Promise<unknown> = Promise.resolve()
  #isSynced = false
  #hasUnreadable = false

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
      onProblem: (problem) => {
        if (problem.severity === 'error') this.#hasUnreadable = true
        log[problem.severity === 'error' ? 'error' : 'warn'](formatProblem(problem))
      },
      signal: this.#stop.signal,
    })
  }

  /**
   * Reads the manifests, begins to program the kernel, and from then on follows changes by itself.
   * Resolves false, and will program nothing, when the path, or a file there, could not be read. Throws NetlinkError without nf_tables.
   */
  async start(): Promise<boolean> {
    await this.#source.start()
    // What a file says that cannot be read may be in force from an earlier run: without it the table would lose that.
    if (!this.#isSynced || this.#hasUnreadable) return false
    const { inNamespace = (open) => open(), bindAddress } = this.#options
    this.#pipelines = this.#models.models.map(
      (model) =>
        new Pipeline({
          ...this.#options,
          model,
          node: this.#models.node,
          facts: this.#models.facts(bindAddress),
          connection: inNamespace(() => new NftConnection()),
        }),
    )
    this.#addresses = inNamespace(() => new AddressWatcher((addresses) => this.#setAddresses(addresses)))
    await this.#addresses.start()
    this.#requestSync()
    this.#running = Promise.all(this.#pipelines.map((pipeline) => pipeline.start(this.#stop.signal)))
    return true
  }

  /** Stops following; a sync that is going on is finished. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#source.close()
    this.#addresses?.close()
    await this.#running
    for (const pipeline of this.#pipelines) pipeline.close()
  }

  #apply(events: readonly ObjectEvent[]): void {
    const { isSyncNeeded, isNodeChanged } = this.#models.apply(events)
    if (isNodeChanged) for (const pipeline of this.#pipelines) pipeline.setNode(this.#models.node)
    if (isSyncNeeded) this.#requestSync()
  }

  #setAddresses(addresses: Parameters<Pipeline['setAddresses']>[0]): void {
    for (const pipeline of this.#pipelines) pipeline.setAddresses(addresses)
    this.#requestSync()
  }

  #requestSync(): void {
    for (const pipeline of this.#pipelines) pipeline.requestSync()
  }
}
