/* Servers of a host: they tell every client who answered and whom they saw. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, isIPv6, type Server, type Socket } from 'node:net'
import type { Answer, SocketAddress } from './host-operations.ts'

/** A listening socket. */
export type Listener = { readonly port: number; readonly close: () => void }

/** Answers each TCP connection at once, and again for each line that it sends. Port 0 picks a free one. Rejects with the system's error. */
export async function listenTcp(hostName: string, { address, port }: SocketAddress): Promise<Listener> {
  const connections = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    const answer = `${JSON.stringify(tcpAnswer(hostName, socket))}\n`
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
    socket.on('error', () => {}) // 'close' follows
    socket.on('data', (chunk) => {
      for (const byte of chunk) if (byte === newline) socket.write(answer)
    })
    socket.write(answer)
  })
  server.listen({ host: address, port, backlog: 4096, ipv6Only: true })
  await once(server, 'listening')
  return {
    port: portOf(server),
    close() {
      server.close()
      for (const socket of connections) socket.destroy()
    },
  }
}

/** Answers each UDP datagram. Port 0 picks a free one. Rejects with the system's error. */
export async function listenUdp(hostName: string, { address, port }: SocketAddress): Promise<Listener> {
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', ipv6Only: isIPv6(address) })
  socket.on('message', (_, remote) => {
    const answer: Answer = {
      server: hostName,
      endpoint: { address, port: socket.address().port },
      peer: { address: remote.address, port: remote.port },
    }
    socket.send(JSON.stringify(answer), remote.port, remote.address, () => {}) // a lost answer is the client's timeout
  })
  socket.bind({ address, port })
  await once(socket, 'listening')
  socket.on('error', () => {}) // an ICMP error for an answer that nobody waits for
  return { port: socket.address().port, close: () => socket.close() }
}

const newline = 0x0a

function tcpAnswer(hostName: string, socket: Socket): Answer {
  return {
    server: hostName,
    endpoint: { address: socket.localAddress ?? '', port: socket.localPort ?? 0 },
    peer: { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 },
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
