import { isDeepStrictEqual } from 'node:util'
import type { ManifestProblem } from './manifest-problem.ts'
import type { ObjectId } from './manifest-text.ts'
import { describeObject } from './types.ts'
import type { KubeObject, ObjectEvent } from './types.ts'

type Objects = ReadonlyMap<ObjectId, KubeObject>

/**
 * Merges the objects of many files into one set: of the files that claim the same object, the first in byte order of
 * their names wins. Reports what that set gained and lost since the last time it was asked.
 */
export class ObjectClaims {
  readonly #objectsOf = new Map<string, Objects>()
  readonly #claimants = new Map<ObjectId, readonly string[]>()
  readonly #delivered = new Map<ObjectId, KubeObject>()
  readonly #reportedConflicts = new Map<ObjectId, readonly string[]>()
  readonly #touched = new Set<ObjectId>()

  /** Replaces all that `file` claims; an empty map when the file is gone. */
  replace(file: string, objects: Objects): void {
    const before = this.#objectsOf.get(file) ?? new Map<ObjectId, KubeObject>()
    for (const id of before.keys()) {
      if (!objects.has(id)) this.#unclaim(id, file)
      this.#touched.add(id)
    }
    for (const id of objects.keys()) {
      if (!before.has(id)) this.#claim(id, file)
      this.#touched.add(id)
    }
    if (objects.size > 0) this.#objectsOf.set(file, objects)
    else this.#objectsOf.delete(file)
  }

  hasClaims(file: string): boolean {
    return this.#objectsOf.has(file)
  }

  /** The events that lead from what was taken before to what is claimed now, and the claims that newly lost. */
  takeEvents(): { readonly events: readonly ObjectEvent[]; readonly problems: readonly ManifestProblem[] } {
    const events: ObjectEvent[] = []
    const problems: ManifestProblem[] = []
    for (const id of this.#touched) {
      const [winner, ...losers] = this.#claimants.get(id) ?? []
      const event = this.#deliver(id, winner === undefined ? undefined : this.#objectsOf.get(winner)?.get(id))
      if (event !== undefined) events.push(event)
      problems.push(...this.#conflicts(id, winner, losers))
    }
    this.#touched.clear()
    return { events, problems }
  }

  #claim(id: ObjectId, file: string): void {
    const others = this.#claimants.get(id)
    this.#claimants.set(id, others === undefined ? [file] : [...others, file].sort(byteOrder))
  }

  #unclaim(id: ObjectId, file: string): void {
    const others = (this.#claimants.get(id) ?? []).filter((other) => other !== file)
    if (others.length > 0) this.#claimants.set(id, others)
    else this.#claimants.delete(id)
  }

  #deliver(id: ObjectId, object: KubeObject | undefined): ObjectEvent | undefined {
    const before = this.#delivered.get(id)
    if (object !== undefined) {
      if (before !== undefined && isDeepStrictEqual(before, object)) return undefined
      this.#delivered.set(id, object)
      return { type: 'set', object }
    }
    if (before === undefined) return undefined
    this.#delivered.delete(id)
    return { type: 'deleted', kind: before.kind, namespace: before.metadata.namespace, name: before.metadata.name }
  }

  #conflicts(id: ObjectId, winner: string | undefined, losers: readonly string[]): readonly ManifestProblem[] {
    const reported = this.#reportedConflicts.get(id) ?? []
    if (losers.length === 0) {
      this.#reportedConflicts.delete(id)
      return []
    }
    this.#reportedConflicts.set(id, losers)
    return losers
      .filter((file) => !reported.includes(file))
      .map((file) => {
        const object = this.#objectsOf.get(file)?.get(id)
        const named = object === undefined ? id : describeObject(object.kind, object.metadata)
        return { severity: 'warning', file, message: `${named} is also in ${winner}, which is used` }
      })
  }
}

/** The order of the names' bytes, as a directory listing in the C locale has it. */
export function byteOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
