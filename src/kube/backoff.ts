const firstMs = 800
const factor = 2
const maxMs = 30_000

/** How long to wait before each new attempt: 0.8 s doubling to 30 s, and up to as much again at random. */
export class Backoff {
  readonly #random: () => number
  #baseMs: number = firstMs

  /** `random` gives numbers from 0 to 1 (excluded), as Math.random does. */
  constructor(random: () => number) {
    this.#random = random
  }

  /** The wait after one more failure; never shorter than the server asked for. */
  next(retryAfterMs = 0): number {
    // Without the jitter all nodes of a cluster would come back to a restarted server at the same moments.
    const delayMs = this.#baseMs * (1 + this.#random())
    this.#baseMs = Math.min(this.#baseMs * factor, maxMs)
    return Math.max(delayMs, retryAfterMs)
  }

  /** The next failure is the first again. */
  reset(): void {
    this.#baseMs = firstMs
  }
}
