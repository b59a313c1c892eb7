import type { Clock } from './clock.ts'

export type SyncLoopOptions = {
  /** Does the work; false or a rejection asks for a retry. */
  readonly run: () => Promise<boolean>
  /** Pause between the end of one run and the begin of the next. */
  readonly minIntervalMs: number
  /** After a failed run, the next one begins at the latest so long after its end. */
  readonly retryIntervalMs: number
  /** After a run that went well, the next one begins at the latest so long after its end. */
  readonly maxIntervalMs: number
  readonly clock: Clock
}

/**
 * Runs work when it is asked for, but never too often, and now and then unasked. Requests that come while a run is
 * going on or during the pause after it are answered by one run.
 */
export class SyncLoop {
  readonly #options: SyncLoopOptions
  #isRequested = false
  #wake: () => void = () => {}

  /** Throws RangeError when the pause would be longer than the longest interval. */
  constructor(options: SyncLoopOptions) {
    if (options.minIntervalMs > options.maxIntervalMs) {
      throw new RangeError(`minimum interval ${options.minIntervalMs} ms exceeds maximum ${options.maxIntervalMs} ms`)
    }
    this.#options = options
  }

  /** Asks for a run. */
  request(): void {
    this.#isRequested = true
    this.#wake()
  }

  /** Runs until the signal is aborted; a run that is going on then is finished first. */
  async start(signal: AbortSignal): Promise<void> {
    const { clock, minIntervalMs, retryIntervalMs, maxIntervalMs } = this.#options
    let dueAt = clock.now() + maxIntervalMs
    while (await this.#isDue(dueAt, signal)) {
      this.#isRequested = false
      const isDone = await this.#options.run().catch(() => false)
      const endedAt = clock.now()
      dueAt = endedAt + (isDone ? maxIntervalMs : Math.min(retryIntervalMs, maxIntervalMs))
      await this.#wait(endedAt + minIntervalMs, signal, () => false)
    }
  }

  /** Waits for a request or for the time; false when the loop shall end. */
  async #isDue(dueAt: number, signal: AbortSignal): Promise<boolean> {
    await this.#wait(dueAt, signal, () => this.#isRequested)
    return !signal.aborted
  }

  /** Waits until `untilMs`, until aborted, or until a wake-up finds `isEnough`. */
  async #wait(untilMs: number, signal: AbortSignal, isEnough: () => boolean): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted && !isEnough()) {
      const delayMs = untilMs - clock.now()
      if (delayMs <= 0) return
      await new Promise<void>((resolve) => {
        const cancel = clock.schedule(delayMs, resolve)
        this.#wake = () => {
          cancel()
          resolve()
        }
        signal.addEventListener('abort', this.#wake, { once: true })
      })
      signal.removeEventListener('abort', this.#wake)
      this.#wake = () => {}
    }
  }
}
