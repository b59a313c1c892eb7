import { objectKey } from '../kube/types.ts'
import type { EndpointSlice, ObjectKey, Service, ServiceCIDR, Warning } from '../kube/types.ts'
import type { Cidr } from './cidr.ts'
import type { EndpointsByPort } from './endpoint.ts'
import { EndpointTracker } from './endpoint-tracker.ts'
import type { EndpointChanges } from './endpoint-tracker.ts'
import type { Family, IpAddress } from './ip.ts'
import { mergeCidrs, serviceCidrRanges } from './service-cidrs.ts'
import type { ServicePort } from './service-port.ts'
import { ServiceTracker } from './service-tracker.ts'

export interface ClusterModelOptions {
  readonly family: Family
  /** This Node's name, as EndpointSlices have it. */
  readonly nodeName: string
  /** In milliseconds since 1970; slices triggered before are left out of `triggerTimes`. */
  readonly processStartMs: number
  /** Whether spec.externalIPs means anything; by default it does. */
  readonly usesExternalIps?: boolean | undefined
}

/** What `takeChanges` made visible. */
export interface ModelChanges extends Pick<EndpointChanges, 'triggerTimes'> {
  /** Whether UDP flows may be stale: a Service concerned had or has a UDP port, or endpoints of one. */
  readonly isConntrackCleanupNeeded: boolean
  /** The Services whose ports or endpoints may differ from before. */
  readonly services: ReadonlySet<ObjectKey>
  /** What is wrong with objects that were set since the last time and was not reported before. */
  readonly warnings: readonly Warning[]
}

/** Counts for the metrics of the same names. */
export interface ChangeCounters {
  readonly serviceChangesTotal: number
  readonly serviceChangesPending: number
  readonly endpointChangesTotal: number
  readonly endpointChangesPending: number
}

/**
 * What is known of the cluster for one IP family. Changes are collected until they are taken: all reads show the state
 * as of the last `takeChanges`, except for the ServiceCIDRs, which are always the latest.
 */
export class ClusterModel {
  readonly family: Family
  readonly #services: ServiceTracker
  readonly #endpoints: EndpointTracker
  readonly #rangesOf = new Map<string, readonly Cidr[]>()
  #serviceCidrs: readonly Cidr[] = []
  #cidrWarnings: Warning[] = []

  constructor(options: ClusterModelOptions) {
    this.family = options.family
    this.#services = new ServiceTracker(options.family, options.usesExternalIps)
    this.#endpoints = new EndpointTracker(options)
  }

  /** Whether a sync is needed: any Service, not only this one, differs from what was last taken. */
  setService(service: Service): boolean {
    return this.#services.set(service)
  }

  /** As `setService`. */
  deleteService(namespace: string, name: string): boolean {
    return this.#services.delete(objectKey({ namespace, name }))
  }

  /** Whether a sync is needed: this slice is of the family and differs in anything from what was told before. */
  setEndpointSlice(slice: EndpointSlice): boolean {
    return this.#endpoints.set(slice)
  }

  /** Whether a sync is needed: the slice was known. */
  deleteEndpointSlice(namespace: string, name: string): boolean {
    return this.#endpoints.delete(objectKey({ namespace, name }))
  }

  /** Whether `serviceCidrs` is another list than before. */
  setServiceCidr(object: ServiceCIDR): boolean {
    const { ranges, warnings } = serviceCidrRanges(object, this.family)
    this.#cidrWarnings.push(...warnings)
    this.#rangesOf.set(object.metadata.name, ranges)
    return this.#mergeServiceCidrs()
  }

  /** As `setServiceCidr`. A range that another object has too stays. */
  deleteServiceCidr(name: string): boolean {
    this.#rangesOf.delete(name)
    return this.#mergeServiceCidrs()
  }

  /** Makes all that was told since the last time visible. Costs as much as the Services concerned have endpoints. */
  takeChanges(): ModelChanges {
    const services = this.#services.take()
    const { services: endpointServices, warnings, ...endpointChanges } = this.#endpoints.take()
    const concerned = new Set(services.services)
    for (const service of endpointServices) concerned.add(service)
    const cidrWarnings = this.#cidrWarnings
    this.#cidrWarnings = []
    return {
      ...endpointChanges,
      isConntrackCleanupNeeded: endpointChanges.isConntrackCleanupNeeded || services.isConntrackCleanupNeeded,
      services: concerned,
      warnings: [...services.warnings, ...warnings, ...cidrWarnings],
    }
  }

  get counters(): ChangeCounters {
    return {
      serviceChangesTotal: this.#services.changesTotal,
      serviceChangesPending: this.#services.changesPending,
      endpointChangesTotal: this.#endpoints.changesTotal,
      endpointChangesPending: this.#endpoints.changesPending,
    }
  }

  /** The ranges that cluster IPs of the family come from: none lies in another one, in the order of their addresses. */
  get serviceCidrs(): readonly Cidr[] {
    return this.#serviceCidrs
  }

  /** The Services that have ports of the family. */
  serviceKeys(): Iterable<ObjectKey> {
    return this.#services.keys()
  }

  servicePorts(service: ObjectKey): readonly ServicePort[] {
    return this.#services.ports(service)
  }

  /** By port key; a port without endpoints has no entry. There may be endpoints without a Service. */
  endpoints(service: ObjectKey): EndpointsByPort {
    return this.#endpoints.endpoints(service)
  }

  /** How many addresses on this Node are ready for the Service, on whichever ports: what its health check answers. */
  localReadyEndpoints(service: ObjectKey): number {
    const ips = new Set<IpAddress>()
    for (const endpoints of this.endpoints(service).values()) {
      for (const { ip, isLocal, isReady } of endpoints) if (isLocal && isReady) ips.add(ip)
    }
    return ips.size
  }

  #mergeServiceCidrs(): boolean {
    const before = this.#serviceCidrs
    this.#serviceCidrs = mergeCidrs([...this.#rangesOf.values()].flat())
    return before.join() !== this.#serviceCidrs.join()
  }
}
