/* What a host can be asked to do, as plain data that crosses between threads. */
import { isIPv6 } from 'node:net'

/** A transport protocol that Node.js has sockets for. */
export type Protocol = 'tcp' | 'udp'

/** One end of a connection: an address and a port. */
export type SocketAddress = { readonly address: string; readonly port: number }

/** The line that a listener sends back: which host it is, and the two ends of the connection as that host sees them. */
export type Answer = { readonly server: string; readonly endpoint: SocketAddress; readonly peer: SocketAddress }

/** What a client met instead of an answer. `closed`: the connection was reset or ended before an answer came. */
export type Failure = { readonly outcome: 'refused' | 'unreachable' | 'timeout' | 'closed' }

export type Outcome = ({ readonly outcome: 'answered' } & Answer) | Failure

/** Where a client sends to, from where, and how long it waits for each answer. */
export type Target = SocketAddress & {
  readonly protocol: Protocol
  readonly localAddress?: string
  readonly localPort?: number
  readonly timeoutMs: number
}

/** What many exchanges met: answers by server name and by endpoint (as `socketText` writes it), failures by outcome. */
export type Tally = {
  readonly servers: Readonly<Record<string, number>>
  readonly endpoints: Readonly<Record<string, number>>
  readonly failures: Readonly<Partial<Record<Failure['outcome'], number>>>
}

/** The operations by name: argument and result. */
export type HostOperations = {
  readonly listen: (place: SocketAddress & { readonly protocol: Protocol }) => Promise<OpenListener>
  readonly closeListener: (listener: number) => Promise<void>
  readonly exchange: (target: Target) => Promise<Outcome>
  readonly exchangeMany: (many: ManyExchanges) => Promise<Tally>
  readonly openConnection: (target: Target) => Promise<OpenConnection>
  readonly ask: (question: { readonly connection: number; readonly timeoutMs: number }) => Promise<Outcome>
  readonly closeConnection: (connection: number) => Promise<void>
}

export type OpenListener = { readonly listener: number; readonly port: number }

export type ManyExchanges = { readonly target: Target; readonly count: number; readonly atOnce: number }

/** The first outcome, and the connection's number when that was an answer. */
export type OpenConnection = { readonly outcome: Outcome; readonly connection?: number }

/** A call of an operation, and its result. */
export type HostCall = { readonly id: number; readonly operation: keyof HostOperations; readonly argument: unknown }
export type HostResult =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly message: string; readonly code: string | undefined } }

/** `10.0.0.1:80` or `[fd00::1]:80`. */
export function socketText({ address, port }: SocketAddress): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
}
