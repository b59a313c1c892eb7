import { setImmediate } from 'node:timers/promises'
import { cachedListPath, listPagePath, streamedListPath, watchPath } from './api-resource.ts'
import type { ApiResource } from './api-resource.ts'
import { isStreamRefused, misbehaviour, statusError } from './api-status.ts'
import type { Asked } from './api-status.ts'
import { KubeApiError } from './api.ts'
import type { KubeApi } from './api.ts'
import type { Clock } from './clock.ts'
import { DeliveredObjects } from './delivered-objects.ts'
import type { Changes } from './delivered-objects.ts'
import { show } from './fields.ts'
import { DocumentStream, ListStream } from './json-stream.ts'
import { ResourceReader } from './resource-reader.ts'
import type { Reading } from './resource-reader.ts'
import { formatWarning } from './types.ts'
import type { KubeObject, ObjectEvent } from './types.ts'
import { continueTokenOf, parseWatchEvent, resourceVersionOf } from './watch-event.ts'

/** The server ends a watch after so long, chosen at random so that a cluster's nodes do not come back together. */
const watchSeconds = { min: 300, max: 600 } as const
/**
 * A watch may be silent for as long as it lasts, since bookmarks are not promised. A peer that has vanished is found
 * out by the connection's keep-alive; this is for one that is there but never ends the watch.
 */
const watchMarginMs = 30_000
/** A list that sends nothing for so long will not go on. */
const listSilenceMs = 60_000
/** A watch in which nothing has happened is well when it has lasted so long. */
const watchWellAfterMs = 5_000
/** A watch that ends sooner, and without having got anywhere, has failed. */
const shortWatchMs = 1_000
/** Deletions that are delivered without letting anything else run. */
const deletionsAtOnce = 1_000

export interface ListWatchOptions {
  readonly api: KubeApi
  readonly resource: ApiResource
  /** Objects for which it is false are treated as if they did not exist. */
  readonly isWanted: (object: KubeObject) => boolean
  readonly clock: Clock
  /** From 0 to 1 (excluded). */
  readonly random: () => number
  /** Called with at least one event. */
  readonly onChanges: (events: readonly ObjectEvent[]) => void
  readonly onWarning: (message: string) => void
  /** Called when a list has been delivered completely. */
  readonly onListed: () => void
  /** Called, often, when the server does what it should. */
  readonly onWell: () => void
}

/**
 * The requests that follow a resource: a list, then watches, each going on where the last one ended; a later list is
 * delivered as the difference. What to do after a failure is for the caller to say. Keeps names and versions of
 * objects, never objects.
 */
export class ListWatch {
  readonly #options: ListWatchOptions
  readonly #reader: ResourceReader
  readonly #objects: DeliveredObjects
  readonly #unknownTypes = new Set<string>()
  #isClosed = false
  #resourceVersion: string | undefined
  #isListing = false
  /** False when the server has said that it knows no streamed lists. */
  #canStream = true
  /** False after a streamed list that did not come to its end. */
  #isStreamNext = true
  /** Whether there was a watch since the last list began. */
  #hasWatched = false
  #lists = 0
  #watchRestarts = 0
  #lastEventAtMs: number | undefined

  constructor(options: ListWatchOptions) {
    this.#options = options
    this.#reader = new ResourceReader(options)
    this.#objects = new DeliveredObjects(options.resource, options.isWanted)
  }

  /** Where the next watch goes on; undefined when a list comes first. */
  get resourceVersion(): string | undefined {
    return this.#resourceVersion
  }

  /** Objects in force. */
  get objects(): number {
    return this.#objects.size
  }

  /** Complete lists so far. */
  get lists(): number {
    return this.#lists
  }

  /** Watches that went on where an earlier one had ended. */
  get watchRestarts(): number {
    return this.#watchRestarts
  }

  get lastEventAtMs(): number | undefined {
    return this.#lastEventAtMs
  }

