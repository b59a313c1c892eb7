/* Connections that stay open, and the servers that send back what comes. */
import assert from 'node:assert/strict'
import type { Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6, type Server, type Socket } from 'node:net'
import type { NetworkNamespace } from '../../../src/netlink/namespace.ts'
import { bindIn, connectIn, listenIn } from './sockets.ts'

/** A connection of either protocol as cases use it. */
export type Flow = {
  readonly protocol: 'tcp' | 'udp'
  readonly localPort: number
  readonly dialledPort: number
  /** The server that answered last. */
  readonly server: string
  /** Sends so often and waits each time until the same has come back. Throws when it does not, or not unharmed. */
  readonly exchange: (rounds: number, bytes?: number, timeoutMs?: number) => Promise<void>
  readonly close: () => Promise<void>
}

/** How a TCP connection ended for its client. */
export type Ending = 'closed' | 'reset' | 'silence'

/** Sends everything back over TCP and UDP; says its name first, over UDP with each datagram. */
export class EchoServer {
  readonly name: string
  /** The TCP connections that are open. */
  readonly connections = new Set<Socket>()
  /** Does not close when its clients do; the case does. */
  isHoldingOpen = false
  readonly #tcp: readonly Server[]
  readonly #udp: readonly UdpSocket[]

  constructor(name: string, namespace: NetworkNamespace, ports: readonly number[]) {
    this.name = name
    this.#tcp = ports.map((port) => listenIn(namespace, port, (socket) => this.#accept(socket)))
    this.#udp = ports.flatMap((port) =>
      ([4, 6] as const).map((family) => this.#answer(bindIn(namespace, family, port))),
    )
  }

  close(): void {
    for (const server of this.#tcp) server.close()
    for (const socket of this.connections) socket.destroy()
    for (const socket of this.#udp) socket.close()
  }

  #accept(socket: Socket): void {
    this.connections.add(socket)
    socket.write(`${this.name}\n`)
    socket.on('data', (chunk) => socket.write(chunk))
    socket.on('end', () => this.isHoldingOpen || socket.end())
    socket.on('error', () => {})
    socket.on('close', () => this.connections.delete(socket))
  }

  #answer(socket: UdpSocket): UdpSocket {
    const name = Buffer.from(`${this.name}\n`)
    return socket.on('message', (bytes, { address, port }) => socket.send(Buffer.concat([name, bytes]), port, address))
  }
}

/** Opens a connection from a namespace and waits for the server's name. */
export async function openTcp(
  namespace: NetworkNamespace,
  address: string,
  port: number,
  localPort?: number,
): Promise<TcpFlow> {
  const flow = new TcpFlow(connectIn(namespace, address, port, localPort), port)
  await flow.greeted()
  return flow
}

export class TcpFlow implements Flow {
  readonly protocol = 'tcp'
  readonly dialledPort: number
  readonly #socket: Socket
  readonly #ending: Promise<Ending>
  #server = ''
  #localPort = 0
  #received: Buffer = Buffer.alloc(0)
  #hasEnded = false
  #wake = () => {}

