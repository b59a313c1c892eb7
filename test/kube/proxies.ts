import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import type { Server, Socket } from 'node:net'

/** A proxy, and `host:port` of every connection that it made. */
export interface Proxy {
  readonly server: Server
  readonly asked: string[]
}

/** An HTTP proxy for CONNECT that wants this Proxy-Authorization, if any; other names than addresses lead to loopback. */
export function connectProxy(authorization?: string): Proxy {
  const asked: string[] = []
  const server = http.createServer()
  server.on('connect', (request: http.IncomingMessage, client: Socket) => {
    if (request.headers['proxy-authorization'] !== authorization) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
      return
    }
    const [host = '', port = ''] = (request.url ?? '').split(':')
    asked.push(`${host}:${port}`)
    tunnel(client, Number(port), 'HTTP/1.1 200 OK\r\n\r\n')
  })
  server.on('request', (request, response) => {
    const url = new URL(request.url ?? '')
    asked.push(url.host)
    http.get({ host: '127.0.0.1', port: url.port, path: url.pathname }, (answer) => answer.pipe(response))
  })
  return { server, asked }
}

/** A SOCKS 5 proxy (RFC 1928) without authentication, for names and IPv4 addresses; all lead to loopback. */
export function socksProxy(): Proxy {
  const asked: string[] = []
  const server = net.createServer(async (client) => {
    await once(client, 'readable')
    client.read() // the methods offered
    client.write(Buffer.from([5, 0]))
    await once(client, 'readable')
    const request = client.read() as Buffer
    const isName = request[3] === 3
    const end = isName ? 5 + request.readUInt8(4) : 8
    const host = isName ? request.toString('latin1', 5, end) : request.subarray(4, end).join('.')
    asked.push(`${host}:${request.readUInt16BE(end)}`)
    tunnel(client, request.readUInt16BE(end), Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
  })
  return { server, asked }
}

function tunnel(client: Socket, port: number, welcome: string | Buffer): void {
  const target = net.connect(port, '127.0.0.1', () => {
    client.write(welcome)
    client.pipe(target).pipe(client)
  })
  target.on('error', () => client.destroy())
  client.on('error', () => target.destroy())
  client.on('close', () => target.destroy())
}
