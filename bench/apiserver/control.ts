/*
 * What a benchmark asks of the server, all JSON. Times are milliseconds of CLOCK_MONOTONIC, which all processes of a
 * machine share, just before the events were written to the watches.
 *
 *   POST   /bench/services/7/endpoints {"action":"add"|"remove"|"replace"}  one endpoint
 *   POST   /bench/services                                                 a new Service with its slices
 *   DELETE /bench/services/7                                               a Service and its slices
 *   POST   /bench/load {"ratePerSecond":100,"changes":3000}                 one endpoint replaced after the other
 *   POST   /bench/expire                                                   forgets history and ends all watches
 *   GET    /bench/statistics
 */
import type { IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { monotonicMs } from '../monotonic.ts'
import { runLoad, type WrittenChange } from './load.ts'
import { badRequest, notFound } from './status.ts'
import type { Statistics } from './statistics.ts'
import type { EndpointAction, Store } from './store.ts'
import type { Watch } from './watch.ts'

export type ServerStatistics = {
  readonly objectsSent: number
  readonly bytesSent: number
  readonly requests: Readonly<Record<string, number>>
  /** When each was asked last. */
  readonly requestedAtMs: Readonly<Record<string, number>>
  /** Open ones, by resource. */
  readonly watches: Readonly<Record<string, number>>
  readonly resourceVersion: number
  /** Of this process. */
  readonly cpuMs: number
  readonly residentBytes: number
}

export type ControlOptions = {
  readonly store: Store
  readonly statistics: Statistics
  readonly watches: ReadonlySet<Watch>
}

const actions: readonly EndpointAction[] = ['add', 'remove', 'replace']

export class Control {
  readonly #options: ControlOptions
  readonly #stop = new AbortController()

  constructor(options: ControlOptions) {
    this.#options = options
  }

  /** The answer's text. Throws StatusError. */
  async answer(request: IncomingMessage, path: string): Promise<string> {
    const { store } = this.#options
    const service = Number(/^\/bench\/services\/(\d+)(\/endpoints)?$/.exec(path)?.[1])
    switch (`${request.method} ${path.replace(/\d+/, 'N')}`) {
      case 'POST /bench/services/N/endpoints':
        return JSON.stringify(this.#changeEndpoint(service, (await body(request))['action']))
      case 'POST /bench/services':
        return JSON.stringify(this.#createService())
      case 'DELETE /bench/services/N':
        return JSON.stringify(this.#deleteService(service))
      case 'POST /bench/load':
        return JSON.stringify(await this.#load(await body(request)))
      case 'POST /bench/expire':
        store.expire()
        for (const watch of this.#options.watches) watch.end()
        return '{}'
      case 'GET /bench/statistics':
        return JSON.stringify(this.#statistics())
      default:
        throw notFound()
    }
  }

  /** Ends a load that is going on. */
  close(): void {
    this.#stop.abort()
  }

  #changeEndpoint(service: number, action: unknown): WrittenChange {
    const wanted = actions.find((known) => known === action)
    if (wanted === undefined) throw badRequest(`action is none of ${actions.join(', ')}`)
    const writtenAtMs = monotonicMs()
    const address = this.#options.store.changeEndpoint(service, wanted)
    if (address === undefined) throw notFound()
    return { service, address, writtenAtMs }
  }

  #createService(): WrittenChange {
    const writtenAtMs = monotonicMs()
    const { index, clusterIp } = this.#options.store.createService()
    return { service: index, address: clusterIp, writtenAtMs }
  }

  #deleteService(service: number): { readonly writtenAtMs: number } {
    const writtenAtMs = monotonicMs()
    if (!this.#options.store.deleteService(service)) throw notFound()
    return { writtenAtMs }
  }

  async #load({ ratePerSecond, changes }: Record<string, unknown>): Promise<readonly WrittenChange[]> {
    if (typeof ratePerSecond !== 'number' || !(ratePerSecond > 0)) throw badRequest('ratePerSecond is not above 0')
    if (typeof changes !== 'number' || !(changes > 0)) throw badRequest('changes is not above 0')
    return runLoad({ store: this.#options.store, ratePerSecond, changes, signal: this.#stop.signal })
  }

  #statistics(): ServerStatistics {
    const { store, statistics, watches } = this.#options
    const { user, system } = process.cpuUsage()
    const open: Record<string, number> = {}
    for (const { plural } of watches) open[plural] = (open[plural] ?? 0) + 1
    return {
      objectsSent: statistics.objectsSent,
      bytesSent: statistics.bytesSent,
      requests: statistics.requests,
      requestedAtMs: statistics.requestedAtMs,
      watches: open,
      resourceVersion: store.version,
      cpuMs: (user + system) / 1000,
      residentBytes: process.memoryUsage.rss(),
    }
  }
}

async function body(request: IncomingMessage): Promise<Record<string, unknown>> {
  const parsed: unknown = await json(request).catch(() => undefined)
  if (typeof parsed !== 'object' || parsed === null) throw badRequest('a JSON object is expected')
  return parsed as Record<string, unknown>
}
