import { type TableLayout, tableLayout } from '../dataplane/layout.ts'
import type { DataplaneOptions } from '../dataplane/options.ts'
import type { ObjectKey, Warning } from '../kube/types.ts'
import type { ClusterModel, ModelChanges } from '../model/cluster-model.ts'
import type { Family, IpAddress } from '../model/ip.ts'
import type { NodeTopology } from '../model/topology.ts'
import type { CommitReport } from '../nft/connection.ts'
import { TransactionError } from '../nft/errors.ts'
import { createTable, type Operation, removeTable } from '../nft/transaction.ts'
import { type ReadElements, readPins, releasePins, restorePins } from './affinity-pins.ts'
import type { Clock } from './clock.ts'
import { clusterOf } from './cluster-of.ts'
import { Ledger } from './ledger.ts'
import { TableChange } from './table-change.ts'
import { inSlices } from './time-slices.ts'

export type SyncerOptions = {
  readonly dataplane: DataplaneOptions
  readonly model: ClusterModel
  readonly node: NodeTopology
  /** Commits one transaction atomically; throws TransactionError. */
  readonly commit: (operations: readonly Operation[]) => Promise<CommitReport>
  /** Reads back what the kernel records by itself: the clients with session affinity. */
  readonly readElements: ReadElements
  readonly clock: Clock
}

/** What one sync did. */
export type SyncReport = {
  readonly family: Family
  /** The table was made anew. */
  readonly isFull: boolean
  /** Services that were looked at because they or their endpoints had changed. */
  readonly servicesChanged: number
  /** Services that have something in the table now. */
  readonly services: number
  /** Endpoints that frontends gained and lost. */
  readonly endpointsAdded: number
  readonly endpointsRemoved: number
  readonly elementsAdded: number
  readonly elementsRemoved: number
  /** Operations, bytes and times of the commit. */
  readonly commit: CommitReport
  /** Time to find out what to do. */
  readonly planMs: number
  readonly warnings: readonly Warning[]
  /** Chains that nobody uses could not be deleted. */
  readonly isCleanupFailed: boolean
  /** What the model said, also before syncs that failed. */
  readonly changes: Omit<ModelChanges, 'warnings'>
}

const noChanges: ModelChanges = {
  services: new Set(),
  warnings: [],
  isConntrackCleanupNeeded: false,
  triggerTimes: new Map(),
}

/** Keeps the table of one family as the model wants it. Not for concurrent calls: a sync loop makes them one by one. */
export class Syncer {
  readonly #options: SyncerOptions
  readonly #layout: TableLayout
  #node: NodeTopology
  /** Undefined until the table was made, and after a failure: then it is made anew. */
  #ledger: Ledger | undefined
  #isRebuildDue = false
  #isEverythingDue = false
  #nodePortIps: readonly IpAddress[] = []
  /** Of syncs that failed: nobody has seen their reports. */
  #untold = noChanges

  constructor(options: SyncerOptions) {
    this.#options = options
    this.#node = options.node
    this.#layout = tableLayout(options.dataplane)
  }

  /** Another name or zone of this Node may lead all Services to other endpoints: the next sync looks at each. */
  setNode(node: NodeTopology): void {
    this.#node = node
    this.#isEverythingDue = true
  }

  /** The addresses of this Node that take node ports; of no effect where all do. */
  setNodePortIps(ips: readonly IpAddress[]): void {
    this.#nodePortIps = ips
  }

  /** Whether the next sync makes the table anew: the first one, and one after a failure. */
  get isRebuildDue(): boolean {
    return this.#isRebuildDue || this.#ledger === undefined
  }

  /** The next sync makes the table anew, whatever is in the kernel. */
  requireRebuild(): void {
    this.#isRebuildDue = true
  }

