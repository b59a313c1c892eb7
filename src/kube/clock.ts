/** Time as whatever waits sees it; tests pass one that they move by hand. */
export interface Clock {
  /** Milliseconds that only ever grow. */
  readonly now: () => number
  /** Calls `run` once after `delayMs`; the result cancels it. */
  readonly schedule: (delayMs: number, run: () => void) => () => void
}
