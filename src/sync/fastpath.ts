import { fastpathNames, fastpathTableRef } from '../dataplane/names.ts'
import { NetlinkError } from '../netlink/errors.ts'
import type { Link } from '../netlink/link.ts'
import type { PlacedFlowtable } from '../nft/dump.ts'
import type { TableContents } from '../nft/objects.ts'
import type { Clock } from './clock.ts'
import { isFastpathTable, removal } from './fastpath-batches.ts'
import { type DevicePlan, planDevices, servedInterfaces } from './fastpath-devices.ts'
import type { FastpathKernel } from './fastpath-kernel.ts'
import { changeMembers, type FlowtableRef, membersOf, otherFlowtables } from './fastpath-members.ts'
import { type FastpathCapabilities, probeFastpath } from './fastpath-probe.ts'
import { type FastpathSample, sampleFastpath } from './fastpath-sample.ts'
import { type FastpathStatus, unknownStatus } from './fastpath-status.ts'
import { compareEveryMs, FastpathUpkeep } from './fastpath-upkeep.ts'
import { SyncLoop } from './sync-loop.ts'

export type FastpathOptions = {
  /** False: only the table of an earlier run is removed. */
  readonly isEnabled: boolean
  /** Which interfaces take part, as `interfaceChoice` takes them. */
  readonly patterns: readonly string[]
  /** The wanted table with its one flowtable; asked with every run, since more than the parts may decide. */
  readonly wantedTable: (parts: FastpathParts) => TableContents
  readonly hasTunnelOffload: boolean
  /** Closed with the fast path. */
  readonly kernel: FastpathKernel
  readonly clock: Clock
  /** Called with what somebody should know; nothing here may throw. */
  readonly onNote: (note: FastpathNote) => void
  /** Called after each run. */
  readonly onSync?: ((durationMs: number) => void) | undefined
}

/** What the wanted table depends on. */
export type FastpathParts = {
  readonly interfaces: readonly string[]
  readonly capabilities: FastpathCapabilities
}

export type FastpathNote = { readonly level: 'info' | 'warn' | 'error'; readonly message: string }

const flowtable: FlowtableRef = { table: fastpathTableRef, name: fastpathNames.flowtable }

/** A link is looked at so long after it changed at the latest, together with all that changed meanwhile. */
const lookEveryMs = 200
/** Pause between two looks at links. */
const minIntervalMs = 1_000
const retryIntervalMs = 5_000

/**
 * Keeps the fast path's table and the devices of its flowtable as the links of this machine are. It has a loop and
 * transactions of its own: whatever becomes of them, nobody waits for it. Running flows stay in the flow table all the
 * while, also when another process takes over.
 */
export class Fastpath {
  readonly #options: FastpathOptions
  readonly #loop: SyncLoop
  readonly #upkeep: FastpathUpkeep
  /** Aborted when there is nothing left to remove. */
  readonly #removed = new AbortController()
  #capabilities: FastpathCapabilities | undefined
  #probing: Promise<FastpathCapabilities> | undefined
  /** By name: the kernel's reason, and the link that it was said of. */
  readonly #refused = new Map<string, { readonly reason: string; readonly index: number }>()
  /** What is wrong with devices, as it was told. */
  #told: ReadonlySet<string> = new Set()
  #status: FastpathStatus

