import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../monotonic.ts'
import type { Store } from './store.ts'

/** One change, and when watches were told: just before the event was written to them. */
export type WrittenChange = { readonly service: number; readonly address: string; readonly writtenAtMs: number }

export type LoadOptions = {
  readonly store: Store
  readonly ratePerSecond: number
  /** How many endpoints are replaced in all. */
  readonly changes: number
  readonly signal: AbortSignal
}

/** Neighbours in time are not neighbours in the cluster: a prime, so that all Services have their turn. */
const stride = 7919

/** Replaces one endpoint after the other at an even rate; a moment that was missed is made up for. */
export async function runLoad({ store, ratePerSecond, changes, signal }: LoadOptions): Promise<WrittenChange[]> {
  const written: WrittenChange[] = []
  const startMs = monotonicMs()
  for (let change = 0; change < changes && !signal.aborted; change++) {
    const waitMs = startMs + (change * 1000) / ratePerSecond - monotonicMs()
    await (waitMs > 1 ? sleep(waitMs, undefined, { signal }).catch(() => {}) : nextTurn())
    const service = (change * stride) % store.serviceCount
    const writtenAtMs = monotonicMs()
    const address = store.changeEndpoint(service, 'replace')
    if (address !== undefined) written.push({ service, address, writtenAtMs })
  }
  return written
}
