import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Raw } from './fixtures.ts'

/** How long to wait for what takes some milliseconds. */
const patienceMs = 3_000

/** A real HTTP server on loopback; the test takes each request and says what is answered, when and how badly. */
export class ScriptedApiServer {
  readonly #server: Server
  readonly #waiting: ScriptedRequest[] = []
  #arrivals = 0

  private constructor() {
    this.#server = createServer({ keepAliveTimeout: 0 }, (message, response) => {
      this.#waiting.push(new ScriptedRequest(message, response))
      this.#arrivals++
    })
  }

  static async start(port = 0): Promise<ScriptedApiServer> {
    const scripted = new ScriptedApiServer()
    scripted.#server.listen(port, '127.0.0.1')
    await once(scripted.#server, 'listening')
    return scripted
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Requests so far. */
  get arrivals(): number {
    return this.#arrivals
  }

  /** The oldest request for these objects that has not been taken, or the next one. */
  async next(plural = 'services'): Promise<ScriptedRequest> {
    const isIt = (request: ScriptedRequest): boolean => request.plural === plural
    await until(() => this.#waiting.some(isIt))
    const index = this.#waiting.findIndex(isIt)
    const [request] = index === -1 ? [] : this.#waiting.splice(index, 1)
    if (request === undefined) throw new Error(`nobody asked for ${plural}`)
    return request
  }

  /** Ends all connections; further ones are refused. */
  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }
}

/** One request, to be answered. */
export class ScriptedRequest {
  readonly #response: ServerResponse
  readonly path: string
  readonly plural: string
  readonly query: Readonly<Record<string, string>>
  /** Resolves when the connection is closed or the answer has been sent. */
  readonly closed: Promise<unknown>

  constructor(message: IncomingMessage, response: ServerResponse) {
    const url = new URL(message.url ?? '', 'http://localhost')
    this.path = url.pathname
    this.plural = url.pathname.split('/').at(-1) ?? ''
    this.query = Object.fromEntries(url.searchParams)
    this.#response = response
    this.closed = once(response, 'close')
    response.on('error', () => {})
  }

  get isWatch(): boolean {
    return this.query['watch'] === 'true'
  }

  get isStreamedList(): boolean {
    return this.query['sendInitialEvents'] === 'true'
  }

  /** Begins an answer 200 that has no end yet. */
  accept(): this {
    this.#response.writeHead(200, { 'content-type': 'application/json' })
    this.#response.flushHeaders()
    return this
  }

  /** Sends text as it is. */
  write(text: string): this {
    this.#response.write(text)
    return this
  }

  /** Sends an event of a watch. */
  event(type: string, object: unknown): this {
    return this.write(`${JSON.stringify({ type, object })}\n`)
  }

  bookmark(resourceVersion: string): this {
    return this.event('BOOKMARK', { kind: 'Service', metadata: { resourceVersion } })
  }

  /** The bookmark that ends a streamed list. */
  endOfList(resourceVersion: string): this {
    const annotations = { 'k8s.io/initial-events-end': 'true' }
    return this.event('BOOKMARK', { metadata: { resourceVersion, annotations } })
  }

  end(): void {
    this.#response.end()
  }

  /** Cuts the connection. */
  reset(): void {
    this.#response.socket?.resetAndDestroy()
  }

  /** Answers with a whole list, or a page of one when there is a token for the next. */
  list(resourceVersion: string, items: readonly Raw[] | null, continueToken?: string): void {
    const metadata = { resourceVersion, ...(continueToken !== undefined && { continue: continueToken }) }
    this.accept()
      .write(JSON.stringify({ kind: 'List', apiVersion: 'v1', metadata, items }))
      .end()
  }

  /** Answers with a Status object, as the API server does when it refuses something. */
  refuse(code: number, reason: string, more: { headers?: Record<string, string>; details?: Raw } = {}): void {
    const { headers = {}, details } = more
    this.#response.writeHead(code, headers)
    this.#response.end(JSON.stringify(status(code, reason, details)))
  }
}

/** A meta/v1 Status object. */
export function status(code: number, reason: string, details: Raw = {}): Raw {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', message: `it is ${reason}`, reason, code, details }
}

/** Waits for what takes some milliseconds, but not for ever: the test has to look at it again. */
export async function until(isTrue: () => boolean): Promise<void> {
  const endMs = performance.now() + patienceMs
  while (!isTrue() && performance.now() < endMs) await sleep(1)
}
