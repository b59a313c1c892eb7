import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { Clock } from '../sync/clock.ts'

/** How long requests that are under way may take when a server closes. */
const drainMs = 1000

/** An HTTP server with limits, since whoever reaches the port may talk to it: requests are small, few and soon over. */
export function createBoundedServer(onRequest: RequestListener): Server {
  const server = createServer(
    { maxHeaderSize: 16_384, headersTimeout: 5000, requestTimeout: 10_000, keepAliveTimeout: 10_000 },
    onRequest,
  )
  server.maxConnections = 256
  // A client that does not read its answer.
  server.timeout = 30_000
  return server
}

export type ListenOptions = {
  /** Without a host: all addresses of both families, or those of IPv4 where the kernel has no IPv6. */
  readonly host?: string
  readonly port: number
  /** Keeps a server on `::` from taking IPv4 too. */
  readonly ipv6Only?: boolean
}

/**
 * Resolves when the server listens; rejects with the system's error. With a host Node opens the socket only a moment
 * after this call, so the network namespace that counts is the process's own, not one entered for the call.
 */
export async function listen(server: Server, options: ListenOptions): Promise<void> {
  server.listen(options)
  await once(server, 'listening')
}

/** Stops listening at once; requests that are under way may end within a second. */
export async function drain(server: Server, clock: Clock): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  const cancel = clock.schedule(drainMs, () => server.closeAllConnections())
  await closed
  cancel()
}
