import type { Logger } from 'pino'
import type { DataplaneConfig } from '../config/dataplane-flags.ts'
import { tableOf } from '../dataplane/names.ts'
import { formatWarning } from '../kube/types.ts'
import type { ClusterModel } from '../model/cluster-model.ts'
import type { IpAddress } from '../model/ip.ts'
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
  /** Called after each sync that went well. */
  readonly onSync?: ((report: SyncReport) => void) | undefined
}

/** A sync runs at least this often, changes or not. */
export const maxSyncPeriodMs = 3_600_000

/** From the model of one family to its table: a syncer and the loop that runs it. */
export class Pipeline {
  readonly #options: PipelineOptions
  readonly #syncer: Syncer
  readonly #loop: SyncLoop

  constructor(options: PipelineOptions) {
    this.#options = options
    const { model, dataplane, facts, node, connection, minSyncPeriodMs, retryPeriodMs } = options
    this.#syncer = new Syncer({
      dataplane: dataplaneOptions(model.family, dataplane, facts),
      model,
      node,
      commit: (operations) => connection.commit(operations),
      readElements: (set) => elementsOf(connection, model, set),
      clock: systemClock,
    })
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
    this.#loop.request()
  }

  setNode(node: NodeTopology): void {
    this.#syncer.setNode(node)
  }

  /** Tells the addresses that this machine has now. */
  setAddresses(addresses: readonly IpAddress[]): void {
    const { model, dataplane, facts } = this.#options
    this.#syncer.setNodePortIps(selectNodePortIps(nodePortRanges(model.family, dataplane, facts), addresses))
  }

  close(): void {
    this.#options.connection.close()
  }

  async #sync(): Promise<boolean> {
    const { log, retryPeriodMs, model, onSync } = this.#options
    try {
      const report = await this.#syncer.sync()
      for (const warning of report.warnings) log.warn(formatWarning(warning))
      log.info(reportFields(report), report.isFull ? 'programmed' : 'synced')
      onSync?.(report)
      return true
    } catch (error) {
      const reason = error instanceof TransactionError ? error.message : error
      log.error({ family: model.family, err: reason }, `sync failed, retry in ${retryPeriodMs / 1000} s at the latest`)
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
