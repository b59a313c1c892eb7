import type { Kind } from '../../src/kube/types.ts'
import type { ClusterSize } from '../cluster.ts'
import { mixedVariety, nodeCount, podAddress, serviceIp, type StoredObject, type StoredSlice } from './objects.ts'

export type StoreOptions = ClusterSize & {
  /** Services of all kinds instead of cluster IPs alone. */
  readonly isMixed?: boolean
  /** Changes that are kept for watches that come back; then it is 410. */
  readonly historyLength?: number
}

/** One event of a watch; its version is the object's. */
export type Change = { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: StoredObject }

export type EndpointAction = 'add' | 'remove' | 'replace'

/** As the EndpointSlice controller makes them. */
const endpointsPerSlice = 100
const firstVersion = 1000

/** The objects of the cluster and what happened to them, under one row of resource versions. */
export class Store {
  /** Called when objects have changed. */
  onChange: () => void = () => {}
  readonly #endpoints: number
  readonly #slicesPerService: number
  readonly #historyLength: number
  readonly #isMixed: boolean
  /** By kind and position; what was deleted leaves its place empty, so that a position in a list stays what it is. */
  readonly #objects: Record<Kind, (StoredObject | undefined)[]> = {
    Service: [],
    EndpointSlice: [],
    Node: [],
    ServiceCIDR: [{ kind: 'ServiceCIDR', version: 1, index: 0 }],
  }
  /** The changes since `#historyStart`, one for each version. */
  #history: Change[] = []
  #historyStart: number
  #version = firstVersion
  #nextPod = 0

  constructor({ services, endpoints, isMixed = false, historyLength = 20_000 }: StoreOptions) {
    this.#endpoints = endpoints
    this.#slicesPerService = Math.max(1, Math.ceil(endpoints / endpointsPerSlice))
    this.#historyLength = historyLength
    this.#isMixed = isMixed
    for (let index = 0; index < nodeCount; index++) {
      this.#objects.Node.push({ kind: 'Node', version: this.#nextVersion(), index })
    }
    for (let index = 0; index < services; index++) for (const object of this.#newService(index)) this.#place(object)
    this.#historyStart = this.#version
  }

  /** The version of the latest change. */
  get version(): number {
    return this.#version
  }

  /** Services there were ever; a Service's number is below it. */
  get serviceCount(): number {
    return this.#objects.Service.length
  }

  /** The objects of one kind as they are when each is reached, with their positions, from one position on. */
  *objects(kind: Kind, start = 0): Generator<readonly [position: number, object: StoredObject]> {
    const objects = this.#objects[kind]
    for (let position = start; position < objects.length; position++) {
      const object = objects[position]
      if (object !== undefined) yield [position, object]
    }
  }

  /** The first change after a version; undefined when there is none yet, `expired` when it is forgotten. */
  changeAfter(version: number): Change | 'expired' | undefined {
    if (version < this.#historyStart) return 'expired'
    return this.#history[version - this.#historyStart]
  }

  /** Forgets all history: a watch cannot be resumed from before this moment. */
  expire(): void {
    this.#history = []
    this.#historyStart = this.#version
  }

  /** Changes one endpoint of a Service; the address is that of the pod that came, or went with `remove`. */
  changeEndpoint(index: number, action: EndpointAction): string | undefined {
    const position = (index + 1) * this.#slicesPerService - 1
    const slice = this.#objects.EndpointSlice[position] as StoredSlice | undefined
    if (slice === undefined) return undefined
    const { pods } = slice
    const pod = action === 'remove' ? pods.at(-1) : this.#nextPod++
    if (pod === undefined) return undefined
    const kept = action === 'add' ? pods : pods.slice(0, -1)
    const changed = action === 'remove' ? kept : [...kept, pod]
    this.#change('MODIFIED', {
      ...slice,
      version: this.#nextVersion(),
      generation: slice.generation + 1,
      pods: changed,
      changedAt: new Date(),
    })
    this.onChange()
    return podAddress(pod)
  }

  /** A new Service with as many endpoints as the others; returns its number and cluster IP. */
  createService(): { readonly index: number; readonly clusterIp: string } {
    const index = this.serviceCount
    for (const object of this.#newService(index)) this.#change('ADDED', object)
    this.onChange()
    return { index, clusterIp: serviceIp(index) }
  }

  /** Deletes a Service and its slices; false when there is none of that number. */
  deleteService(index: number): boolean {
    const service = this.#objects.Service[index]
    if (service === undefined) return false
    const first = index * this.#slicesPerService
    const slices = this.#objects.EndpointSlice.slice(first, first + this.#slicesPerService)
    for (const object of [service, ...slices]) {
      if (object !== undefined) this.#change('DELETED', { ...object, version: this.#nextVersion() })
    }
    this.onChange()
    return true
  }

  *#newService(index: number): Generator<StoredObject> {
    const variety = this.#isMixed ? mixedVariety(index) : 'cluster-ip'
    yield { kind: 'Service', version: this.#nextVersion(), index, variety }
    for (let part = 0; part < this.#slicesPerService; part++) {
      const count = Math.min(endpointsPerSlice, this.#endpoints - part * endpointsPerSlice)
      const pods = Array.from({ length: count }, () => this.#nextPod++)
      yield { kind: 'EndpointSlice', version: this.#nextVersion(), index, part, generation: 1, pods }
    }
  }

  #nextVersion(): number {
    return ++this.#version
  }

  #change(type: Change['type'], object: StoredObject): void {
    this.#place(object, type === 'DELETED')
    this.#history.push({ type, object })
    // Cut off seldom, since it moves all that stay.
    const excess = this.#history.length - this.#historyLength
    if (excess < this.#historyLength / 2) return
    this.#history.splice(0, excess)
    this.#historyStart += excess
  }

  #place(object: StoredObject, isDeleted = false): void {
    const position = object.kind === 'EndpointSlice' ? this.#positionOf(object) : object.index
    this.#objects[object.kind][position] = isDeleted ? undefined : object
  }

  #positionOf({ index, part }: StoredSlice): number {
    return index * this.#slicesPerService + part
  }
}
