import type { ObjectKey } from '../kube/types.ts'

/**
 * Who owns which frontend. Several Services may claim one; the order in which they are preferred is given, the first
 * owns it, and when it lets go the next one does.
 */
export class Claims {
  /** A list only where there is more than one: that is a mistake of somebody's and rare. */
  readonly #claimants = new Map<string, ObjectKey | readonly ObjectKey[]>()
  readonly #compare: (a: ObjectKey, b: ObjectKey) => number

  constructor(compare: (a: ObjectKey, b: ObjectKey) => number) {
    this.#compare = compare
  }

  owner(frontend: string): ObjectKey | undefined {
    const found = this.#claimants.get(frontend)
    return typeof found === 'object' ? found[0] : found
  }

  /** All that claim the frontend, the owner first. */
  claimants(frontend: string): readonly ObjectKey[] {
    const found = this.#claimants.get(frontend)
    if (found === undefined) return []
    return typeof found === 'object' ? found : [found]
  }

  /** Returns whether others claim the frontend too. */
  add(frontend: string, service: ObjectKey): boolean {
    const others = this.#claimants.get(frontend)
    if (others === undefined) {
      this.#claimants.set(frontend, service)
      return false
    }
    const all = new Set([...this.claimants(frontend), service])
    this.#claimants.set(frontend, [...all].sort(this.#compare))
    return true
  }

  /** Returns whether others still claim the frontend. */
  release(frontend: string, service: ObjectKey): boolean {
    const [first, ...others] = this.claimants(frontend).filter((claimant) => claimant !== service)
    if (first === undefined) this.#claimants.delete(frontend)
    else this.#claimants.set(frontend, others.length === 0 ? first : [first, ...others])
    return first !== undefined
  }
}
