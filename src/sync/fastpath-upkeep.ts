import { fastpathTableRef } from '../dataplane/names.ts'
import type { TableContents } from '../nft/objects.ts'
import type { Clock } from './clock.ts'
import { elementChanges, installation, isFastpathTable, isIntact, recreation } from './fastpath-batches.ts'
import type { FastpathKernel } from './fastpath-kernel.ts'

export type FastpathUpkeepOptions = {
  readonly kernel: Pick<FastpathKernel, 'commit' | 'readTable'>
  readonly clock: Pick<Clock, 'now'>
  /** The whole table for these interfaces. */
  readonly wantedTable: (interfaces: readonly string[]) => TableContents
}

/** What `ensure` found or made. */
export type EnsuredTable = {
  readonly state: 'found' | 'made' | 'made anew' | 'foreign'
  /** Of the flowtable. */
  readonly members: ReadonlySet<string>
}

/** Everything is compared with the kernel so often. */
export const compareEveryMs = 60_000
/** The flowtable is made anew at most so often. */
const recreateEveryMs = 60_000

/** The table of the fast path but for its flowtable's devices: what the kernel has of it, and gets. */
export class FastpathUpkeep {
  readonly #options: FastpathUpkeepOptions
  /** What the table has; undefined when that is not known: then it is made, around the flowtable that is there. */
  #committed: TableContents | undefined
  #interfaces: readonly string[] = []
  #comparedAt = -Infinity
  #recreatedAt = -Infinity
  #isRecreationDue = false

  constructor(options: FastpathUpkeepOptions) {
    this.#options = options
  }

  /** Those that the rule asks for. */
  get interfaces(): readonly string[] {
    return this.#interfaces
  }

  /** All flows shall leave the flow table when it is looked at next, unless they did within the last minute. */
  requireRecreation(): void {
    this.#isRecreationDue = true
  }

  /** What the kernel has now is not known. */
  forget(): void {
    this.#committed = undefined
  }

  /**
   * Makes the table where it is not as it was left; with these interfaces, which the members of the flowtable serve.
   * These are undefined where there is no flowtable. Throws TransactionError and NetlinkError.
   */
  async ensure(members: ReadonlySet<string> | undefined, served: readonly string[]): Promise<EnsuredTable> {
    const { kernel, clock } = this.#options
    const nowMs = clock.now()
    const isRecreating = this.#isRecreationDue && nowMs - this.#recreatedAt >= recreateEveryMs
    const isKnown = this.#committed !== undefined && nowMs - this.#comparedAt < compareEveryMs
    if (members !== undefined && isKnown && !isRecreating) return { state: 'found', members }
    const existing = await kernel.readTable(fastpathTableRef)
    if (existing !== undefined && !isFastpathTable(existing)) return { state: 'foreign', members: new Set() }
    this.#comparedAt = nowMs
    if (existing !== undefined && isRecreating) return this.#recreate(existing)
    const isUntouched = existing !== undefined && this.#committed !== undefined && isIntact(existing, this.#committed)
    if (isUntouched && members !== undefined) return { state: 'found', members }
    const wanted = this.#options.wantedTable(served)
    await kernel.commit(installation(existing, wanted))
    this.#setCommitted(wanted, served)
    return { state: 'made', members: members ?? new Set() }
  }

  /** Brings these interfaces, and what else became of the sets, into the kernel. Throws TransactionError. */
  async setInterfaces(interfaces: readonly string[]): Promise<void> {
    const wanted = this.#options.wantedTable(interfaces)
    const operations = elementChanges(this.#committed ?? wanted, wanted)
    if (operations.length > 0) await this.#options.kernel.commit(operations)
    this.#setCommitted(wanted, interfaces)
  }

  async #recreate(existing: TableContents): Promise<EnsuredTable> {
    const { kernel, clock, wantedTable } = this.#options
    const wanted = wantedTable([])
    await kernel.commit(recreation(existing, wanted))
    this.#isRecreationDue = false
    this.#recreatedAt = clock.now()
    this.#setCommitted(wanted, [])
    return { state: 'made anew', members: new Set() }
  }

  #setCommitted(contents: TableContents, interfaces: readonly string[]): void {
    this.#committed = contents
    this.#interfaces = interfaces
  }
}
