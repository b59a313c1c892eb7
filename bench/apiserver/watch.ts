import type { ServerResponse } from 'node:http'
import { pieceLength, selected } from './list.ts'
import { bookmarkText, objectText } from './object-text.ts'
import type { StoredObject } from './objects.ts'
import type { Query } from './query.ts'
import { expired, statusText } from './status.ts'
import type { Statistics } from './statistics.ts'
import type { Change, Store } from './store.ts'

export type WatchOptions = {
  readonly response: ServerResponse
  readonly query: Query
  readonly store: Store
  readonly statistics: Statistics
}

/**
 * One watch: the objects there are, unless it begins at a resource version, then the changes. It writes as long as the
 * client reads; what a slow client has still to get is not kept anywhere but in the store's history.
 */
export class Watch {
  readonly #options: WatchOptions
  #initial: Iterator<StoredObject> | undefined
  /** Resource version up to which the client knows the changes. */
  #version: number
  #isBlocked = false

  constructor(options: WatchOptions) {
    this.#options = options
    const { response, query, store } = options
    const hasStart = !query.hasInitialEvents && (query.version ?? 0) > 0
    this.#version = hasStart ? (query.version ?? 0) : store.version
    this.#initial = hasStart ? undefined : selected(store, query.resource.kind, query.isSelected)
    response.setHeader('Content-Type', 'application/json')
    response.setHeader('Cache-Control', 'no-cache, private')
    response.flushHeaders()
    response.on('drain', () => {
      this.#isBlocked = false
      this.send()
    })
    if (query.timeoutSeconds === 0) return
    const timer = setTimeout(() => response.end(), query.timeoutSeconds * 1000)
    response.on('close', () => clearTimeout(timer))
  }

  get plural(): string {
    return this.#options.query.resource.plural
  }

  /** Writes what the client has not got yet. */
  send(): void {
    const { response, statistics } = this.#options
    while (!this.#isBlocked && !response.writableEnded && !response.destroyed) {
      const { text, objects } = this.#nextPiece()
      if (text === '') return
      this.#isBlocked = !statistics.write(response, text, objects)
    }
  }

  /** Tells a client that has got all up to which version it knows everything. */
  sendBookmark(): void {
    const { response, query, store, statistics } = this.#options
    if (!query.hasBookmarks || this.#isBlocked || this.#initial !== undefined || response.writableEnded) return
    statistics.write(response, event('BOOKMARK', bookmarkText(query.resource.kind, store.version, false)), 0)
  }

  end(): void {
    this.#options.response.end()
  }

  #nextPiece(): { text: string; objects: number } {
    let text = ''
    let objects = 0
    while (text.length < pieceLength) {
      const next = this.#initial === undefined ? this.#nextChange() : this.#nextInitial(this.#initial)
      if (next === undefined) break
      text += next
      objects++
    }
    return { text, objects }
  }

  #nextInitial(initial: Iterator<StoredObject>): string | undefined {
    const { done, value } = initial.next()
    if (done !== true) return event('ADDED', objectText(value))
    this.#initial = undefined
    const { query } = this.#options
    if (!query.hasInitialEvents || !query.hasBookmarks) return this.#nextChange()
    return event('BOOKMARK', bookmarkText(query.resource.kind, this.#version, true))
  }

  #nextChange(): string | undefined {
    const { response, query, store } = this.#options
    while (!response.writableEnded) {
      const change = store.changeAfter(this.#version)
      if (change === undefined) return undefined
      if (change === 'expired') return this.#expire()
      this.#version = change.object.version
      if (change.object.kind === query.resource.kind && query.isSelected(change.object)) return changeText(change)
    }
    return undefined
  }

  /** A watch that cannot go on is told so by an event, since its answer has begun long ago. */
  #expire(): undefined {
    const { response, store, statistics } = this.#options
    statistics.write(response, event('ERROR', statusText(expired(this.#version, store.version))), 0)
    response.end()
    return undefined
  }
}

function changeText({ type, object }: Change): string {
  return event(type, objectText(object))
}

function event(type: string, object: string): string {
  return `{"type":"${type}","object":${object}}\n`
}
