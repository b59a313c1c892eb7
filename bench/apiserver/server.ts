import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { Control } from './control.ts'
import { discoveryDocuments } from './discovery.ts'
import { selected, sendList } from './list.ts'
import { objectText } from './object-text.ts'
import { parsePath, parseQuery, type Query, type ResourcePath } from './query.ts'
import { badRequest, notFound, StatusError, statusText } from './status.ts'
import { Statistics } from './statistics.ts'
import { Store, type StoreOptions } from './store.ts'
import { Watch } from './watch.ts'

export type ApiServerOptions = StoreOptions & {
  /** PEM texts; plain HTTP without. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** By default a minute, as the API server has it. */
  readonly bookmarkIntervalMs?: number
}

/** A Kubernetes API server over generated objects, as far as a service proxy uses one; `/bench/` changes them. */
export class ApiServer {
  readonly #store: Store
  readonly #statistics = new Statistics()
  readonly #watches = new Set<Watch>()
  readonly #control: Control
  readonly #server: Server
  readonly #bookmarks: NodeJS.Timeout
  readonly #scheme: 'http' | 'https'

  constructor({ tls, bookmarkIntervalMs = 60_000, ...size }: ApiServerOptions) {
    this.#store = new Store(size)
    this.#store.onChange = () => {
      for (const watch of this.#watches) watch.send()
    }
    this.#control = new Control({ store: this.#store, statistics: this.#statistics, watches: this.#watches })
    const answer = (request: IncomingMessage, response: ServerResponse): void => void this.#answer(request, response)
    this.#server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer)
    this.#scheme = tls === undefined ? 'http' : 'https'
    this.#server.keepAliveTimeout = 180_000
    this.#bookmarks = setInterval(() => {
      for (const watch of this.#watches) watch.sendBookmark()
    }, bookmarkIntervalMs)
  }

  /** Returns the server's URL; port 0 takes a free one. */
  async listen(host: string, port: number): Promise<string> {
    this.#server.listen(port, host)
    await once(this.#server, 'listening')
    const address = this.#server.address() as AddressInfo
    return `${this.#scheme}://${address.address}:${address.port}`
  }

  async close(): Promise<void> {
    clearInterval(this.#bookmarks)
    this.#control.close()
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://api')
      if (pathname.startsWith('/bench/')) return sendJson(response, 200, await this.#control.answer(request, pathname))
      if (request.method === 'GET' && isHealthPath(pathname)) return void response.end('ok')
      const document = discoveryDocuments.get(pathname)
      if (document !== undefined) return sendJson(response, 200, document)
      const path = parsePath(pathname)
      if (path === undefined) throw notFound()
      if (path.plural === 'events') return await this.#takeEvent(request, response, path)
      if (request.method !== 'GET') throw new StatusError(405, 'MethodNotAllowed', 'this resource is only read')
      await this.#read(response, parseQuery(path, searchParams))
    } catch (error) {
      if (response.headersSent) return void response.destroy()
      const status = error instanceof StatusError ? error : new StatusError(500, 'InternalError', String(error))
      sendJson(response, status.code, statusText(status))
    }
  }

  async #read(response: ServerResponse, query: Query): Promise<void> {
    const { plural, kind } = query.resource
    if (query.isWatch) {
      this.#statistics.count(`watch ${plural}`)
      return this.#startWatch(response, query)
    }
    if (query.name === undefined) {
      this.#statistics.count(`list ${plural}`)
      return sendList(response, query, this.#store, this.#statistics)
    }
    this.#statistics.count(`get ${plural}`)
    const [object] = selected(this.#store, kind, query.isSelected)
    if (object === undefined) throw new StatusError(404, 'NotFound', `${plural} "${query.name}" not found`)
    sendJson(response, 200, objectText(object))
  }

  #startWatch(response: ServerResponse, query: Query): void {
    const watch = new Watch({ response, query, store: this.#store, statistics: this.#statistics })
    this.#watches.add(watch)
    response.on('close', () => this.#watches.delete(watch))
    watch.send()
  }

  /** Whatever a proxy reports is well received: the event comes back as it was sent, in JSON or protobuf. */
  async #takeEvent(request: IncomingMessage, response: ServerResponse, { group }: ResourcePath): Promise<void> {
    const isNew = request.method === 'POST'
    if (!isNew && request.method !== 'PATCH' && request.method !== 'PUT') throw notFound()
    const body = await buffer(request)
    if (body.length === 0) throw badRequest('an event is expected')
    this.#statistics.count(`${isNew ? 'create' : 'update'} events${group === '' ? '' : `.${group}`}`)
    response.writeHead(isNew ? 201 : 200, { 'Content-Type': request.headers['content-type'] ?? 'application/json' })
    response.end(body)
  }
}

function isHealthPath(path: string): boolean {
  return path === '/healthz' || path === '/livez' || path === '/readyz'
}

function sendJson(response: ServerResponse, code: number, text: string): void {
  response.writeHead(code, { 'Content-Type': 'application/json' })
  response.end(text)
}
