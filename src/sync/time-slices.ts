import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from './clock.ts'

/** How long work may hold up timers and sockets at a stretch. */
const sliceMs = 10

/** Does work of many short steps, and lets timers and sockets have their turn every 10 ms. */
export async function inSlices<Result>(steps: Generator<void, Result>, { now }: Pick<Clock, 'now'>): Promise<Result> {
  let sliceEnd = now() + sliceMs
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
    if (now() < sliceEnd) continue
    await nextTurn()
    sliceEnd = now() + sliceMs
  }
}

/** Does the same without a pause. */
export function atOnce<Result>(steps: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}
