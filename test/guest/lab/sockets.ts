/*
 * Sockets inside a network namespace without a thread there. Node.js makes a socket's descriptor when it binds or
 * connects, and does so at once if nothing has to be looked up. So the lookup is ours, and answers at once.
 */
import { createSocket, type Socket as UdpSocket, type SocketOptions } from 'node:dgram'
import { connect, createServer, isIPv6, type LookupFunction, type Server, type Socket } from 'node:net'
import { inNamespace } from '../../lab/namespace.ts'
import type { NetworkNamespace } from '../../../src/netlink/namespace.ts'

/** A TCP socket that connects from inside the namespace. Each end may close its direction alone. */
export function connectIn(namespace: NetworkNamespace, address: string, port: number, localPort?: number): Socket {
  const lookup: LookupFunction = (_name, _options, answer) => answer(null, address, isIPv6(address) ? 6 : 4)
  const options = { host: 'peer', port, lookup, autoSelectFamily: false, allowHalfOpen: true, noDelay: true }
  return inNamespace(namespace, () => connect({ ...options, ...(localPort !== undefined && { localPort }) }))
}

/** A TCP server on all addresses of the namespace. */
export function listenIn(namespace: NetworkNamespace, port: number, accept: (socket: Socket) => void): Server {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept)
  return inNamespace(namespace, () => server.listen(port))
}

/** A UDP socket on all addresses of one family; port 0 is any. */
export function bindIn(namespace: NetworkNamespace, family: 4 | 6, port = 0): UdpSocket {
  const lookup: SocketOptions['lookup'] = (name, _options, answer) => answer(null, name, family)
  const socket = createSocket({ type: `udp${family}`, lookup, ipv6Only: family === 6 })
  return inNamespace(namespace, () => socket.bind(port))
}
