import { writeFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { setLinkUp } from '../netlink/link.ts'
import { NetworkNamespace } from '../netlink/namespace.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../netlink/socket.ts'
import {
  type HostCall,
  type HostOperations,
  type HostResult,
  type Outcome,
  type Protocol,
  socketText,
  type Tally,
  type Target,
} from './host-operations.ts'

/** How a client sends; the defaults are any local address and port, and one second of patience. */
export type DialOptions = {
  readonly localAddress?: string
  readonly localPort?: number
  readonly timeoutMs?: number
}

/** A server on a host; `port` is the one it got. */
export type HostListener = { readonly port: number; readonly close: () => Promise<void> }

/** An open TCP connection; `first` is the answer that came when it opened, `ask` gets another one on the same connection. */
export type HostConnection = {
  readonly first: Outcome
  readonly ask: (timeoutMs?: number) => Promise<Outcome>
  readonly close: () => Promise<void>
}

/** A host could not do what it was asked to; `errno` is the system's error, such as EADDRINUSE, if it was one. */
export class HostError extends Error {
  readonly code = 'ERR_HOST'
  readonly host: string
  readonly errno: string | undefined

  constructor(host: string, message: string, errno?: string) {
    super(`${host}: ${message}`)
    this.name = 'HostError'
    this.host = host
    this.errno = errno
  }
}

const defaultTimeoutMs = 1000
const defaultAtOnce = 32

/** IPv6 addresses are usable at once, every rejected packet is answered, and no redirect uses up the allowance for that. */
const kernelParameters = [
  ['net.ipv6.conf.all.accept_dad', '0'],
  ['net.ipv6.conf.default.accept_dad', '0'],
  ['net.ipv4.icmp_ratemask', '0'],
  ['net.ipv6.icmp.ratelimit', '0'],
  ['net.ipv6.icmp.ratemask', '\n'],
  ['net.ipv4.conf.all.send_redirects', '0'],
  ['net.ipv4.conf.default.send_redirects', '0'],
] as const

/** What a call may take beyond the waiting that it was asked for. */
const slackMs = 5000

/**
 * A host with servers and clients of its own: a network namespace and a thread that lives in it.
 * It begins with loopback up and IPv6 addresses usable at once; nothing of it outlives this process.
 * A host that is idle does not keep the process alive.
 */
export class Host {
  readonly name: string
  readonly namespace: NetworkNamespace
  /** rtnetlink inside the namespace. */
  readonly route: NetlinkSocket
  readonly #worker: Worker
  readonly #pending = new Map<number, PendingCall>()
  #lastId = 0
  #hasExited = false

  private constructor(name: string, namespace: NetworkNamespace, route: NetlinkSocket) {
    this.name = name
    this.namespace = namespace
    this.route = route
    // A thread is created by the constructor, and inherits the network namespace of the thread that creates it.
    this.#worker = namespace.run(() => new Worker(workerUrl, { name, workerData: name }))
    this.#worker.unref()
    this.#worker.on('message', (message: HostResult) => this.#settle(message))
    this.#worker.on('error', (error) => this.#failAll(`thread failed: ${String(error)}`))
    this.#worker.on('exit', () => {
      this.#hasExited = true
      this.#failAll('closed')
    })
  }

  /** Does not wait for the thread: the first call does. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN. Throws NetlinkError. */
  static async start(name: string): Promise<Host> {
    const namespace = NetworkNamespace.create()
    let route: NetlinkSocket | undefined
    try {
      route = namespace.run(() => new NetlinkSocket(NETLINK_ROUTE))
      // This request must come before the worker: Node's thread pool is born on first use, in the namespace of the
      // thread that uses it first, and would keep a host's namespace alive.
      await setLinkUp(route, 'lo')
      const host = new Host(name, namespace, route)
      for (const [parameter, value] of kernelParameters) host.writeSysctl(parameter, value)
      return host
    } catch (error) {
      route?.close()
      namespace.close()
      throw error
    }
  }

  /** A server that answers each connection. Throws HostError (EADDRINUSE, EADDRNOTAVAIL). */
  listenTcp(address: string, port: number): Promise<HostListener> {
    return this.#listen('tcp', address, port)
  }

  /** A server that answers each datagram; `address` is one of the host's own, so that answers come from there. Throws HostError. */
  listenUdp(address: string, port: number): Promise<HostListener> {
    return this.#listen('udp', address, port)
  }

  /** Opens a connection, waits for the answer and closes it. Throws HostError (EADDRNOTAVAIL: no such local address). */
  connectTcp(address: string, port: number, options: DialOptions = {}): Promise<Outcome> {
    return this.#exchange(target('tcp', address, port, options))
  }

  /** Sends a datagram and waits for the answer. Throws HostError. */
  sendUdp(address: string, port: number, options: DialOptions = {}): Promise<Outcome> {
    return this.#exchange(target('udp', address, port, options))
  }

  /** Opens `count` connections, or sends as many datagrams, each from a port of its own. Throws HostError. */
  connectMany(
    address: string,
    port: number,
    count: number,
    options: DialOptions & { readonly protocol?: Protocol; readonly atOnce?: number } = {},
  ): Promise<Tally> {
    const { protocol = 'tcp', atOnce = defaultAtOnce } = options
    const one = target(protocol, address, port, options)
    const waitMs = Math.ceil(count / atOnce) * one.timeoutMs
    const operation = `${count} times ${targetText(one)}`
    return this.#call('exchangeMany', { target: one, count, atOnce }, operation, waitMs)
  }

  /** Opens a connection that stays open. Throws HostError. */
  async openTcp(address: string, port: number, options: DialOptions = {}): Promise<HostConnection> {
    const to = target('tcp', address, port, options)
    const { outcome, connection } = await this.#call('openConnection', to, targetText(to), to.timeoutMs)
    if (connection === undefined) return { first: outcome, ask: async () => outcome, close: async () => {} }
    return {
      first: outcome,
      ask: (timeoutMs = to.timeoutMs) =>
        this.#call('ask', { connection, timeoutMs }, `ask over ${targetText(to)}`, timeoutMs),
      close: () => this.#call('closeConnection', connection, `close ${targetText(to)}`),
    }
  }

  /** Sets a kernel parameter (`net.ipv4.ip_forward`) of this host's namespace. Throws the file system's error. */
  writeSysctl(name: string, value: string): void {
    // /proc/sys/net shows the namespace of the thread that opens the file.
    this.namespace.run(() => writeFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, value))
  }

  /** Ends the thread and with it all servers and connections; calls that wait are rejected. */
  async close(): Promise<void> {
    await this.#worker.terminate()
    this.route.close()
    this.namespace.close()
  }

  async #listen(protocol: Protocol, address: string, port: number): Promise<HostListener> {
    const place = `listen ${protocol} ${socketText({ address, port })}`
    const opened = await this.#call('listen', { protocol, address, port }, place)
    return { port: opened.port, close: () => this.#call('closeListener', opened.listener, `close ${place}`) }
  }

  #exchange(to: Target): Promise<Outcome> {
    return this.#call('exchange', to, targetText(to), to.timeoutMs)
  }

  async #call<K extends keyof HostOperations>(
    operation: K,
    argument: Parameters<HostOperations[K]>[0],
    text: string,
    waitMs = 0,
  ): Promise<Awaited<ReturnType<HostOperations[K]>>> {
    if (this.#hasExited) throw new HostError(this.name, `${text}: closed`)
    const id = ++this.#lastId
    const result = new Promise<unknown>((resolve, reject) => {
      const expire = () =>
        this.#settle({ id, error: { message: `no result in ${waitMs + slackMs} ms`, code: undefined } })
      this.#pending.set(id, { text, resolve, reject, timer: setTimeout(expire, waitMs + slackMs) })
    })
    this.#worker.ref()
    this.#worker.postMessage({ id, operation, argument } satisfies HostCall) // oxlint-disable-line unicorn/require-post-message-target-origin -- a thread, no window
    return (await result) as Awaited<ReturnType<HostOperations[K]>>
  }

  #settle(message: HostResult): void {
    const call = this.#pending.get(message.id)
    if (call === undefined) return
    this.#pending.delete(message.id)
    clearTimeout(call.timer)
    if (this.#pending.size === 0) this.#worker.unref()
    if ('error' in message) {
      call.reject(new HostError(this.name, `${call.text}: ${message.error.message}`, message.error.code))
    } else call.resolve(message.result)
  }

  #failAll(message: string): void {
    for (const id of this.#pending.keys()) this.#settle({ id, error: { message, code: undefined } })
  }
}

type PendingCall = {
  readonly text: string
  readonly resolve: (result: unknown) => void
  readonly reject: (error: HostError) => void
  readonly timer: NodeJS.Timeout
}

/** The worker beside this file, as TypeScript or compiled. */
const workerUrl = new URL(`./host-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

function target(protocol: Protocol, address: string, port: number, options: DialOptions): Target {
  const { localAddress, localPort, timeoutMs = defaultTimeoutMs } = options
  return {
    protocol,
    address,
    port,
    timeoutMs,
    ...(localAddress !== undefined && { localAddress }),
    ...(localPort !== undefined && { localPort }),
  }
}

function targetText({ protocol, address, port }: Target): string {
  return `connect ${protocol} ${socketText({ address, port })}`
}
