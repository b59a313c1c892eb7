import type { RequestListener, Server } from 'node:http'
import type { Family, IpAddress } from '../model/ip.ts'
import type { Clock } from '../sync/clock.ts'
import { sendJson } from './answers.ts'
import { createBoundedServer, drain, listen } from './bounded-server.ts'
import type { ServiceKey } from './health-check-services.ts'

export type ServiceHealthOptions = {
  readonly family: Family
  /** Where node ports are accepted: on all addresses of the family, or on these, loopback ones included. */
  readonly addresses: 'all' | readonly IpAddress[]
  readonly isProxyHealthy: () => boolean
  /** Called with the first of a row of failures. Each `setServices` is another attempt. */
  readonly onFailure: (failure: ServiceHealthFailure) => void
  readonly clock: Clock
}

/** No address of the Service's health-check node port is open, since this one could not be opened. */
export type ServiceHealthFailure = {
  readonly service: ServiceKey
  readonly port: number
  readonly host: string
  readonly error: Error
}

type Entry = {
  readonly service: ServiceKey
  readonly port: number
  /** By host. */
  readonly servers: Map<string, { readonly server: Server; readonly opened: Promise<void> }>
  count: number
  hasFailed: boolean
}

/**
 * The health-check node ports of one family's Services, where load balancers ask how many endpoints this Node has. Any
 * path and method gets the answer: 200 with endpoints while the proxy is healthy, else 503.
 */
export class ServiceHealthServers {
  readonly #options: ServiceHealthOptions
  readonly #entries = new Map<ServiceKey, Entry>()
  #addresses: 'all' | readonly IpAddress[]

  constructor(options: ServiceHealthOptions) {
    this.#options = options
    this.#addresses = options.addresses
  }

  /** Takes effect with the next `setServices`. */
  setAddresses(addresses: 'all' | readonly IpAddress[]): void {
    this.#addresses = addresses
  }

  /**
   * All Services that have a health-check node port, and which. A port is open when the promise resolves, or its failure
   * was reported.
   */
  async setServices(ports: ReadonlyMap<ServiceKey, number>): Promise<void> {
    for (const entry of this.#entries.values()) {
      if (ports.get(entry.service) === entry.port) continue
      this.#entries.delete(entry.service)
      void this.#closeServers(entry)
    }
    const hosts = new Set(this.#hosts())
    await Promise.all(
      Array.from(ports, async ([service, port]) => {
        const entry = this.#entries.get(service) ?? { service, port, servers: new Map(), count: 0, hasFailed: false }
        this.#entries.set(service, entry)
        await this.#openServers(entry, hosts)
      }),
    )
  }

  /** The local ready endpoints of the Services; one that is missing has none. */
  setCounts(counts: ReadonlyMap<ServiceKey, number>): void {
    for (const entry of this.#entries.values()) entry.count = counts.get(entry.service) ?? 0
  }

  async close(): Promise<void> {
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    await Promise.all(entries.map((entry) => this.#closeServers(entry)))
  }

  #hosts(): readonly string[] {
    if (this.#addresses !== 'all') return this.#addresses
    return [this.#options.family === 'IPv4' ? '0.0.0.0' : '::']
  }

  async #openServers(entry: Entry, hosts: ReadonlySet<string>): Promise<void> {
    void this.#closeServers(entry, (host) => !hosts.has(host))
    const missing = [...hosts].filter((host) => !entry.servers.has(host))
    if (missing.length === 0) return
    const opened = await Promise.all(missing.map((host) => this.#open(entry, host)))
    if (opened.every(Boolean)) entry.hasFailed = false
  }

  /** Whether the address is open. */
  async #open(entry: Entry, host: string): Promise<boolean> {
    const server = createBoundedServer(this.#answer(entry))
    const opened = listen(server, { host, port: entry.port, ipv6Only: this.#options.family === 'IPv6' })
    entry.servers.set(host, { server, opened })
    try {
      await opened
      server.on('error', (error) => this.#fail(entry, host, error))
      return true
    } catch (error) {
      entry.servers.delete(host)
      this.#fail(entry, host, error as Error)
      return false
    }
  }

  /** A load balancer shall not find some addresses of a Service open and others not. */
  #fail(entry: Entry, host: string, error: Error): void {
    void this.#closeServers(entry)
    if (entry.hasFailed || this.#entries.get(entry.service) !== entry) return
    entry.hasFailed = true
    this.#options.onFailure({ service: entry.service, port: entry.port, host, error })
  }

  async #closeServers({ servers }: Entry, isConcerned: (host: string) => boolean = () => true): Promise<void> {
    const concerned = [...servers].filter(([host]) => isConcerned(host))
    for (const [host] of concerned) servers.delete(host)
    await Promise.all(concerned.map(([, { server, opened }]) => this.#close(server, opened)))
  }

  async #close(server: Server, opened: Promise<void>): Promise<void> {
    // One that is not open yet would open after it was closed.
    if (!server.listening) await opened.catch(() => {})
    if (server.listening) await drain(server, this.#options.clock)
  }

  #answer(entry: Entry): RequestListener {
    const [namespace = '', name = ''] = entry.service.split('/')
    return (_request, response) => {
      const { count } = entry
      const isHealthy = this.#options.isProxyHealthy()
      const body = { service: { namespace, name }, localEndpoints: count, serviceProxyHealthy: isHealthy }
      sendJson(response, count > 0 && isHealthy ? 200 : 503, JSON.stringify(body, undefined, '\t'), {
        'X-Load-Balancing-Endpoint-Weight': count,
      })
    }
  }
}