  /** One watch, or one list; a streamed list goes on as a watch. Throws KubeApiError and JsonStreamError. */
  async next(): Promise<void> {
    if (this.#resourceVersion !== undefined) return this.#watch(this.#resourceVersion)
    if (this.#canStream && this.#isStreamNext) return this.#listStreamed()
    this.#isStreamNext = true
    return this.#listPages()
  }

  /** Makes the next request a list. */
  listAgain(): void {
    this.#resourceVersion = undefined
  }

  /** Ends the request that is going on; nothing is delivered afterwards. */
  close(): void {
    this.#isClosed = true
    this.#reader.close()
  }

  async #listStreamed(): Promise<void> {
    const timeoutSeconds = this.#watchSeconds()
    this.#beginList()
    const reading = this.#eventReading(streamedListPath(this.#options.resource, timeoutSeconds), timeoutSeconds)
    let isAnswered = false
    const onAnswer = (): void => {
      isAnswered = true
      // A stream that breaks off, or ends without the bookmark, is followed by a plain list.
      this.#isStreamNext = false
    }
    try {
      await this.#reader.read({ ...reading, onAnswer })
      reading.end()
    } catch (error) {
      if (isAnswered || !(error instanceof KubeApiError) || !isStreamRefused(error)) throw error
      this.#canStream = false
    }
  }

  async #listPages(): Promise<void> {
    const { resource } = this.#options
    this.#beginList()
    let path = this.#lists === 0 ? cachedListPath(resource) : listPagePath(resource)
    let resourceVersion: string | undefined
    for (;;) {
      const list = new ListStream()
      await this.#reader.read({
        ...this.#asked(path),
        idleTimeoutMs: listSilenceMs,
        onChunk: (chunk) =>
          this.#take(list.read(chunk), (item, changes) => {
            this.#objects.set(item, changes)
            return undefined
          }),
      })
      const page = list.end()
      resourceVersion ??= resourceVersionOf(page)
      const token = continueTokenOf(page)
      if (token === undefined) break
      path = listPagePath(resource, token)
    }
    await this.#endList(resourceVersion, { events: [], warnings: [] }, path)
  }

  async #watch(from: string): Promise<void> {
    const { resource, clock, onWell } = this.#options
    const startMs = clock.now()
    const timeoutSeconds = this.#watchSeconds()
    const reading = this.#eventReading(watchPath(resource, from, timeoutSeconds), timeoutSeconds)
    let stopWaiting = (): void => {}
    if (this.#hasWatched) this.#watchRestarts++
    this.#hasWatched = true
    try {
      await this.#reader.read({
        ...reading,
        onAnswer: () => (stopWaiting = clock.schedule(watchWellAfterMs, onWell)),
      })
      reading.end()
    } finally {
      stopWaiting()
    }
    if (this.#resourceVersion !== from || clock.now() - startMs >= shortWatchMs) return
    throw misbehaviour(reading, 'ShortWatch', 'the server ended it at once')
  }

  /** How a stream of events is read; while listing, up to the bookmark that says so, they are the list. */
  #eventReading(path: string, timeoutSeconds: number): Reading & { readonly end: () => void } {
    const documents = new DocumentStream()
    return {
      ...this.#asked(path),
      idleTimeoutMs: timeoutSeconds * 1_000 + watchMarginMs,
      patienceMs: () => (this.#isListing ? listSilenceMs : undefined),
      onChunk: (chunk) => this.#take(documents.read(chunk), (event, changes) => this.#readEvent(event, changes, path)),
      end: () => documents.end(),
    }
  }

  #asked(path: string): Asked {
    return { verb: this.#isListing ? 'list' : 'watch', path }
  }

  /** Delivers what `read` makes of the values: also of those before one that cannot be read. */
  async #take(
    values: Iterable<unknown>,
    read: (value: unknown, changes: Changes) => Promise<void> | undefined,
  ): Promise<void> {
    const changes: Changes = { events: [], warnings: [] }
    try {
      for (const value of values) {
        const reading = read(value, changes)
        if (reading !== undefined) await reading
      }
    } finally {
      this.#deliver(changes)
    }
  }

  #readEvent(document: unknown, changes: Changes, path: string): Promise<void> | undefined {
    const event = parseWatchEvent(document)
    if (event === undefined) {
      throw misbehaviour(this.#asked(path), 'NotAnEvent', `${show(document)} is not a watch event`)
    }
    if (event.type === 'ERROR') throw statusError(event.object, this.#asked(path))
    if (event.type === 'OTHER') this.#noteUnknown(event.name)
    if (event.type === 'ADDED' || event.type === 'MODIFIED') this.#objects.set(event.object, changes)
    if (event.type === 'DELETED') this.#objects.delete(event.object, changes)
    if (this.#isListing) {
      if (event.type !== 'BOOKMARK' || !event.isEndOfList) return undefined
      this.#hasWatched = true
      return this.#endList(resourceVersionOf(event.object), changes, path)
    }
    this.#options.onWell()
    this.#lastEventAtMs = this.#options.clock.now()
    if (event.type !== 'OTHER') this.#resourceVersion = resourceVersionOf(event.object) ?? this.#resourceVersion
    return undefined
  }

  #beginList(): void {
    this.#isListing = true
    this.#hasWatched = false
    this.#objects.beginList()
  }

  /** Delivers what has come and what has vanished; from here on there is something to watch. */
  async #endList(resourceVersion: string | undefined, changes: Changes, path: string): Promise<void> {
    if (resourceVersion === undefined) {
      throw misbehaviour(this.#asked(path), 'NoVersion', 'it has no resourceVersion')
    }
    for (const event of this.#objects.endList()) {
      changes.events.push(event)
      if (changes.events.length < deletionsAtOnce) continue
      this.#deliver(changes)
      await setImmediate()
    }
    this.#deliver(changes)
    this.#resourceVersion = resourceVersion
    this.#isListing = false
    this.#isStreamNext = true
    this.#lists++
    this.#options.onWell()
    if (!this.#isClosed) this.#options.onListed()
  }

  #deliver(changes: Changes): void {
    const events = changes.events.splice(0)
    const warnings = changes.warnings.splice(0)
    if (this.#isClosed) return
    if (events.length > 0) {
      this.#lastEventAtMs = this.#options.clock.now()
      this.#options.onChanges(events)
    }
    for (const warning of warnings) this.#options.onWarning(formatWarning(warning))
  }

  #noteUnknown(type: string): void {
    if (this.#unknownTypes.has(type)) return
    this.#unknownTypes.add(type)
    this.#options.onWarning(`${this.#options.resource.name}: events of type ${show(type)} are not known and not used`)
  }

  #watchSeconds(): number {
    const { min, max } = watchSeconds
    return min + Math.floor(this.#options.random() * (max - min))
  }
}
