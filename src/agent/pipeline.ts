import type { Logger } from 'pino'
import type { DataplaneConfig } from '../config/dataplane-flags.ts'
import { tableOf } from '../dataplane/names.ts'
import { formatWarning } from '../kube/types.ts'
import type { ClusterModel } from '../model/cluster-model.ts'
import type { Family, IpAddress } from '../model/ip.ts'
import type { NodeTopology } from '../model/topology.ts'
import { NetlinkError } from '../netlink/errors.ts'
import { NftConnection } from '../nft/connection.ts'
import { readElements } from '../nft/dump.ts'
import { TransactionError } from '../nft/errors.ts'
import type { SetElement } from '../nft/objects.ts'
import { systemClock } from '../sync/clock.ts'
import { SyncLoop } from '../sync/sync-loop.ts'
import { Syncer, type SyncReport } from '../sync/syncer.ts'
import { dataplaneOptions, type NodeFacts } from './dataplane-options.ts'
import { nodePortRanges, selectNodePortIps } from './node-port-addresses.ts'

export type PipelineOptions = {
  readonly model: ClusterModel
  readonly dataplane: DataplaneConfig
  readonly node: NodeTopology
  readonly facts: NodeFacts
  /** Shortest pause between two syncs, and how long after a failed one the next is tried. */
  readonly minSyncPeriodMs: number
  readonly retryPeriodMs: number
  readonly log: Logger
  readonly connection: NftConnection
} & SyncListener

/** Who wants to know what becomes of syncs; nothing here may throw. */
export type SyncListener = {
  /** Called after each sync that went well; the next one waits for what it returns. */
  readonly onSync?: ((report: SyncReport, sync: EndedSync) => void | Promise<void>) | undefined
  readonly onSyncFailed?: ((sync: EndedSync) => void) | undefined
  /** Called with each request for a sync, also when one is due already. */
  readonly onSyncRequested?: ((family: Family) => void) | undefined
}

export type EndedSync = {
  readonly family: Family
  readonly isFull: boolean
  readonly durationMs: number
  /** Since the oldest request that it answers; undefined when nobody had asked. */
  readonly sinceRequestMs: number | undefined
}

/** A sync runs at least this often, changes or not. */
export const maxSyncPeriodMs = 3_600_000

/** From the model of one family to its table: a syncer and the loop that runs it. */
export class Pipeline {
  readonly #options: PipelineOptions
  readonly #loop: SyncLoop
  #facts: NodeFacts
  #addresses: readonly IpAddress[] = []
  #syncer: Syncer
  /** When the oldest request was made that no sync has answered. */
  #requestedAt: number | undefined

  constructor(options: PipelineOptions) {
    this.#options = options
    const { node, facts, minSyncPeriodMs, retryPeriodMs } = options
    this.#facts = facts
    this.#syncer = this.#newSyncer(node)
    this.#loop = new SyncLoop({
      run: () => this.#sync(),
      minIntervalMs: minSyncPeriodMs,
      retryIntervalMs: retryPeriodMs,
      maxIntervalMs: maxSyncPeriodMs,
      clock: systemClock,
    })
  }

  /** Runs until the signal is aborted. */
  start(signal: AbortSignal): Promise<void> {
    return this.#loop.start(signal)
  }

  requestSync(): void {
    this.#options.onSyncRequested?.(this.#options.model.family)
    this.#requestedAt ??= systemClock.now()
    this.#loop.request()
  }

  setNode(node: NodeTopology): void {
    this.#syncer.setNode(node)
  }

  /**
   * Tells what is known of the Node now. Whether the table is laid out in another way then, or has to be told other
   * addresses: the next sync does it, for a layout by making the table anew.
   */
  setFacts(facts: NodeFacts, node: NodeTopology): boolean {
    const { model, dataplane } = this.#options
    const concerns = (of: NodeFacts): string =>
      JSON.stringify([dataplaneOptions(model.family, dataplane, of), nodePortRanges(model.family, dataplane, of)])
    const isOther = concerns(facts) !== concerns(this.#facts)
    this.#facts = facts
    if (!isOther) return false
    this.#syncer = this.#newSyncer(node)
    this.setAddresses(this.#addresses)
    return true
  }

  /** Tells the addresses that this machine has now. */
  setAddresses(addresses: readonly IpAddress[]): void {
    this.#addresses = addresses
    this.#syncer.setNodePortIps(selectNodePortIps(this.#nodePortRanges, addresses))
  }

  close(): void {
    this.#options.connection.close()
  }

  get #nodePortRanges(): ReturnType<typeof nodePortRanges> {
    const { model, dataplane } = this.#options
    return nodePortRanges(model.family, dataplane, this.#facts)
  }

  #newSyncer(node: NodeTopology): Syncer {
    const { model, dataplane, connection } = this.#options
    return new Syncer({
      dataplane: dataplaneOptions(model.family, dataplane, this.#facts),
      model,
      node,
      commit: (operations) => connection.commit(operations),
      readElements: (set) => elementsOf(connection, model, set),
      clock: systemClock,
    })
  }

  async #sync(): Promise<boolean> {
    const { log, retryPeriodMs, model, onSync, onSyncFailed } = this.#options
    const { family } = model
    const [start, isFull, requestedAt] = [systemClock.now(), this.#syncer.isRebuildDue, this.#requestedAt]
    this.#requestedAt = undefined
    const ended = (isFull: boolean): EndedSync => {
      const now = systemClock.now()
      const sinceRequestMs = requestedAt === undefined ? undefined : now - requestedAt
      return { family, isFull, durationMs: now - start, sinceRequestMs }
    }
    try {
      const report = await this.#syncer.sync()
      for (const warning of report.warnings) log.warn(formatWarning(warning))
      const hasDone = report.isFull || report.commit.operations > 0
      log[hasDone ? 'info' : 'debug'](reportFields(report), report.isFull ? 'programmed' : 'synced')
      await onSync?.(report, ended(report.isFull))
      return true
    } catch (error) {
      const reason = error instanceof TransactionError ? error.message : error
      log.error({ family, err: reason }, `sync failed, retry in ${retryPeriodMs / 1000} s at the latest`)
      this.#requestedAt = requestedAt ?? this.#requestedAt
      onSyncFailed?.(ended(isFull))
      return false
    }
  }
}

/** There is no set before the first sync. */
async function elementsOf(
  connection: NftConnection,
  { family }: ClusterModel,
  set: string,
): Promise<readonly SetElement[]> {
  try {
    return await readElements(connection, tableOf(family), set)
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === 'ENOENT') return []
    throw error
  }
}

/** One flat line for each sync: counts, and times in milliseconds. */
function reportFields(report: SyncReport): Record<string, unknown> {
  const { operations, bytes, encodeMs, kernelMs } = report.commit
  return {
    family: report.family,
    full: report.isFull,
    servicesChanged: report.servicesChanged,
    services: report.services,
    endpointsAdded: report.endpointsAdded,
    endpointsRemoved: report.endpointsRemoved,
    elementsAdded: report.elementsAdded,
    elementsRemoved: report.elementsRemoved,
    warnings: report.warnings.length,
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
