import type { ClusterModel } from '../model/cluster-model.ts'
import type { EndpointsByPort } from '../model/endpoint.ts'
import { isExternallyAccessible, portKey, type ServicePort } from '../model/service-port.ts'
import { selectEndpoints } from '../model/topology.ts'
import type { ServiceKey } from './health-check-services.ts'

/** Service ports with policy Local that have usable endpoints somewhere but none on this Node. */
export type NoLocalEndpoints = { readonly internal: number; readonly external: number }

/** Of the ports of one Service. */
export function noLocalEndpoints(ports: readonly ServicePort[], endpoints: EndpointsByPort): NoLocalEndpoints {
  let [internal, external] = [0, 0]
  for (const port of ports) {
    if (!hasLocalPolicy(port)) continue
    const found = endpoints.get(portKey(port.protocol, port.portName)) ?? []
    // Topology hints never decide whether there are usable endpoints: the Node does not matter.
    const { local, isAnyUsable } = selectEndpoints(port, found, { name: '' })
    if (local === undefined || local.length > 0 || !isAnyUsable) continue
    if (port.internalPolicyLocal) internal++
    if (port.externalPolicyLocal && isExternallyAccessible(port)) external++
  }
  return { internal, external }
}

/** The sum over all Services of one family, kept by looking only at those that changed. */
export class NoLocalEndpointsCount {
  readonly #model: ClusterModel
  /** Of the Services that have any. */
  readonly #contributions = new Map<ServiceKey, NoLocalEndpoints>()
  #internal = 0
  #external = 0

  constructor(model: ClusterModel) {
    this.#model = model
  }

  /** Looks at Services whose ports or endpoints may have changed. */
  update(changed: Iterable<ServiceKey>): void {
    for (const service of changed) {
      const before = this.#contributions.get(service) ?? none
      const ports = this.#model.servicePorts(service)
      // The model makes endpoints when they are asked for, and most Services have no such policy.
      const now = ports.some(hasLocalPolicy) ? noLocalEndpoints(ports, this.#model.endpoints(service)) : none
      this.#internal += now.internal - before.internal
      this.#external += now.external - before.external
      if (now.internal + now.external > 0) this.#contributions.set(service, now)
      else this.#contributions.delete(service)
    }
  }

  get total(): NoLocalEndpoints {
    return { internal: this.#internal, external: this.#external }
  }
}

const none: NoLocalEndpoints = { internal: 0, external: 0 }

function hasLocalPolicy({ internalPolicyLocal, externalPolicyLocal }: ServicePort): boolean {
  return internalPolicyLocal || externalPolicyLocal
}
