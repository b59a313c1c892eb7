import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../src/sync/clock.ts'

type Timer = { readonly atMs: number; readonly run: () => void }

/** A clock that stands still until it is moved. It begins at 0. */
export class ManualClock implements Clock {
  #nowMs = 0
  readonly #timers = new Set<Timer>()

  readonly now = (): number => this.#nowMs

  readonly schedule = (delayMs: number, run: () => void): (() => void) => {
    const timer = { atMs: this.#nowMs + delayMs, run }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  /** Timers that wait. */
  get scheduled(): number {
    return this.#timers.size
  }

  /** Goes to a time, stopping at every timer on the way until all that it set off has been done. */
  async goTo(ms: number): Promise<void> {
    await settled()
    for (;;) {
      const next = [...this.#timers].filter(({ atMs }) => atMs <= ms).sort((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined) break
      this.#timers.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.run()
      await settled()
    }
    this.#nowMs = ms
    await settled()
  }
}

/** All promise callbacks that can run have run. */
export async function settled(): Promise<void> {
  await setImmediate()
}
