import type { RequestListener, Server } from 'node:http'
import type { SocketAddress } from '../config/bind-address.ts'
import type { Clock } from '../sync/clock.ts'
import { createBoundedServer, drain, listen } from './bounded-server.ts'

export type ListeningServerOptions = {
  /** The unspecified address of either family means all addresses of both. */
  readonly address: SocketAddress
  readonly onRequest: RequestListener
  readonly clock: Clock
  /** Called with each failure to listen and each unexpected end; another attempt follows. */
  readonly onFailure: (error: Error) => void
  /** Called with the first failure instead, and there is no other attempt. */
  readonly onHardFailure?: ((error: Error) => void) | undefined
}

/** Pause before another attempt. */
const retryMs = 5000

/** An HTTP server that listens again after it could not, or after it ended. */
export class ListeningServer {
  readonly #options: ListeningServerOptions
  #server: Server | undefined
  #attempt: Promise<void> = Promise.resolve()
  #cancelRetry: () => void = () => {}
  #isClosed = false

  constructor(options: ListeningServerOptions) {
    this.#options = options
  }

  /** Resolves after the first attempt, whether it went well or not. */
  start(): Promise<void> {
    this.#attempt = this.#listen()
    return this.#attempt
  }

  /** Undefined while it does not listen. */
  get port(): number | undefined {
    const address = this.#server?.address()
    return typeof address === 'object' ? address?.port : undefined
  }

  /** Stops listening for good; requests that are under way may end within a second. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelRetry()
    await this.#attempt
    const server = this.#server
    this.#server = undefined
    if (server !== undefined) await drain(server, this.#options.clock)
  }

  async #listen(): Promise<void> {
    const { address, onRequest } = this.#options
    const { ip, port } = address
    const server = createBoundedServer(onRequest)
    try {
      await listen(server, ip === '0.0.0.0' || ip === '::' ? { port } : { host: ip, port })
      this.#server = server
      server.on('error', (error) => this.#fail(error))
      server.once('close', () => {
        if (this.#server === server) this.#fail(new Error(`the server on ${ip} port ${port} ended`))
      })
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #fail(error: Error): void {
    const { onFailure, onHardFailure, clock } = this.#options
    const server = this.#server
    this.#server = undefined
    server?.close()
    server?.closeAllConnections()
    if (this.#isClosed) return
    if (onHardFailure !== undefined) {
      onHardFailure(error)
      return
    }
    onFailure(error)
    this.#cancelRetry = clock.schedule(retryMs, () => {
      this.#attempt = this.#listen()
    })
  }
}
