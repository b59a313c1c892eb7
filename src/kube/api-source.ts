import { apiResources } from './api-resource.ts'
import type { KubeApi } from './api.ts'
import type { Clock } from './clock.ts'
import type { ApiProblem } from './connection-health.ts'
import { Reflector } from './reflector.ts'
import type { ReflectorStatus } from './reflector.ts'
import { isWatched } from './selectors.ts'
import type { Kind, KubeObject, ObjectEvent } from './types.ts'

export interface ApiSourceOptions {
  readonly api: KubeApi
  readonly nodeName: string
  readonly clock: Clock
  /** From 0 to 1 (excluded); Math.random when absent. */
  readonly random?: () => number
  /** Called with at least one event: the difference to what was delivered before. */
  readonly onChanges: (events: readonly ObjectEvent[]) => void
  /** Called once for each kind, when all objects of its first list have been delivered, or the server has no such kind. */
  readonly onSynced: (kind: Kind) => void
  readonly onProblem: (problem: ApiProblem) => void
  /** Closes the source. */
  readonly signal?: AbortSignal
}

/** Follows what a proxy on one Node needs of an API server: Services, EndpointSlices, the Node, ServiceCIDRs. */
export class ApiSource {
  readonly #options: ApiSourceOptions
  readonly #reflectors: Readonly<Record<Kind, Reflector>>

  constructor(options: ApiSourceOptions) {
    this.#options = options
    const { nodeName } = options
    const resources = apiResources(nodeName)
    const isWanted = (object: KubeObject): boolean =>
      isWatched(object) && (object.kind !== 'Node' || object.metadata.name === nodeName)
    const reflector = (kind: Kind, isOptional = false): Reflector =>
      new Reflector({
        random: Math.random,
        ...options,
        resource: resources[kind],
        isWanted,
        isOptional,
        onSynced: () => options.onSynced(kind),
      })
    this.#reflectors = {
      Service: reflector('Service'),
      EndpointSlice: reflector('EndpointSlice'),
      Node: reflector('Node'),
      // networking.k8s.io/v1 has it since Kubernetes 1.33.
      ServiceCIDR: reflector('ServiceCIDR', true),
    }
  }

  /** How each kind is doing. */
  get status(): Readonly<Record<Kind, ReflectorStatus>> {
    const { Service, EndpointSlice, Node, ServiceCIDR } = this.#reflectors
    return {
      Service: Service.status,
      EndpointSlice: EndpointSlice.status,
      Node: Node.status,
      ServiceCIDR: ServiceCIDR.status,
    }
  }

  /** Begins all kinds at the same time; returns at once. */
  start(): void {
    const { signal } = this.#options
    if (signal?.aborted) this.close()
    signal?.addEventListener('abort', this.close, { once: true })
    for (const reflector of Object.values(this.#reflectors)) void reflector.start()
  }

  /** Ends all requests and timers; nothing is delivered afterwards. */
  readonly close = (): void => {
    this.#options.signal?.removeEventListener('abort', this.close)
    for (const reflector of Object.values(this.#reflectors)) reflector.close()
  }
}
