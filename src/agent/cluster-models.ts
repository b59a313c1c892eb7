import { type KubeObject, type Node, type ObjectEvent, zoneLabel } from '../kube/types.ts'
import { ClusterModel } from '../model/cluster-model.ts'
import { type Family, type IpAddress, isLoopback } from '../model/ip.ts'
import { nodeIps } from '../model/node-ips.ts'
import type { NodeTopology } from '../model/topology.ts'
import type { NodeFacts } from './dataplane-options.ts'

export type ClusterModelsOptions = {
  readonly families: readonly Family[]
  readonly nodeName: string
  /** In milliseconds since 1970. */
  readonly processStartMs: number
  readonly usesExternalIps?: boolean | undefined
}

/** What is known of the cluster, once for each family, fed by one stream of events. */
export class ClusterModels {
  readonly models: readonly ClusterModel[]
  #node: NodeTopology
  #nodeObject: Node | undefined

  constructor({ families, nodeName, ...options }: ClusterModelsOptions) {
    this.models = families.map((family) => new ClusterModel({ family, nodeName, ...options }))
    this.#node = { name: nodeName }
  }

  /** This Node as its object describes it; the zone is unknown until there is one. */
  get node(): NodeTopology {
    return this.#node
  }

  /** This Node's object as it was told last, also when it is gone. */
  get nodeObject(): Node | undefined {
    return this.#nodeObject
  }

  /** What else this Node's object says; a bind address that is not unspecified takes its family's place. */
  facts(bindAddress?: IpAddress): NodeFacts {
    const { spec, status } = this.#nodeObject ?? {}
    const { ips } = nodeIps({ bindAddress, nodeAddresses: status?.addresses ?? [] })
    const reachable = Object.entries(ips).filter(([, ip]) => !isLoopback(ip))
    return { ips: Object.fromEntries(reachable), podCidrs: spec?.podCIDRs ?? [] }
  }

  /** Tells the models; returns whether a sync is needed, and what is another than before: this Node's zone, its facts. */
  apply(events: readonly ObjectEvent[]): { isSyncNeeded: boolean; isNodeChanged: boolean; hasNewFacts: boolean } {
    let isSyncNeeded = false
    const nodeBefore = this.#node
    const objectBefore = this.#nodeObject
    for (const event of events) {
      if (this.#applyOne(event)) isSyncNeeded = true
    }
    const isNodeChanged = this.#node.zone !== nodeBefore.zone
    const hasNewFacts = this.#nodeObject !== objectBefore
    return { isSyncNeeded: isSyncNeeded || isNodeChanged, isNodeChanged, hasNewFacts }
  }

  #applyOne(event: ObjectEvent): boolean {
    if (event.type === 'set') return this.#set(event.object)
    const { kind, namespace, name } = event
    switch (kind) {
      case 'Service':
        return this.#any((model) => model.deleteService(namespace, name))
      case 'EndpointSlice':
        return this.#any((model) => model.deleteEndpointSlice(namespace, name))
      case 'ServiceCIDR':
        return this.#any((model) => model.deleteServiceCidr(name))
      case 'Node':
        // The zone of a Node whose object is gone stays what it was.
        return false
    }
  }

  #set(object: KubeObject): boolean {
    switch (object.kind) {
      case 'Service':
        return this.#any((model) => model.setService(object))
      case 'EndpointSlice':
        return this.#any((model) => model.setEndpointSlice(object))
      case 'ServiceCIDR':
        return this.#any((model) => model.setServiceCidr(object))
      case 'Node':
        if (object.metadata.name === this.#node.name) {
          this.#nodeObject = object
          this.#node = { name: this.#node.name, zone: object.metadata.labels?.[zoneLabel] }
        }
        return false
    }
  }

  /** Every model is told, even when one has answered already. */
  #any(tell: (model: ClusterModel) => boolean): boolean {
    return this.models.map(tell).includes(true)
  }
}