  /**
   * Takes the model's changes and brings them into the kernel: all that packets notice in one transaction. The first
   * time, and after a failure, it replaces the whole table. Throws TransactionError: the kernel then goes on with what
   * it had.
   */
  async sync(): Promise<SyncReport> {
    const { model, clock } = this.#options
    const start = clock.now()
    const isCleanupFailed = !(await this.#deleteStaleChains(start))
    const { warnings, ...changes } = (this.#untold = both(this.#untold, model.takeChanges()))
    const known = this.#isRebuildDue ? undefined : this.#ledger
    this.#isRebuildDue = false
    const isFull = known === undefined
    const ledger = known ?? new Ledger(this.#options.dataplane, this.#layout.sets)
    // Until the commit is acknowledged ledger and kernel may differ. Should anything fail, what the kernel has is not
    // worth finding out: the next sync makes the table anew.
    this.#ledger = undefined
    const change = new TableChange()
    const services = this.#dueServices(isFull, changes.services)
    this.#isEverythingDue = false
    const conflicts = await inSlices(ledger.update(services, clusterOf(model, this.#node), start, change), clock)
    ledger.updateServiceCidrs(model.serviceCidrs, change)
    ledger.updateNodePortIps(this.#nodePortIps, change)
    const planMs = clock.now() - start
    const commit = isFull ? await this.#replaceTable(ledger, change) : await this.#changeTable(change)
    await this.#releaseClients(ledger, change)
    this.#ledger = ledger
    this.#untold = noChanges
    return {
      family: model.family,
      isFull,
      servicesChanged: changes.services.size,
      services: ledger.serviceCount,
      endpointsAdded: change.endpointsAdded,
      endpointsRemoved: change.endpointsRemoved,
      elementsAdded: change.elementsAdded,
      elementsRemoved: change.elementsRemoved,
      commit,
      planMs,
      warnings: [...warnings, ...conflicts],
      isCleanupFailed,
      changes,
    }
  }

  /** All that there are, and with a table that holds Services already those that are gone too. */
  #dueServices(isFull: boolean, changed: ReadonlySet<ObjectKey>): Iterable<ObjectKey> {
    const { model } = this.#options
    if (isFull) return model.serviceKeys()
    return this.#isEverythingDue ? [...changed, ...model.serviceKeys()] : changed
  }

  /** Replaces a table of an earlier run or of another program: in one transaction, so that no packet sees a gap. */
  async #replaceTable(ledger: Ledger, change: TableChange): Promise<CommitReport> {
    const { table, sets } = this.#layout
    const pins = await readPins(this.#options.readElements)
    return this.#options.commit([
      ...removeTable(table),
      ...createTable(this.#layout),
      ...change.chainOperations(table),
      ...change.elementOperations(table, sets),
      ...restorePins(pins, ledger, this.#options.dataplane, table, sets),
    ])
  }

  /**
   * Chains in a transaction of their own before the elements that lead to them: the kernel fixes for each packet at its
   * first rule which generation's rules it meets, but not which elements it finds. In one transaction a packet on its way
   * would find the new element and no rule in the new chain yet, and be refused.
   */
  async #changeTable(change: TableChange): Promise<CommitReport> {
    const { table, sets } = this.#layout
    const [chains, elements] = [change.chainOperations(table), change.elementOperations(table, sets)]
    if (chains.length === 0) return this.#options.commit(elements)
    const [before, after] = [await this.#options.commit(chains), await this.#options.commit(elements)]
    return {
      operations: before.operations + after.operations,
      bytes: before.bytes + after.bytes,
      encodeMs: before.encodeMs + after.encodeMs,
      kernelMs: before.kernelMs + after.kernelMs,
    }
  }

  /** After the commit, so that nobody is recorded anew for an endpoint that is gone. */
  async #releaseClients(ledger: Ledger, { unstuck }: TableChange): Promise<void> {
    if (unstuck.size === 0) return
    const { table, sets } = this.#layout
    const pins = await readPins(this.#options.readElements, unstuck)
    await this.#options.commit(releasePins(pins, ledger, this.#options.dataplane, table, sets))
  }

  /**
   * In a transaction of its own: should a reference linger, nothing but this deletion fails, and the next sync tries
   * again. Resolves false then. Another failure says that the table is not what we left: the sync that follows makes it anew.
   */
  async #deleteStaleChains(nowMs: number): Promise<boolean> {
    const sharedChains = this.#ledger?.sharedChains
    const names = sharedChains?.stale(nowMs) ?? []
    if (sharedChains === undefined || names.length === 0) return true
    const { table } = this.#layout
    try {
      await this.#options.commit(names.map((name): Operation => ({ verb: 'delete', object: 'chain', table, name })))
      for (const name of names) sharedChains.forget(name)
      return true
    } catch (error) {
      if (!(error instanceof TransactionError && error.errno === 'EBUSY')) this.#ledger = undefined
      return false
    }
  }
}

function both(earlier: ModelChanges, later: ModelChanges): ModelChanges {
  if (earlier === noChanges) return later
  const triggerTimes = new Map(earlier.triggerTimes)
  for (const [service, times] of later.triggerTimes) {
    triggerTimes.set(service, [...(triggerTimes.get(service) ?? []), ...times])
  }
  return {
    services: new Set([...earlier.services, ...later.services]),
    warnings: [...earlier.warnings, ...later.warnings],
    isConntrackCleanupNeeded: earlier.isConntrackCleanupNeeded || later.isConntrackCleanupNeeded,
    triggerTimes,
  }
}
