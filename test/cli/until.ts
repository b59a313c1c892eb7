import { setTimeout as sleep } from 'node:timers/promises'

/** How long to wait for what comes within a fraction of a second on an idle machine. */
const patienceMs = 15_000

/** Waits for a value that is there at last. Throws, with what was waited for, when it does not come. */
export async function until<T>(look: () => T | undefined | Promise<T | undefined>, wanted: () => string): Promise<T> {
  const endMs = performance.now() + patienceMs
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > endMs) throw new Error(`waited ${patienceMs / 1000} s for ${wanted()}`)
    await sleep(10)
  }
}
