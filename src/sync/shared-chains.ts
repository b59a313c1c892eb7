import type { SharedChain } from '../dataplane/shared-chain.ts'
import type { TableChange } from './table-change.ts'

type Entry = { readonly name: string; users: number; /** Since when nobody uses it. */ unusedSinceMs: number }

/** How long an unused chain stays: kernels before 6.2 let go of references from maps with a delay. */
const graceMs = 1000

/** The shared chains that exist, and how many frontends use each. */
export class SharedChains {
  readonly #entries = new Map<string, Entry>()

  /**
   * Counts a user; the first one brings the chain, made by `build`, into being. Returns the name, for all users the same
   * string in memory.
   */
  use(name: string, build: () => SharedChain, change: TableChange): string {
    const entry = this.#entries.get(name)
    if (entry === undefined) {
      this.#entries.set(name, { name, users: 1, unusedSinceMs: 0 })
      change.addChain(build())
      return name
    }
    entry.users++
    return entry.name
  }

  release(name: string, nowMs: number): void {
    const entry = this.#entries.get(name)
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
