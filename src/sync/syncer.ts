import { type TableLayout, tableLayout } from '../dataplane/layout.ts'
import type { DataplaneOptions } from '../dataplane/options.ts'
import type { Warning } from '../kube/types.ts'
import type { ClusterModel } from '../model/cluster-model.ts'
import type { Family } from '../model/ip.ts'
import type { NodeTopology } from '../model/topology.ts'
import type { CommitReport } from '../nft/connection.ts'
import { TransactionError } from '../nft/errors.ts'
import { createTable, type Operation, removeTable } from '../nft/transaction.ts'
import type { Clock } from './clock.ts'
import { clusterOf } from './cluster-of.ts'
import { Ledger } from './ledger.ts'
import { TableChange } from './table-change.ts'

export type SyncerOptions = {
  readonly dataplane: DataplaneOptions
  readonly model: ClusterModel
  readonly node: NodeTopology
  /** Commits one transaction atomically; throws TransactionError. */
  readonly commit: (operations: readonly Operation[]) => Promise<CommitReport>
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
}

/** Keeps the table of one family as the model wants it. Not for concurrent calls: a sync loop makes them one by one. */
export class Syncer {
  readonly #options: SyncerOptions
  readonly #layout: TableLayout
  #node: NodeTopology
  /** Undefined until the table was made, and after a failure: then it is made anew. */
  #ledger: Ledger | undefined
  #isEverythingDue = false

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

  /** The next sync makes the table anew, whatever is in the kernel. */
  requireRebuild(): void {
    this.#ledger = undefined
  }

  /**
   * Takes the model's changes and brings them into the kernel in one transaction. The first time, and after a failure,
   * the whole table is replaced. Throws TransactionError: the kernel then goes on with what it had.
   */
  async sync(): Promise<SyncReport> {
    const { model, clock } = this.#options
    const start = clock.now()
    const changes = model.takeChanges()
    const isFull = this.#ledger === undefined
    const ledger = this.#ledger ?? new Ledger(this.#options.dataplane, this.#layout.sets)
    // Until the commit is acknowledged ledger and kernel may differ. Should anything fail, what the kernel has is not
    // worth finding out: the next sync makes the table anew.
    this.#ledger = undefined
    const change = new TableChange()
    const isAllDue = isFull || this.#isEverythingDue
    this.#isEverythingDue = false
    // Those that are gone are among the changes only.
    const services = isAllDue ? [...changes.services, ...model.serviceKeys()] : changes.services
    const conflicts = ledger.update(services, clusterOf(model, this.#node), start, change)
    ledger.updateServiceCidrs(model.serviceCidrs, change)
    const operations = [
      ...(isFull ? this.#emptyTable() : []),
      ...change.operations(this.#layout.table, this.#layout.sets),
    ]
    const planMs = clock.now() - start
    const commit = await this.#options.commit(operations)
    this.#ledger = ledger
    await this.#deleteStaleChains(ledger)
    return {
      family: model.family,
      isFull,
      servicesChanged: changes.services.size,
      services: ledger.serviceCount,
      endpointsAdded: change.endpointsAdded,
      endpointsRemoved: change.endpointsBefore - change.endpointsKept,
      elementsAdded: change.elementsAdded,
      elementsRemoved: change.elementsRemoved,
      commit,
      planMs,
      warnings: [...changes.warnings, ...conflicts],
    }
  }

  /** Replaces a table of an earlier run or of another program: in the same transaction, so that no packet sees a gap. */
  #emptyTable(): Operation[] {
    return [...removeTable(this.#layout.table), ...createTable(this.#layout)]
  }

  /** In a transaction of its own: should a reference linger, nothing but this deletion fails, and the next sync tries again. */
  async #deleteStaleChains({ pickChains }: Ledger): Promise<void> {
    const names = pickChains.stale(this.#options.clock.now())
    if (names.length === 0) return
    const { table } = this.#layout
    try {
      await this.#options.commit(names.map((name): Operation => ({ verb: 'delete', object: 'chain', table, name })))
      for (const name of names) pickChains.forget(name)
    } catch (error) {
      if (!(error instanceof TransactionError && error.errno === 'EBUSY')) this.#ledger = undefined
    }
  }
}
