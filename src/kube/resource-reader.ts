import { misbehaviour, refusal } from './api-status.ts'
import type { Asked } from './api-status.ts'
import { KubeApiError } from './api.ts'
import type { KubeApi } from './api.ts'
import type { Clock } from './clock.ts'

export interface ResourceReaderOptions {
  readonly api: KubeApi
  readonly clock: Clock
}

/** A request whose answer is read chunk by chunk. */
export interface Reading extends Asked {
  /** For the request as a whole. */
  readonly idleTimeoutMs: number
  /** Asked before the request and after each chunk: how long the next chunk may take, if that is shorter. */
  readonly patienceMs?: () => number | undefined
  /** Called when the server has said 200. */
  readonly onAnswer?: () => void
  readonly onChunk: (chunk: Buffer) => Promise<void>
}

/** Reads one answer after the other. */
export class ResourceReader {
  readonly #options: ResourceReaderOptions
  #request = new AbortController()
  #isClosed = false

  constructor(options: ResourceReaderOptions) {
    this.#options = options
  }

  /** Ends the request that is going on, and all later ones. */
  close(): void {
    this.#isClosed = true
    this.#request.abort()
  }

  /** Resolves when the answer has ended as it should. Throws KubeApiError, and what `onChunk` throws. */
  async read(reading: Reading): Promise<void> {
    const { api, clock } = this.#options
    const { path, idleTimeoutMs, patienceMs, onAnswer, onChunk } = reading
    const request = new AbortController()
    this.#request = request
    if (this.#isClosed) request.abort()
    let stopWaiting = (): void => {}
    const wait = (): void => {
      stopWaiting()
      const limitMs = patienceMs?.()
      if (limitMs === undefined) return
      stopWaiting = clock.schedule(limitMs, () => request.abort(silence(reading, limitMs)))
    }
    try {
      wait()
      const { signal } = request
      const response = await api.send({ method: 'GET', path, signal, idleTimeoutMs })
      if (response.status !== 200) throw await refusal(response, reading)
      onAnswer?.()
      for await (const chunk of response.body) {
        await onChunk(chunk)
        wait()
      }
      signal.throwIfAborted()
    } catch (error) {
      request.abort()
      throw request.signal.reason instanceof KubeApiError ? request.signal.reason : error
    } finally {
      stopWaiting()
    }
  }
}

function silence(reading: Reading, limitMs: number): KubeApiError {
  return misbehaviour(reading, 'ETIMEDOUT', `nothing came for ${limitMs / 1_000} s`)
}
