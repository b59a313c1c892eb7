import type { Logger } from 'pino'
import type { DataplaneConfig } from '../config/dataplane-flags.ts'
import { maxSyncPeriodMs } from '../config/validation.ts'
import { tableOf } from '../dataplane/names.ts'
import { formatWarning, type ObjectKey } from '../kube/types.ts'
import type { ClusterModel } from '../model/cluster-model.ts'
import type { Family, IpAddress } from '../model/ip.ts'
import type { NodeTopology } from '../model/topology.ts'
import { NetlinkError } from '../netlink/errors.ts'
import type { NetlinkSocket } from '../netlink/socket.ts'
import { NftConnection } from '../nft/connection.ts'
import { readElements } from '../nft/dump.ts'
import { TransactionError } from '../nft/errors.ts'
import type { SetElement } from '../nft/objects.ts'
import { systemClock } from '../sync/clock.ts'
import type { FlowProtocol } from '../sync/flow-frontends.ts'
import { unlabelOptedOut } from '../sync/opted-out-flows.ts'
import { StaleFlows, type StaleFlowsReport } from '../sync/stale-flows.ts'
import { SyncLoop } from '../sync/sync-loop.ts'
import { Syncer, type SyncReport } from '../sync/syncer.ts'
import { dataplaneOptions, type NodeFacts } from './dataplane-options.ts'
import { healthCheckIps, nodePortIps, nodePortRanges, selectNodePortIps } from './node-port-addresses.ts'

export type PipelineOptions = {
  readonly model: ClusterModel
  readonly dataplane: DataplaneConfig
  readonly node: NodeTopology
  readonly facts: NodeFacts
  /** Shortest pause between two syncs, and how long after a failed one the next is tried. */
  readonly minSyncPeriodMs: number
  readonly retryPeriodMs: number
  /** TCP connections of the fast path are forgotten, and thereby reset, when their endpoint is gone. */
  readonly resetsFastpathTcp?: boolean | undefined
  readonly log: Logger
  readonly connection: NftConnection
  /** Of NETLINK_NETFILTER, for conntrack; closed with the pipeline, as the connection is. */
  readonly conntrack: NetlinkSocket
} & SyncListener