  constructor(socket: Socket, dialledPort: number) {
    this.#socket = socket
    this.dialledPort = dialledPort
    socket.on('data', (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
      this.#wake()
    })
    this.#ending = new Promise((resolve) => {
      const end = (ending: Ending): void => {
        this.#hasEnded = true
        resolve(ending)
        this.#wake()
      }
      socket.on('end', () => end('closed'))
      socket.on('error', (error: NodeJS.ErrnoException) => end(error.code === 'ECONNRESET' ? 'reset' : 'silence'))
      socket.on('close', () => end('closed'))
    })
  }

  get server(): string {
    return this.#server
  }

  get localPort(): number {
    return this.#localPort
  }

  async greeted(): Promise<void> {
    let greeting = ''
    while (!greeting.endsWith('\n')) greeting += (await this.receive(1)).toString()
    this.#server = greeting.trim()
    this.#localPort = this.#socket.localPort ?? 0
  }

  async exchange(rounds: number, bytes = 100, timeoutMs = patienceMs): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      const sent = Buffer.alloc(bytes, `round ${round} of ${rounds}. `)
      this.#socket.write(sent)
      const received = await this.receive(bytes, timeoutMs)
      assert.ok(received.equals(sent), `round ${round} came back altered`)
    }
  }

  /** The next so many bytes. Throws when they do not come. */
  async receive(bytes: number, timeoutMs = patienceMs): Promise<Buffer> {
    const deadline = performance.now() + timeoutMs
    while (this.#received.length < bytes) {
      const leftMs = deadline - performance.now()
      const found = `${this.#received.length} of ${bytes} bytes came`
      assert.ok(!this.#hasEnded, `the connection ended: ${found}`)
      assert.ok(leftMs > 0, `nothing in ${timeoutMs} ms: ${found}`)
      await this.#news(leftMs)
    }
    const wanted = this.#received.subarray(0, bytes)
    this.#received = this.#received.subarray(bytes)
    return wanted
  }

  /** Closes our direction: the server still may send. */
  end(): void {
    this.#socket.end()
  }

  send(bytes: Buffer | string): void {
    this.#socket.write(bytes)
  }

  async ending(timeoutMs: number): Promise<Ending> {
    const { promise, resolve } = Promise.withResolvers<Ending>()
    const timer = setTimeout(() => resolve('silence'), timeoutMs)
    const ending = await Promise.race([this.#ending, promise])
    clearTimeout(timer)
    return ending
  }

  /** With a reset, so that nothing stays behind. */
  async close(): Promise<void> {
    if (this.#socket.destroyed) return
    this.#socket.resetAndDestroy()
    await once(this.#socket, 'close')
  }

  async #news(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, timeoutMs)
    this.#wake = resolve
    await promise
    clearTimeout(timer)
  }
}

/** Binds a port of its own in a namespace, and keeps it. */
export async function openUdp(namespace: NetworkNamespace, address: string, port: number): Promise<UdpFlow> {
  const socket = bindIn(namespace, isIPv6(address) ? 6 : 4)
  if (!isBound(socket)) await once(socket, 'listening')
  const flow = new UdpFlow(socket, address, port)
  await flow.exchange(1)
  return flow
}

export class UdpFlow implements Flow {
  readonly protocol = 'udp'
  readonly localPort: number
  readonly dialledPort: number
  readonly #socket: UdpSocket
  readonly #address: string
  #server = ''

  constructor(socket: UdpSocket, address: string, port: number) {
    this.#socket = socket
    this.#address = address
    this.localPort = socket.address().port
    this.dialledPort = port
    socket.on('error', () => {})
  }

  get server(): string {
    return this.#server
  }

  async exchange(rounds: number, bytes = 100, timeoutMs = patienceMs): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      const sent = Buffer.alloc(bytes, `round ${round} of ${rounds}. `)
      const answer = await this.#ask(sent, timeoutMs)
      assert.ok(answer !== undefined, `no answer to datagram ${round} in ${timeoutMs} ms`)
      const nameEnd = answer.indexOf('\n')
      this.#server = answer.subarray(0, nameEnd).toString()
      assert.ok(answer.subarray(nameEnd + 1).equals(sent), `datagram ${round} came back altered`)
    }
  }

  async close(): Promise<void> {
    this.#socket.close()
  }

  async #ask(bytes: Buffer, timeoutMs: number): Promise<Buffer | undefined> {
    const { promise, resolve } = Promise.withResolvers<Buffer | undefined>()
    const timer = setTimeout(() => resolve(undefined), timeoutMs)
    this.#socket.once('message', resolve)
    this.#socket.send(bytes, this.dialledPort, this.#address)
    const answer = await promise
    clearTimeout(timer)
    this.#socket.removeListener('message', resolve)
    return answer
  }
}

function isBound(socket: UdpSocket): boolean {
  try {
    return socket.address().port !== 0
  } catch {
    return false
  }
}

/** Longer than an answer takes on an emulated processor that is busy. */
const patienceMs = 5000
