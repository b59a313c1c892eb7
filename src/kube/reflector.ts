import type { ApiResource } from './api-resource.ts'
import { hasLostPlace, isExpired } from './api-status.ts'
import { KubeApiError } from './api.ts'
import type { KubeApi } from './api.ts'
import { Backoff } from './backoff.ts'
import type { Clock } from './clock.ts'
import { ConnectionHealth } from './connection-health.ts'
import type { ApiProblem } from './connection-health.ts'
import { JsonStreamError } from './json-value.ts'
import { ListWatch } from './list-watch.ts'
import type { KubeObject, ObjectEvent } from './types.ts'

/** After so long without a failure the next one is the first again. */
const healthyAgainMs = 120_000
/** How often a resource is asked for that the server does not have. */
const absentRetryMs = 300_000

export interface ReflectorOptions {
  readonly api: KubeApi
  readonly resource: ApiResource
  /** Objects for which it is false are treated as if they did not exist. */
  readonly isWanted: (object: KubeObject) => boolean
  /** Whether a server that does not have the resource at all is no error: there are no objects of it then. */
  readonly isOptional?: boolean
  readonly clock: Clock
  /** From 0 to 1 (excluded). */
  readonly random: () => number
  /** Called with at least one event. */
  readonly onChanges: (events: readonly ObjectEvent[]) => void
  /** Called once, when the first list has been delivered completely. */
  readonly onSynced: () => void
  readonly onProblem: (problem: ApiProblem) => void
}

/** Times are the clock's. */
export interface ReflectorStatus {
  readonly isSynced: boolean
  readonly isConnected: boolean
  /** Since when it is connected, or not. */
  readonly sinceMs: number
  readonly lastEventAtMs: number | undefined
  /** Where the next watch goes on; undefined when a list is needed first. */
  readonly resourceVersion: string | undefined
  readonly objects: number
  /** Lists after the first. */
  readonly relists: number
  /** Watches that went on where an earlier one had ended. */
  readonly watchRestarts: number
  readonly lastError: string | undefined
}

/** Follows one resource of an API server for ever. What was delivered stays in force through any failure. */
export class Reflector {
  readonly #options: ReflectorOptions
  readonly #listWatch: ListWatch
  readonly #health: ConnectionHealth
  readonly #backoff: Backoff
  /** A server that has forgotten our place is there: that we had to wait for it before is no reason to wait longer. */
  readonly #expiryBackoff: Backoff
  #stopPause: () => void = () => {}
  #isClosed = false
  #isSynced = false
  #isAbsent = false

  constructor(options: ReflectorOptions) {
    this.#options = options
    this.#health = new ConnectionHealth({ ...options, name: options.resource.name })
    this.#backoff = new Backoff(options.random)
    this.#expiryBackoff = new Backoff(options.random)
    this.#listWatch = new ListWatch({
      ...options,
      onWarning: (message) => options.onProblem({ severity: 'warning', message }),
      onListed: () => this.#noteSynced(),
      onWell: () => this.#health.succeed(),
    })
  }

  get status(): ReflectorStatus {
    const { isConnected, sinceMs, lastError } = this.#health
    const { lastEventAtMs, resourceVersion, objects, lists, watchRestarts } = this.#listWatch
    return {
      isSynced: this.#isSynced,
      isConnected,
      sinceMs,
      lastEventAtMs,
      resourceVersion,
      objects,
      relists: Math.max(0, lists - 1),
      watchRestarts,
      lastError,
    }
  }

  /** Resolves when the reflector has been closed. */
  async start(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#listWatch.next()
      } catch (error) {
        if (this.#isClosed) return
        // What is neither the server's nor the connection's doing is a defect of this program.
        if (!(error instanceof KubeApiError) && !(error instanceof JsonStreamError)) throw error
        await this.#pause(this.#handle(error))
      }
    }
  }

  /** Ends the request that is going on; nothing is delivered afterwards. */
  close(): void {
    this.#isClosed = true
    this.#listWatch.close()
    this.#stopPause()
  }

  /** Reports a failure as far as it is news; how long to wait until the next attempt. */
  #handle(error: KubeApiError | JsonStreamError): number {
    if (this.#health.healthyMs >= healthyAgainMs) {
      this.#backoff.reset()
      this.#expiryBackoff.reset()
    }
    const answer = error instanceof KubeApiError ? error : undefined
    if (answer?.status === 404 && this.#options.isOptional === true) return this.#noteAbsent(answer)
    if (answer !== undefined && hasLostPlace(answer)) this.#listWatch.listAgain()
    if (answer !== undefined && isExpired(answer)) {
      // That the server forgets what was long ago is part of its normal work.
      this.#health.failQuietly(answer)
      return this.#expiryBackoff.next(answer.retryAfterMs)
    }
    this.#health.fail(error)
    return this.#backoff.next(answer?.retryAfterMs)
  }

  #noteAbsent(answer: KubeApiError): number {
    const { resource, onProblem } = this.#options
    this.#health.failQuietly(answer)
    if (!this.#isAbsent) {
      this.#isAbsent = true
      const message = `${resource.name}: the API server has none of ${resource.apiVersion}; asked again every ${absentRetryMs / 60_000} min`
      onProblem({ severity: 'info', message })
    }
    this.#noteSynced()
    return absentRetryMs
  }

  #noteSynced(): void {
    if (this.#isSynced || this.#isClosed) return
    this.#isSynced = true
    this.#options.onSynced()
  }

  async #pause(delayMs: number): Promise<void> {
    if (this.#isClosed) return
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.schedule(delayMs, resolve)
      this.#stopPause = () => {
        cancel()
        resolve()
      }
    })
  }
}
