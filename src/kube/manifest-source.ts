import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { join } from 'node:path'
import { ManifestFiles } from './manifest-files.ts'
import { isManifestName, isProblem, listManifests, locateManifests, readManifestFile } from './manifest-listing.ts'
import type { ManifestFile, ManifestPlace } from './manifest-listing.ts'
import { formatProblem } from './manifest-problem.ts'
import type { ManifestProblem } from './manifest-problem.ts'
import type { ObjectEvent } from './types.ts'

/** Changes closer together than this are looked at together: a rewrite is several notifications. */
const quietMs = 4
/** A stream of changes does not put off the look for longer than this. */
const maxQuietMs = 12
/** Files read at the same time. */
const readsAtOnce = 32

/** How long until everything is compared without a notification. */
const pollMs = {
  /** Notifications can be lost, and none tells that a link in the path now leads elsewhere. */
  present: 5_000,
  missing: 100,
  /** A directory that came back is often still being filled. */
  returning: 250,
} as const

export interface ManifestSourceOptions {
  /** A file, or a directory of `*.yaml`, `*.yml` and `*.json` files. */
  readonly path: string
  /** Called with at least one event: the difference to what was delivered before. */
  readonly onChanges: (events: readonly ObjectEvent[]) => void
  /** Called once, when the initial content has been delivered. */
  readonly onSynced?: () => void
  /** Called with each problem when it appears, and not again while it lasts. */
  readonly onProblem: (problem: ManifestProblem) => void
  /** Closes the source. */
  readonly signal?: AbortSignal
}

interface FileRead {
  readonly file: string
  readonly read: ManifestFile
}

/**
 * Follows the manifests at a path as a watch follows an API server; a change is delivered within about 20 ms of the
 * write. A file that does not parse or has just become empty, and a path that is missing, keep what they last said.
 */
export class ManifestSource {
  readonly #options: ManifestSourceOptions
  readonly #files: ManifestFiles
  #changedFiles = new Set<string>()
  #isListingDue = true
  #presence: keyof typeof pollMs = 'present'
  #watcher: FSWatcher | undefined
  #watchedIdentity: string | undefined
  #placeProblem: string | undefined
  #isWatchProblemReported = false
  #quietTimer: NodeJS.Timeout | undefined
  #pollTimer: NodeJS.Timeout | undefined
  #firstChangeMs: number | undefined
  #isLooking = false
  #isSynced = false
  #isClosed = false

  constructor(options: ManifestSourceOptions) {
    this.#options = options
    this.#files = new ManifestFiles({ onEmptySettled: (file) => this.#noticeChange(file) })
  }

  /** Resolves when the path has been looked at; its content is delivered by then, unless it is missing. */
  async start(): Promise<void> {
    const { signal } = this.#options
    if (signal?.aborted) this.close()
    signal?.addEventListener('abort', this.close, { once: true })
    await this.#look()
  }

