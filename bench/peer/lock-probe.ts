/*
 * As a program: another user of nf_tables. Again and again it commits a transaction that changes nothing, an `add` of a
 * table that it has already: that waits for the kernel's lock as any other, but makes no new generation, so it disturbs
 * neither the proxy nor who watches it. Asked over IPC for the longest wait, it answers and begins anew.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { NftConnection } from '../../src/nft/connection.ts'
import { monotonicMs } from '../monotonic.ts'

const intervalMs = 4
const table = { family: 'inet', name: 'bench-lock-probe' } as const

/** The probe's process, in the network namespace of the calling thread. */
export class LockProbe {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Resolves when it has its table. */
  static async start(): Promise<LockProbe> {
    const child = fork(import.meta.filename)
    await once(child, 'message')
    return new LockProbe(child)
  }

  /** The longest wait since the last time that this was asked, one that is not over included. */
  async longestMs(): Promise<number> {
    const answer = once(this.#child, 'message')
    this.#child.send('longest')
    const [longestMs] = (await answer) as [number]
    return longestMs
  }

  async stop(): Promise<void> {
    const closed = once(this.#child, 'close')
    this.#child.kill()
    await closed
  }
}

async function probe(): Promise<never> {
  // It waits for the kernel, not for a processor.
  setPriority(-20)
  const connection = new NftConnection()
  const commit = (): Promise<unknown> => connection.commit([{ verb: 'add', object: 'table', table }])
  await commit()
  let longestMs = 0
  let askedAtMs: number | undefined
  process.on('message', () => {
    process.send?.(Math.max(longestMs, askedAtMs === undefined ? 0 : monotonicMs() - askedAtMs))
    longestMs = 0
  })
  process.send?.('ready')
  for (;;) {
    askedAtMs = monotonicMs()
    await commit()
    longestMs = Math.max(longestMs, monotonicMs() - askedAtMs)
    askedAtMs = undefined
    await sleep(intervalMs)
  }
}

if (import.meta.main) await probe()
