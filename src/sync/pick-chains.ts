import type { DataplaneOptions } from '../dataplane/options.ts'
import { pickChainName } from '../dataplane/names.ts'
import { pickChain } from '../dataplane/picks.ts'
import type { Protocol } from '../model/service-port.ts'
import type { TableChange } from './table-change.ts'

type Entry = { users: number; /** Since when nobody uses it. */ unusedSinceMs: number }

/** How long an unused chain stays: kernels before 6.2 let go of references from maps with a delay. */
const graceMs = 1000

/** The pick chains that exist, and how many frontends use each. */
export class PickChains {
  readonly #options: DataplaneOptions
  readonly #entries = new Map<string, Entry>()

  constructor(options: DataplaneOptions) {
    this.#options = options
  }

  /** Counts a user; the first one brings the chain into being. */
  use(protocol: Protocol, slotCount: number, change: TableChange): void {
    const name = pickChainName(protocol, slotCount)
    const entry = this.#entries.get(name)
    if (entry === undefined) {
      this.#entries.set(name, { users: 1, unusedSinceMs: 0 })
      const { chain, rule } = pickChain(this.#options, protocol, slotCount)
      change.addChain(chain, rule)
    } else entry.users++
  }

  release(protocol: Protocol, slotCount: number, nowMs: number): void {
    const entry = this.#entries.get(pickChainName(protocol, slotCount))
    if (entry === undefined) return
    entry.users--
    if (entry.users === 0) entry.unusedSinceMs = nowMs
  }

  /** The chains that nobody has used for a while. */
  stale(nowMs: number): string[] {
    return [...this.#entries].flatMap(([name, { users, unusedSinceMs }]) =>
      users === 0 && nowMs - unusedSinceMs >= graceMs ? [name] : [],
    )
  }

  /** The chain has been deleted. */
  forget(name: string): void {
    this.#entries.delete(name)
  }
}
