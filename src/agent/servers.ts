import type { Logger } from 'pino'
import { toApiObject } from '../config/kube-proxy-configuration.ts'
import { isGateOn } from '../config/feature-gates.ts'
import type { Config } from '../config/load.ts'
import type { SocketAddress } from '../config/bind-address.ts'
import { logLevelOf } from '../config/log-level.ts'
import type { RecordedEvent } from '../kube/event-recorder.ts'
import { healthPages } from '../server/health-pages.ts'
import { ListeningServer, type ListeningServerOptions } from '../server/listening-server.ts'
import { metricsPages } from '../server/metrics-pages.ts'
import type { ProxyMetrics } from '../server/metrics.ts'
import type { ProxyHealth } from '../server/proxy-health.ts'
import { systemClock } from '../sync/clock.ts'
import { nodeEvent } from './events.ts'
import { StartError } from './start-error.ts'

export type ServersOptions = {
  readonly config: Config
  readonly version: string
  readonly log: Logger
  readonly health: ProxyHealth
  readonly metrics: ProxyMetrics
  /** Lines for `?verbose`. */
  readonly facts: () => readonly string[]
  readonly record: (event: RecordedEvent) => void
}

/** The health server and the metrics server of the agent. */
export class Servers {
  readonly #options: ServersOptions
  readonly #servers: ListeningServer[] = []
  readonly #failed = Promise.withResolvers<never>()

  constructor(options: ServersOptions) {
    this.#options = options
    // Without `bindAddressHardFail` nobody waits for it.
    this.#failed.promise.catch(() => {})
  }

  /** Begins to listen. Rejects with StartError when a server cannot, and the configuration says that it must. */
  start(): Promise<never> {
    const { config, health, metrics, facts } = this.#options
    const { healthzBindAddress, metricsBindAddress } = config
    if (healthzBindAddress !== undefined) {
      const onAnswer = metrics.healthAnswered.bind(metrics)
      this.#listen('healthz', healthzBindAddress, healthPages({ health, facts, onAnswer }))
    }
    this.#listen('metrics', metricsBindAddress, this.#metricsPages())
    return this.#failed.promise
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()))
  }

  #listen(
    name: keyof typeof failureReasons,
    address: SocketAddress,
    onRequest: ListeningServerOptions['onRequest'],
  ): void {
    const { config, log, record } = this.#options
    const failure = (error: Error): string =>
      `the ${name} server cannot listen on ${address.ip} port ${address.port}: ${error.message}`
    const onHardFailure = (error: Error): void => {
      record(nodeEvent(config.nodeName, 'Warning', failureReasons[name], failure(error)))
      this.#failed.reject(new StartError(failure(error), { cause: error }))
    }
    const server = new ListeningServer({
      address,
      onRequest,
      clock: systemClock,
      onFailure: (error) => log.error(`${failure(error)}; the next attempt is in 5 s`),
      ...(config.configuration.bindAddressHardFail ? { onHardFailure } : {}),
    })
    this.#servers.push(server)
    void server.start()
  }

  #metricsPages(): ReturnType<typeof metricsPages> {
    const { config, version, log, metrics } = this.#options
    const { configuration } = config
    const { featureGates, enableProfiling } = configuration
    return metricsPages({
      metrics,
      mode: configuration.mode,
      configuration: () => toApiObject(configuration),
      flags: isGateOn(featureGates, 'ComponentFlagz') ? () => config.flags : undefined,
      versions: isGateOn(featureGates, 'ComponentStatusz')
        ? () => ({ flowproxy: version, node: process.version })
        : undefined,
      setVerbosity: enableProfiling
        ? (level) => {
            log.level = logLevelOf(level)
          }
        : undefined,
      wallClock: () => new Date(),
    })
  }
}

const failureReasons = {
  healthz: 'FailedToStartProxierHealthcheck',
  metrics: 'FailedToStartMetricServer',
} as const
