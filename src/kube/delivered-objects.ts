import type { ApiResource } from './api-resource.ts'
import { decodeObject } from './decode.ts'
import { isFields } from './fields.ts'
import { claimedName } from './metadata.ts'
import { ObjectVersions } from './object-versions.ts'
import type { ObjectName } from './object-versions.ts'
import { describeObject } from './types.ts'
import type { KubeObject, ObjectEvent, Warning } from './types.ts'

/** What is still to be told. */
export interface Changes {
  readonly events: ObjectEvent[]
  readonly warnings: Warning[]
}

/** Turns raw objects of one resource into events, and knows of each delivered object its name and version alone. */
export class DeliveredObjects {
  readonly #resource: ApiResource
  readonly #isWanted: (object: KubeObject) => boolean
  readonly #versions = new ObjectVersions()
  /** Objects that are of no use, so that each version is complained about once. */
  readonly #unusable = new ObjectVersions()
  /** While a list is read: what was delivered before and has not come yet. */
  #missing: ObjectVersions | undefined

  /** Objects for which `isWanted` is false are treated as if they did not exist. */
  constructor(resource: ApiResource, isWanted: (object: KubeObject) => boolean) {
    this.#resource = resource
    this.#isWanted = isWanted
  }

  /** Objects in force. */
  get size(): number {
    return this.#versions.size
  }

  /** From now on all objects that exist are set; what was delivered before and is not set again has vanished. */
  beginList(): void {
    this.#missing = this.#versions.copy()
  }

  /** The objects that have vanished, as events. */
  *endList(): Iterable<ObjectEvent> {
    const missing = this.#missing ?? new ObjectVersions()
    this.#missing = undefined
    for (const name of missing.names()) {
      if (this.#versions.delete(name)) yield this.#deletion(name)
    }
  }

  /** Adds to `changes` what is new in an object; a version that is known is not even decoded. */
  set(raw: unknown, changes: Changes): void {
    const name = this.#name(raw)
    const version = versionOf(raw)
    this.#missing?.delete(name)
    if (this.#versions.get(name) === version || this.#unusable.get(name) === version) return
    const { object, warnings } = this.#decode(raw)
    if (object === undefined) this.#unusable.set(name, version)
    else this.#unusable.delete(name)
    if (object === undefined || this.#isWanted(object)) changes.warnings.push(...warnings)
    if (object !== undefined && this.#isWanted(object)) {
      this.#versions.set(object.metadata, version)
      changes.events.push({ type: 'set', object })
    } else this.#forget(name, changes)
  }

  /** As `set`, of an object that is gone; the rest of it does not count. */
  delete(raw: unknown, changes: Changes): void {
    const name = this.#name(raw)
    this.#missing?.delete(name)
    this.#unusable.delete(name)
    this.#forget(name, changes)
  }

  #forget(name: ObjectName, changes: Changes): void {
    if (this.#versions.delete(name)) changes.events.push(this.#deletion(name))
  }

  #name(raw: unknown): ObjectName {
    return claimedName(isFields(raw) ? raw : {}, this.#resource.isNamespaced)
  }

  #deletion({ namespace, name }: ObjectName): ObjectEvent {
    return { type: 'deleted', kind: this.#resource.kind, namespace, name }
  }

  #decode(raw: unknown): { readonly object?: KubeObject; readonly warnings: readonly Warning[] } {
    const { kind, apiVersion } = this.#resource
    // The items of a list, as the API server sends it, have neither kind nor apiVersion of their own.
    const typed = isFields(raw) && raw['kind'] === undefined ? Object.assign(raw, { kind, apiVersion }) : raw
    const { object, warnings } = decodeObject(typed)
    if (object === undefined || object.kind === kind) return { ...(object && { object }), warnings }
    const warning = { object: describeObject(object.kind, object.metadata), field: 'kind', message: `is not ${kind}` }
    return { warnings: [warning] }
  }
}

/** NaN, which equals no version, when it is no number: then the object counts as changed each time it is seen. */
function versionOf(raw: unknown): number {
  const metadata = isFields(raw) ? raw['metadata'] : undefined
  const text = isFields(metadata) ? metadata['resourceVersion'] : undefined
  const version = typeof text === 'string' && text !== '' ? Number(text) : Number.NaN
  return Number.isSafeInteger(version) ? version : Number.NaN
}
