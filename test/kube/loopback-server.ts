import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'

/** A server on a port of 127.0.0.1. */
export interface Loopback {
  readonly port: number
  /** Connections that it ever accepted. */
  readonly connections: () => number
  /** Connections that are open now. */
  readonly openConnections: () => number
}

/** Runs with an HTTP server, or with an HTTPS server when there are options for one. */
export async function withServer(
  handle: http.RequestListener,
  run: (server: Loopback) => Promise<void>,
  tls?: https.ServerOptions,
): Promise<void> {
  await withListener(tls === undefined ? http.createServer(handle) : https.createServer(tls, handle), run)
}

export async function withListener(server: Server, run: (server: Loopback) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    await run({ port, connections: () => connections, openConnections: () => sockets.size })
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}
