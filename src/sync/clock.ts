/** Time as the sync loop sees it; tests pass one that they move by hand. */
export type Clock = {
  /** Milliseconds that only ever grow. */
  readonly now: () => number
  /** Calls `run` once after `delayMs`; the result cancels it. */
  readonly schedule: (delayMs: number, run: () => void) => () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  schedule(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  },
}
