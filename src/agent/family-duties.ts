import type { ClusterModel } from '../model/cluster-model.ts'
import type { IpAddress } from '../model/ip.ts'
import { HealthCheckServices } from '../server/health-check-services.ts'
import type { ProxyMetrics } from '../server/metrics.ts'
import { NoLocalEndpointsCount } from '../server/no-local-endpoints.ts'
import { type ServiceHealthFailure, ServiceHealthServers } from '../server/service-health.ts'
import { systemClock } from '../sync/clock.ts'
import type { SyncReport } from '../sync/syncer.ts'

export type FamilyDutiesOptions = {
  readonly model: ClusterModel
  readonly metrics: ProxyMetrics
  readonly isProxyHealthy: () => boolean
  readonly onHealthCheckFailure: (failure: ServiceHealthFailure) => void
}

/** What has to be brought up to date beside the table after each sync of one family. */
export class FamilyDuties {
  readonly #options: FamilyDutiesOptions
  readonly #noLocalEndpoints: NoLocalEndpointsCount
  readonly #healthChecked: HealthCheckServices
  readonly #healthServers: ServiceHealthServers

  constructor(options: FamilyDutiesOptions) {
    this.#options = options
    const { model, isProxyHealthy, onHealthCheckFailure } = options
    this.#noLocalEndpoints = new NoLocalEndpointsCount(model)
    this.#healthChecked = new HealthCheckServices(model)
    this.#healthServers = new ServiceHealthServers({
      family: model.family,
      addresses: 'all',
      isProxyHealthy,
      onFailure: onHealthCheckFailure,
      clock: systemClock,
    })
  }

  /** Where Services' health can be asked for; takes effect with the next sync. */
  setHealthCheckIps(ips: 'all' | readonly IpAddress[]): void {
    this.#healthServers.setAddresses(ips)
  }

  synced({ changes: { services } }: SyncReport): void {
    const { model, metrics } = this.#options
    this.#noLocalEndpoints.update(services)
    metrics.noLocalEndpoints(model.family, this.#noLocalEndpoints.total)
    this.#healthChecked.update(services)
    void this.#healthServers.setServices(this.#healthChecked.ports)
    this.#healthServers.setCounts(this.#healthChecked.counts)
  }

  close(): Promise<void> {
    return this.#healthServers.close()
  }
}
