/** What tells an object from others of its kind. */
export interface ObjectName {
  readonly namespace: string
  readonly name: string
}

/**
 * The versions of many objects, in some 40 bytes for each: the names are the strings that the decoded objects have, which
 * the model keeps anyway, where a joined key would be a string of its own.
 */
export class ObjectVersions {
  readonly #namespaces = new Map<string, Map<string, number>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get({ namespace, name }: ObjectName): number | undefined {
    return this.#namespaces.get(namespace)?.get(name)
  }

  set({ namespace, name }: ObjectName, version: number): void {
    let names = this.#namespaces.get(namespace)
    if (names === undefined) this.#namespaces.set(namespace, (names = new Map()))
    if (!names.has(name)) this.#size++
    names.set(name, version)
  }

  /** Whether it was there. */
  delete({ namespace, name }: ObjectName): boolean {
    const names = this.#namespaces.get(namespace)
    if (names === undefined || !names.delete(name)) return false
    this.#size--
    if (names.size === 0) this.#namespaces.delete(namespace)
    return true
  }

  *names(): Iterable<ObjectName> {
    for (const [namespace, names] of this.#namespaces) {
      for (const name of names.keys()) yield { namespace, name }
    }
  }

  copy(): ObjectVersions {
    const copy = new ObjectVersions()
    for (const [namespace, names] of this.#namespaces) copy.#namespaces.set(namespace, new Map(names))
    copy.#size = this.#size
    return copy
  }
}
