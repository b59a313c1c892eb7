import type { ClusterModel } from '../model/cluster-model.ts'
import type { serviceKeyOf } from '../model/service-port.ts'

/** `namespace/name`. */
export type ServiceKey = ReturnType<typeof serviceKeyOf>

/** The Services of one family with a health-check node port, kept by looking only at those that changed. */
export class HealthCheckServices {
  readonly #model: ClusterModel
  readonly #ports = new Map<ServiceKey, number>()
  readonly #counts = new Map<ServiceKey, number>()

  constructor(model: ClusterModel) {
    this.#model = model
  }

  /** Looks at Services whose ports or endpoints may have changed. */
  update(changed: Iterable<ServiceKey>): void {
    for (const service of changed) {
      const port = this.#model.servicePorts(service)[0]?.healthCheckNodePort ?? 0
      if (port === 0) {
        this.#ports.delete(service)
        this.#counts.delete(service)
      } else {
        this.#ports.set(service, port)
        this.#counts.set(service, this.#model.localReadyEndpoints(service))
      }
    }
  }

  get ports(): ReadonlyMap<ServiceKey, number> {
    return this.#ports
  }

  /** How many addresses on this Node are ready for them. */
  get counts(): ReadonlyMap<ServiceKey, number> {
    return this.#counts
  }
}