  constructor(options: FastpathOptions) {
    this.#options = options
    this.#status = { ...unknownStatus, state: options.isEnabled ? 'starting' : 'off' }
    const { kernel, clock, wantedTable } = options
    this.#upkeep = new FastpathUpkeep({
      kernel,
      clock,
      wantedTable: (interfaces) => wantedTable({ interfaces, capabilities: this.#capabilities ?? noCapabilities }),
    })
    this.#loop = new SyncLoop({
      run: () => this.#run(),
      minIntervalMs,
      retryIntervalMs,
      maxIntervalMs: compareEveryMs,
      clock,
    })
  }

  get status(): FastpathStatus {
    return this.#status
  }

  /** What this kernel can do, tried once. Never rejects. */
  probe(): Promise<FastpathCapabilities> {
    this.#probing ??= this.#probe()
    return this.#probing
  }

  /** Works until the signal is aborted; the table stays. Never rejects. */
  async start(signal: AbortSignal): Promise<void> {
    const { isEnabled } = this.#options
    if (isEnabled && !(await this.probe()).hasFlowtables) return
    this.#loop.request()
    const stopLooking = isEnabled ? this.#lookAtLinks() : () => {}
    await this.#loop.start(AbortSignal.any([signal, this.#removed.signal]))
    stopLooking()
  }

  /** The wanted table may be another one now. */
  requestSync(): void {
    this.#loop.request()
  }

  /**
   * All flows shall leave the flow table; most come back with their next packet. Some of them must not, and cannot be
   * deleted alone: since they shall go on, or because the kernel refuses it (EBUSY, without 9b7c68b3911a of Linux 6.4).
   * It is made anew with the next run, but not more than once a minute.
   */
  requireRecreation(): void {
    this.#upkeep.requireRecreation()
    this.#loop.request()
  }

  /** What only the kernel knows. Throws NetlinkError. */
  sample(): Promise<FastpathSample> {
    return sampleFastpath(this.#options.kernel)
  }

  /** Releases the sockets, when a probe that may be going on has ended. `start` must have returned or never been called. */
  async close(): Promise<void> {
    await this.#probing
    this.#options.kernel.close()
  }

  async #probe(): Promise<FastpathCapabilities> {
    const capabilities = await probeFastpath(this.#options.kernel).catch((error: unknown): FastpathCapabilities => ({
      hasFlowtables: false,
      hasCounters: false,
      hasLabels: false,
      reason: (error as Error).message,
    }))
    this.#capabilities = capabilities
    this.#status = { ...this.#status, capabilities }
    if (!capabilities.hasFlowtables) {
      this.#status = { ...this.#status, state: 'unsupported', reason: capabilities.reason }
      this.#note(
        'info',
        `this kernel has no flow tables, so all connections go through the rules: ${capabilities.reason}`,
      )
    }
    return capabilities
  }

  #lookAtLinks(): () => void {
    const { clock, kernel } = this.#options
    let cancel = (): void => {}
    const look = (): void => {
      cancel = clock.schedule(lookEveryMs, look)
      if (this.#hasLinkNews(kernel)) this.#loop.request()
    }
    look()
    return () => cancel()
  }

  /** Where notifications cannot be read, the slow comparison has to do. */
  #hasLinkNews(kernel: FastpathKernel): boolean {
    try {
      return kernel.hasLinkNews()
    } catch {
      return false
    }
  }

  /** Resolves whether all is as wanted. */
  async #run(): Promise<boolean> {
    const { isEnabled, clock, onSync } = this.#options
    this.#status = { ...this.#status, syncs: this.#status.syncs + 1 }
    const start = clock.now()
    try {
      return isEnabled ? await this.#reconcile() : await this.#remove()
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === 'EINTR') return this.#lookAgain()
      // What the kernel has now is not known.
      this.#upkeep.forget()
      return this.#fail('failing', error instanceof Error ? error.message : String(error))
    } finally {
      onSync?.(clock.now() - start)
    }
  }

  /** Links came and went so fast that no listing was whole. */
  #lookAgain(): true {
    this.#loop.request()
    return true
  }

  async #remove(): Promise<boolean> {
    const { kernel } = this.#options
    const existing = await kernel.readTable(fastpathTableRef)
    if (existing !== undefined && isFastpathTable(existing)) {
      await kernel.commit(removal(existing))
      this.#note('info', `the ${tableText} of an earlier run is removed: all connections go through the rules`)
    }
    this.#removed.abort()
    return true
  }

  async #reconcile(): Promise<boolean> {
    const { kernel } = this.#options
    const links = await kernel.links()
    const plan = this.#plan(links)
    const before = membersOf(await kernel.flowtables(), flowtable)
    const { state, members } = await this.#upkeep.ensure(before, servedInterfaces(plan, before ?? new Set()))
    if (state === 'foreign') return this.#fail('blocked', foreignTable)
    if (state === 'made anew') this.#noteRecreation()
    // The rule never admits a path whose devices are not all members: it gives up interfaces before their devices are
    // removed, and takes on new ones after theirs were added.
    const served = new Set(servedInterfaces(plan, members))
    await this.#upkeep.setInterfaces(this.#upkeep.interfaces.filter((name) => served.has(name)))
    await changeMembers(kernel, 'delete', flowtable, difference(members, plan.devices))
    const refused = await changeMembers(kernel, 'add', flowtable, difference(plan.devices, members))
    for (const { name, index } of links) {
      const errno = refused.get(name)
      if (errno !== undefined) this.#refused.set(name, { reason: errno, index })
    }
    return this.#conclude(plan, await kernel.flowtables())
  }

  async #conclude(plan: DevicePlan, flowtables: readonly PlacedFlowtable[]): Promise<boolean> {
    const members = membersOf(flowtables, flowtable) ?? new Set()
    await this.#upkeep.setInterfaces(servedInterfaces(plan, members))
    const missing = difference(plan.devices, members).filter((name) => !this.#refused.has(name))
    const others = otherFlowtables(flowtables, flowtable, plan.devices)
    const wasActive = this.#status.state === 'active'
    this.#status = {
      ...this.#status,
      interfaces: this.#upkeep.interfaces,
      devices: members.size,
      devicesMissing: missing.length,
      leftOut: new Map([...plan.leftOut, ...this.#refusals]),
      otherFlowtables: others,
    }
    this.#tell([
      ...[...this.#refusals].map(([name, reason]) => `device ${name} takes no part in the fast path: ${reason}`),
      ...plan.unmatchedPatterns.map((pattern) => `the fast path's interface pattern ${pattern} matches no link`),
      ...others.map((other) => `${other} has devices of the fast path too: who comes first takes the packets`),
    ])
    if (missing.length > 0) {
      const links = await this.#options.kernel.links()
      const [first] = missing.filter((name) => links.some((link) => link.name === name))
      if (first !== undefined) return this.#fail('failing', `${missing.length} devices are missing, such as ${first}`)
    }
    this.#status = { ...this.#status, state: 'active', reason: undefined }
    const { interfaces } = this.#status
    if (!wasActive) this.#note('info', `the fast path is active between ${interfaces.length} interfaces`)
    return true
  }

  #plan(links: readonly Link[]): DevicePlan {
    for (const [name, { index }] of this.#refused) {
      if (!links.some((link) => link.name === name && link.index === index)) this.#refused.delete(name)
    }
    const { patterns, hasTunnelOffload } = this.#options
    return planDevices(links, { patterns, hasTunnelOffload, refused: this.#refusals })
  }

  get #refusals(): ReadonlyMap<string, string> {
    return new Map(Array.from(this.#refused, ([name, { reason }]) => [name, reason]))
  }

  #noteRecreation(): void {
    this.#status = { ...this.#status, recreations: this.#status.recreations + 1 }
    this.#note('warn', 'the flow table was made anew: some connections had to leave it, the others come back')
  }

  /** Says so unless the same was said before; resolves false, since it is worth another try. */
  #fail(state: 'blocked' | 'failing', reason: string): false {
    if (this.#status.reason !== reason) {
      this.#note('error', `the fast path has a problem, Services do without it: ${reason}`)
    }
    this.#status = { ...this.#status, state, reason, syncErrors: this.#status.syncErrors + 1 }
    return false
  }

  /** Each once for as long as it is so. */
  #tell(problems: readonly string[]): void {
    for (const problem of problems) if (!this.#told.has(problem)) this.#note('warn', problem)
    this.#told = new Set(problems)
  }

  #note(level: FastpathNote['level'], message: string): void {
    this.#options.onNote({ level, message })
  }
}

const tableText = `table ${fastpathTableRef.family} ${fastpathTableRef.name}`
const foreignTable = `the ${tableText} was made by somebody else; remove it, or set the threshold to 0`

const noCapabilities: FastpathCapabilities = {
  hasFlowtables: false,
  hasCounters: false,
  hasLabels: false,
  reason: undefined,
}

function difference(names: ReadonlySet<string>, others: ReadonlySet<string>): readonly string[] {
  return [...names].filter((name) => !others.has(name))
}