/** Who wants to know what becomes of syncs; nothing here may throw. */
export type SyncListener = {
  /** Called after each sync that went well. */
  readonly onSync?: ((report: SyncReport, sync: EndedSync) => void) | undefined
  readonly onSyncFailed?: ((sync: EndedSync) => void) | undefined
  /** Called after each search for flows that had become stale. */
  readonly onFlowsReconciled?: ((report: StaleFlowsReport) => void) | undefined
  /** Called when connections are in the flow table whose Service has opted out; they go on undisturbed if all leave it. */
  readonly onOptedOutFlows?: ((count: number) => void) | undefined
  /** Called with the addresses on which load balancers may ask for a Service's health, when they may be others than before. */
  readonly onHealthCheckIps?: ((family: Family, ips: 'all' | readonly IpAddress[]) => void) | undefined
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

/** From the model of one family to its table: a syncer and the loop that runs it. */
export class Pipeline {
  readonly #options: PipelineOptions
  readonly #loop: SyncLoop
  #facts: NodeFacts
  #addresses: readonly IpAddress[] = []
  #syncer: Syncer
  readonly #staleFlows: readonly StaleFlows[]
  /** What was last wrong with the search for stale flows of a protocol, so that it is logged once. */
  readonly #flowsProblems = new Map<FlowProtocol, string | undefined>()
  /** When the oldest request was made that no sync has answered. */
  #requestedAt: number | undefined

  constructor(options: PipelineOptions) {
    this.#options = options
    const { model, node, facts, conntrack, resetsFastpathTcp = false, minSyncPeriodMs, retryPeriodMs } = options
    const protocols: readonly FlowProtocol[] = resetsFastpathTcp ? ['udp', 'tcp'] : ['udp']
    this.#facts = facts
    this.#syncer = this.#newSyncer(node)
    this.#staleFlows = protocols.map(
      (protocol) => new StaleFlows({ model, protocol, socket: conntrack, clock: systemClock }),
    )
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

  /** The addresses of this machine that take node ports. */
  get nodePortIps(): readonly IpAddress[] {
    return nodePortIps(this.#options.model.family, this.#nodePortRanges, this.#addresses)
  }

  /** Tells the addresses that this machine has now. */
  setAddresses(addresses: readonly IpAddress[]): void {
    this.#addresses = addresses
    const ranges = this.#nodePortRanges
    this.#syncer.setNodePortIps(selectNodePortIps(ranges, addresses))
    const { family } = this.#options.model
    for (const flows of this.#staleFlows) flows.setNodePortIps(this.nodePortIps)
    this.#options.onHealthCheckIps?.(family, healthCheckIps(family, ranges, addresses))
  }

  close(): void {
    this.#options.connection.close()
    for (const flows of this.#staleFlows) flows.close()
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
      // A sync that failed may have said that it is needed.
      const { isFull, changes } = report
      const isDue = {
        udp: isFull || changes.isConntrackCleanupNeeded,
        // A terminating endpoint that goes in the end changes nothing in the table.
        tcp: isFull || changes.services.size > 0,
      }
      await this.#unlabelOptedOut(changes.services)
      for (const flows of this.#staleFlows) await this.#reconcileFlows(flows, isDue[flows.protocol])
      onSync?.(report, ended(report.isFull))
      return true
    } catch (error) {
      const reason = error instanceof TransactionError ? error.message : error
      log.error({ family, err: reason }, `sync failed, retry in ${retryPeriodMs / 1000} s at the latest`)
      this.#requestedAt = requestedAt ?? this.#requestedAt
      onSyncFailed?.(ended(isFull))
      return false
    }
  }

  /** Never makes a sync fail. With the option to reset them these connections are among the stale ones. */
  async #unlabelOptedOut(services: Iterable<ObjectKey>): Promise<void> {
    const { log, model, conntrack, resetsFastpathTcp, onOptedOutFlows } = this.#options
    const { fastpathLabelBit } = this.#facts
    if (fastpathLabelBit === undefined || resetsFastpathTcp === true) return
    try {
      const left = await unlabelOptedOut(model, services, this.nodePortIps, conntrack, fastpathLabelBit)
      if (left > 0) onOptedOutFlows?.(left)
    } catch (error) {
      log.error({ family: model.family, err: error }, 'connections of Services that opted out stay in the fast path')
    }
  }

  /** Never makes a sync fail: the table is right, whatever old flows do. */
  async #reconcileFlows(flows: StaleFlows, isCleanupNeeded: boolean): Promise<void> {
    const { log, model, onFlowsReconciled } = this.#options
    const { protocol } = flows
    const name = protocol.toUpperCase()
    try {
      const report = await flows.reconcile(isCleanupNeeded)
      if (report === undefined) return
      onFlowsReconciled?.(report)
      const { family, deleted, durationMs, isWhole, failure } = report
      const level = deleted > 0 ? 'info' : 'debug'
      log[level]({ family, deleted, durationMs: rounded(durationMs), whole: isWhole }, `stale ${name} flows forgotten`)
      this.#noteFlowsProblem(protocol, failure?.message)
    } catch (error) {
      if (error instanceof NetlinkError) this.#noteFlowsProblem(protocol, error.message)
      else log.error({ family: model.family, err: error }, `stale ${name} flows not found`)
    }
  }

  #noteFlowsProblem(protocol: FlowProtocol, problem: string | undefined): void {
    const { log, model } = this.#options
    if (problem !== undefined && problem !== this.#flowsProblems.get(protocol)) {
      const message = `stale ${protocol.toUpperCase()} flows stay; the next sync tries again`
      log.error({ family: model.family, err: problem }, message)
    }
    this.#flowsProblems.set(protocol, problem)
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
