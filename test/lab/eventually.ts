import { setTimeout as sleep } from 'node:timers/promises'

/** Clients of an API server that was away wait up to half a minute before they try again. */
const patienceMs = 60_000

/** Waits for what may take two attempts of a patient client. Throws, with what was waited for, when it does not come. */
export async function eventually<T>(
  look: () => T | undefined | Promise<T | undefined>,
  wanted: () => string,
): Promise<T> {
  const endMs = performance.now() + patienceMs
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > endMs) throw new Error(`waited ${patienceMs / 1000} s for ${wanted()}`)
    await sleep(20)
  }
}
