import type { Logger } from 'pino'
import type { Config } from '../config/load.ts'
import { ApiSource } from '../kube/api-source.ts'
import { EventRecorder, type RecordedEvent } from '../kube/event-recorder.ts'
import type { Kind, ObjectEvent } from '../kube/types.ts'
import type { ProxyMetrics } from '../server/metrics.ts'
import { systemClock } from '../sync/clock.ts'
import { ApiConnection } from './api-connection.ts'
import { waitForNode } from './node-wait.ts'
import type { Proxier } from './proxier.ts'
import { StartError } from './start-error.ts'

export type ApiFeedOptions = {
  readonly config: Config
  readonly version: string
  readonly log: Logger
  readonly metrics: ProxyMetrics
  readonly proxier: Proxier
  /** Called with the events that the proxier was told of. */
  readonly onEvents: (events: readonly ObjectEvent[]) => void
}

/** Tells the proxier what an API server says, and the API server what happens to the proxier. */
export class ApiFeed {
  readonly #options: ApiFeedOptions
  readonly #connection: ApiConnection
  readonly #source: ApiSource
  readonly #events: EventRecorder

  constructor(options: ApiFeedOptions) {
    this.#options = options
    const { config, version, log, metrics, proxier, onEvents } = options
    const { qps, burst } = config.configuration.clientConnection
    const { kubeconfig = '', master = '', nodeName } = config
    this.#connection = new ApiConnection(
      { kubeconfig, master, version, qps, burst, onProblem: ({ message }) => log.error(message) },
      metrics,
    )
    this.#source = new ApiSource({
      api: this.#connection,
      nodeName,
      clock: systemClock,
      onChanges: (events) => {
        proxier.apply(events)
        onEvents(events)
      },
      onSynced: (kind) => {
        log.info({ kind, objects: this.#source.status[kind].objects }, 'listed')
        listed[kind]?.(proxier)
      },
      onProblem: ({ severity, message }) => log[severityLevel[severity]](message),
    })
    this.#events = new EventRecorder({
      api: this.#connection,
      nodeName,
      clock: systemClock,
      onProblem: (message) => log.warn(message),
    })
  }

  /** How each kind of object is doing. */
  get status(): ApiSource['status'] {
    return this.#source.status
  }

  /**
   * Begins to follow the API server, and waits for this Node: not for long, unless its pod ranges are needed. Throws
   * CredentialsError, and StartError when the pod ranges do not come.
   */
  async start(signal: AbortSignal): Promise<void> {
    const { config, log, proxier } = this.#options
    const { nodeName, dataplane } = config
    const server = await this.#connection.start()
    log.info({ server, node: nodeName }, 'following the API server')
    this.#source.start()
    const missing = await waitForNode({
      nodeName,
      node: () => proxier.nodeObject,
      arePodCidrsNeeded: dataplane.detectLocal.mode === 'node-cidr',
      clock: systemClock,
      signal,
    })
    if (missing?.isFatal === true) throw new StartError(missing.problem)
    if (missing !== undefined) log.error(missing.problem)
  }

  /** Best effort; it neither waits nor throws. */
  record(event: RecordedEvent): void {
    this.#events.record(event)
  }

  /** Nothing is delivered any more. */
  closeSource(): void {
    this.#source.close()
  }

  /** Waits a second at most for events that were not sent yet. */
  async close(): Promise<void> {
    this.#source.close()
    await this.#events.close()
    this.#connection.close()
  }
}

/** Whom to tell that a kind is complete. */
const listed: Partial<Record<Kind, (proxier: Proxier) => void>> = {
  Service: (proxier) => proxier.onServiceSynced(),
  EndpointSlice: (proxier) => proxier.onEndpointSlicesSynced(),
  Node: (proxier) => proxier.onNodeSynced(),
}

const severityLevel = { error: 'error', warning: 'warn', info: 'info' } as const