  /** Releases the watcher and all timers; nothing is delivered afterwards. */
  readonly close = (): void => {
    this.#isClosed = true
    this.#options.signal?.removeEventListener('abort', this.close)
    this.#unwatch()
    this.#files.close()
    clearTimeout(this.#quietTimer)
    clearTimeout(this.#pollTimer)
  }

  /** Without a file, anything can have changed. */
  #noticeChange(file?: string): void {
    if (this.#isClosed) return
    if (file === undefined) this.#isListingDue = true
    else this.#changedFiles.add(file)
    const nowMs = performance.now()
    this.#firstChangeMs ??= nowMs
    const remainingMs = this.#firstChangeMs + maxQuietMs - nowMs
    clearTimeout(this.#quietTimer)
    this.#quietTimer = setTimeout(() => void this.#look(), Math.max(0, Math.min(quietMs, remainingMs)))
  }

  /** One look at a time; what is noticed meanwhile leads to another one. */
  async #look(): Promise<void> {
    if (this.#isLooking || this.#isClosed) return
    this.#isLooking = true
    this.#firstChangeMs = undefined
    const changedFiles = [...this.#changedFiles]
    this.#changedFiles = new Set()
    const reads = this.#isListingDue ? await this.#readAll(changedFiles) : await this.#readChanged(changedFiles)
    this.#isLooking = false
    if (this.#isClosed) return
    if (reads !== undefined) this.#deliver(reads)
    this.#pollLater()
    if (this.#isListingDue || this.#changedFiles.size > 0) this.#noticeChange([...this.#changedFiles][0])
  }

  /** Reads these files whatever their signature: a write may change neither size nor, by the clock's grain, time. */
  async #readChanged(files: readonly string[]): Promise<readonly FileRead[] | undefined> {
    const reads = await this.#readFiles(files, () => undefined)
    // Whether only the file is gone or the whole directory, the directory tells.
    return reads.some(({ read }) => read.state === 'gone') ? this.#readAll(files) : reads
  }

  /** Compares everything with what was read before; undefined when the place is not there (yet). */
  async #readAll(changedFiles: readonly string[]): Promise<readonly FileRead[] | undefined> {
    this.#isListingDue = false
    const place = await locateManifests(this.#options.path)
    if (isProblem(place)) return this.#loseSight(place)
    if (this.#isClosed || this.#isReturning(place)) return undefined
    this.#watch(place)
    const files = await listManifests(place)
    if (isProblem(files)) return this.#loseSight(files)
    const changed = new Set(changedFiles)
    const reads = await this.#readFiles(files, (file) => (changed.has(file) ? undefined : this.#files.signature(file)))
    if (place.onlyFile !== undefined && reads[0]?.read.state === 'gone') {
      this.#isListingDue = true
      return undefined
    }
    const listed = new Set(files)
    const removed = [...this.#files.names].filter((file) => !listed.has(file))
    return [...removed.map((file): FileRead => ({ file, read: { state: 'gone' } })), ...reads]
  }

  async #readFiles(
    files: readonly string[],
    known: (file: string) => string | undefined,
  ): Promise<readonly FileRead[]> {
    const reads: FileRead[] = []
    for (let start = 0; start < files.length; start += readsAtOnce) {
      const some = files.slice(start, start + readsAtOnce)
      const read = some.map(async (file) => ({ file, read: await readManifestFile(file, known(file)) }))
      reads.push(...(await Promise.all(read)))
    }
    return reads
  }

  #deliver(reads: readonly FileRead[]): void {
    const { onChanges, onProblem, onSynced } = this.#options
    const fileProblems = reads.flatMap(({ file, read }) => this.#files.apply(file, read))
    const { events, problems } = this.#files.takeEvents()
    for (const problem of [...fileProblems, ...problems]) onProblem(problem)
    if (events.length > 0) onChanges(events)
    // As long as nothing at all could be parsed, "there are no Services" would be a guess.
    if (this.#isSynced || (reads.length > 0 && !this.#files.hasParsed)) return
    this.#isSynced = true
    onSynced?.()
  }

  #loseSight(problem: ManifestProblem): undefined {
    this.#presence = 'missing'
    this.#unwatch()
    const text = formatProblem(problem)
    if (!this.#isClosed && text !== this.#placeProblem) this.#options.onProblem(problem)
    this.#placeProblem = text
  }

  /** Whether the place is one that was not there a moment ago, to be read when it has settled. */
  #isReturning(place: ManifestPlace): boolean {
    const isOther = this.#watchedIdentity !== undefined && this.#watchedIdentity !== place.identity
    const isReturning = this.#presence === 'missing' || (this.#presence === 'present' && isOther)
    this.#presence = isReturning ? 'returning' : 'present'
    if (isReturning) this.#unwatch()
    else this.#placeProblem = undefined
    return isReturning
  }

  #watch(place: ManifestPlace): void {
    if (this.#watcher !== undefined) return
    this.#watchedIdentity = place.identity
    try {
      this.#watcher = watch(place.directory, (_event, name) => this.#notify(place, name))
      this.#watcher.on('error', () => this.#unwatch())
    } catch (error) {
      if (this.#isWatchProblemReported) return
      this.#isWatchProblemReported = true
      const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      const message = `cannot be watched (${reason}); changes are seen within ${pollMs.present / 1_000} s`
      this.#options.onProblem({ severity: 'warning', file: place.directory, message })
    }
  }

  /** A change to something else than a manifest (a link, the directory itself) can change all that is seen there. */
  #notify(place: ManifestPlace, name: string | null): void {
    const isOneFile = place.onlyFile === undefined && name !== null && isManifestName(name)
    this.#noticeChange(isOneFile ? join(place.directory, name) : undefined)
  }

  #unwatch(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    this.#watchedIdentity = undefined
  }

  #pollLater(): void {
    clearTimeout(this.#pollTimer)
    this.#pollTimer = setTimeout(() => {
      this.#isListingDue = true
      void this.#look()
    }, pollMs[this.#presence])
  }
}
