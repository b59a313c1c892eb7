/* Clients of a host: they ask a listener for its answer and say what came back. */
import { createSocket } from 'node:dgram'
import { connect, isIPv6, type Socket } from 'node:net'
import { errnoName } from '../netlink/errors.ts'
import { SOL_SOCKET, socketOption } from '../netlink/syscalls.ts'
import {
  type Answer,
  type Failure,
  type ManyExchanges,
  type Outcome,
  socketText,
  type Tally,
  type Target,
} from './host-operations.ts'

const SO_ERROR = 4

/** One new connection or datagram and its answer. Rejects with the system's error when it could not even be sent (EADDRNOTAVAIL). */
export async function exchange(target: Target): Promise<Outcome> {
  if (target.protocol === 'udp') return askUdp(target)
  const connection = new TcpConnection(target)
  try {
    return await connection.nextAnswer(target.timeoutMs)
  } finally {
    connection.close()
  }
}

/** Many exchanges, at most `atOnce` of them at the same time. */
export async function exchangeMany({ target, count, atOnce }: ManyExchanges): Promise<Tally> {
  const servers: Record<string, number> = {}
  const endpoints: Record<string, number> = {}
  const failures: Partial<Record<Failure['outcome'], number>> = {}
  let left = count
  const oneAfterTheOther = async () => {
    while (left > 0) {
      left--
      const result = await exchange(target)
      if (result.outcome === 'answered') {
        increment(servers, result.server)
        increment(endpoints, socketText(result.endpoint))
      } else increment(failures, result.outcome)
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, oneAfterTheOther))
  return { servers, endpoints, failures }
}

/** A TCP connection that is being opened; the listener's first answer says that it is open. */
export class TcpConnection {
  readonly #socket: Socket
  #received = ''
  #end: Failure | { readonly outcome: 'failed'; readonly error: Error } | undefined
  #wake = () => {}

  constructor({ address, port, localAddress, localPort }: Target) {
    this.#socket = connect({
      host: address,
      port,
      noDelay: true,
      ...(localAddress !== undefined && { localAddress }),
      ...(localPort !== undefined && { localPort }),
    })
    this.#socket.setEncoding('utf8')
    this.#socket.on('data', (text: string) => {
      this.#received += text
      this.#wake()
    })
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#end ??= failureOf(error) ?? { outcome: 'failed', error }
      this.#wake()
    })
    this.#socket.on('close', () => {
      this.#end ??= { outcome: 'closed' }
      this.#wake()
    })
    if (isIPv6(address)) setImmediate(() => this.#takeSoftError())
  }

  /** Asks for one more answer on the open connection. */
  async ask(timeoutMs: number): Promise<Outcome> {
    if (this.#end === undefined) this.#socket.write('\n')
    return this.nextAnswer(timeoutMs)
  }

  /** Waits for an answer that is due. Rejects with the system's error when the connection could not be tried. */
  async nextAnswer(timeoutMs: number): Promise<Outcome> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const newlineAt = this.#received.indexOf('\n')
      if (newlineAt !== -1) {
        const line = this.#received.slice(0, newlineAt)
        this.#received = this.#received.slice(newlineAt + 1)
        return answered(line)
      }
      if (this.#end?.outcome === 'failed') throw this.#end.error
      if (this.#end !== undefined) return this.#end
      const leftMs = deadline - performance.now()
      if (leftMs <= 0) return { outcome: 'timeout' }
      await this.#somethingNew(leftMs)
    }
  }

  /** Closes with a reset: neither end keeps TIME_WAIT, so the same local port can be used again at once. */
  close(): void {
    // A reset waits for the connection to open: one that never does would go on asking and hold its port.
    if (this.#socket.connecting) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }

  /**
   * On a veth an ICMP error comes back within connect(2), which holds the socket's lock. The kernel then keeps it as a
   * soft error that only SO_ERROR reads; IPv4 wakes the poller all the same, IPv6 waits a second for the next SYN.
   */
  #takeSoftError(): void {
    const { _handle: handle } = this.#socket as unknown as { readonly _handle: { readonly fd: number } | null }
    if (handle === null || handle.fd < 0 || !this.#socket.connecting) return
    const errno = socketOption(handle.fd, SOL_SOCKET, SO_ERROR)
    if (errno !== 0) this.#socket.destroy(Object.assign(new Error('connect'), { code: errnoName(errno) }))
  }

  #somethingNew(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function askUdp({ address, port, localAddress, localPort, timeoutMs }: Target): Promise<Outcome> {
  return new Promise<Outcome>((resolve, reject) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
    const timer = setTimeout(() => settle(() => resolve({ outcome: 'timeout' })), timeoutMs)
    const settle = (result: () => void) => {
      clearTimeout(timer)
      socket.removeAllListeners().on('error', () => {})
      socket.close()
      result()
    }
    const fail = (error: NodeJS.ErrnoException) => {
      const failure = failureOf(error)
      settle(() => (failure === undefined ? reject(error) : resolve(failure)))
    }
    socket.on('error', fail)
    socket.on('message', (bytes) => settle(() => resolve(answered(bytes.toString()))))
    socket.bind({ address: localAddress ?? '', port: localPort ?? 0 }, () => {
      socket.connect(port, address, (connectError?: Error) => {
        if (connectError) return fail(connectError)
        // A rule of this host that drops or rejects the datagram is EPERM here; only an ICMP error tells them apart.
        socket.send('?', (error: NodeJS.ErrnoException | null) => {
          if (error !== null && error.code !== 'EPERM') fail(error)
        })
      })
    })
  })
}

function answered(line: string): Outcome {
  return { outcome: 'answered', ...(JSON.parse(line) as Answer) }
}

/** What a system error says about the path; undefined when it is about something else. */
function failureOf({ code }: NodeJS.ErrnoException): Failure | undefined {
  switch (code) {
    case 'ECONNREFUSED':
      return { outcome: 'refused' }
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EACCES': // ICMPv6 "administratively prohibited"
      return { outcome: 'unreachable' }
    case 'ETIMEDOUT':
      return { outcome: 'timeout' }
    case 'ECONNRESET':
    case 'EPIPE':
      return { outcome: 'closed' }
    default:
      return undefined
  }
}

function increment(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1
}
