/*
 * Connection tracking and NAT (net/netfilter/nf_conntrack_core.c, nf_nat_core.c). A connection has two tuples: what its
 * first packet looked like, and what an answer has to look like. NAT changes the second one only; every packet is then
 * rewritten so that the other direction's tuple, turned round, is what it shows.
 *
 *   original   10.0.0.2:40000 -> 172.30.0.41:80        a packet to 172.30.0.41:80 is sent to 10.180.0.1:8080
 *   reply    10.180.0.1:8080 -> 10.0.0.2:40000         an answer of 10.180.0.1:8080 comes from 172.30.0.41:80
 */
import { ctStatuses } from '../nft/statements.ts'
import { destinationOf, type Headers, replaceAddresses, sourceOf, type TransportAddress } from './packet.ts'

export type Direction = 'original' | 'reply'

export type Tuple = { readonly source: TransportAddress; readonly destination: TransportAddress }

/** A tracked connection, as the packet in hand sees it. */
export type Connection = {
  readonly state: 'new' | 'established' | 'related'
  /** Which way the packet goes. */
  readonly direction: Direction
  readonly original: Tuple
  readonly reply: Tuple
  /** IPS_* bits, include/uapi/linux/netfilter/nf_conntrack_common.h. */
  readonly status: number
  readonly mark: number
  /** 128 bits. */
  readonly labels: Uint8Array
  /** Counted with the packet in hand. */
  readonly packets: Readonly<Record<Direction, number>>
  readonly bytes: Readonly<Record<Direction, number>>
  /** A random source port was asked for: the one in the tuples stands for it. */
  readonly hasRandomSourcePort: boolean
}

/** What conntrack made of a packet: `invalid` and `untracked` ones have no connection and are never translated. */
export type Tracking = Connection | 'invalid' | 'untracked'

/** Which end of a packet a translation rewrites. */
export type Manipulation = 'source' | 'destination'

/** IPS_*_DONE: the translation is decided, be it none; rules of NAT chains are not asked again. */
const IPS_SRC_NAT_DONE = 0x80
const IPS_DST_NAT_DONE = 0x100

const statusBits = {
  source: { translated: ctStatuses.snat, decided: IPS_SRC_NAT_DONE },
  destination: { translated: ctStatuses.dnat, decided: IPS_DST_NAT_DONE },
} as const satisfies Record<Manipulation, unknown>

/** IPS_OFFLOAD: a flow table has the connection. */
const IPS_OFFLOAD = 0x4000

/** The connection that a first packet begins. */
export function newConnection(headers: Headers): Connection {
  const original = { source: sourceOf(headers), destination: destinationOf(headers) }
  return {
    state: 'new',
    direction: 'original',
    original,
    reply: turned(original),
    status: 0,
    mark: 0,
    labels: new Uint8Array(16),
    packets: { original: 1, reply: 0 },
    bytes: { original: headers.bytes.length, reply: 0 },
    hasRandomSourcePort: false,
  }
}

/** The connection as a later packet finds it, when it has been answered: for explaining established traffic. */
export function establishedConnection(
  connection: Connection,
  { direction = 'original', packets = { original: 2, reply: 1 } }: Partial<Pick<Connection, 'direction' | 'packets'>>,
): Connection {
  const seen = ctStatuses['seen-reply'] | ctStatuses.assured | ctStatuses.confirmed
  return { ...connection, state: 'established', direction, packets, status: connection.status | seen }
}

/** IPS_CONFIRMED: the packet has left its last hook, and the connection is in the table. */
export function confirmed(connection: Connection): Connection {
  return { ...connection, status: connection.status | ctStatuses.confirmed }
}

/** The connection as it is in a flow table; undefined when it was there already. */
export function offloaded(connection: Connection): Connection | undefined {
  const isOffloaded = (connection.status & IPS_OFFLOAD) !== 0
  return isOffloaded ? undefined : { ...connection, status: connection.status | IPS_OFFLOAD }
}

/** Whether one end has another address than the client gave it. */
export function isTranslated(connection: Connection, manipulation: Manipulation): boolean {
  return (connection.status & statusBits[manipulation].translated) !== 0
}

/** Whether NAT chains are asked no more. */
export function isDecided(connection: Connection, manipulation: Manipulation): boolean {
  return (connection.status & statusBits[manipulation].decided) !== 0
}

/** nf_nat_setup_info(): from now on that end is `to`; what `to` leaves out stays, and nothing at all is a null binding. */
export function decide(
  connection: Connection,
  manipulation: Manipulation,
  to: Partial<TransportAddress> = {},
  isPortRandom = false,
): Connection {
  const { translated, decided } = statusBits[manipulation]
  const before = turned(connection.reply)
  const after = { ...before, [manipulation]: { ...before[manipulation], ...to } }
  const isChanged = isPortRandom || !isSame(before[manipulation], after[manipulation])
  return {
    ...connection,
    reply: turned(after),
    status: connection.status | decided | (isChanged ? translated : 0),
    hasRandomSourcePort: connection.hasRandomSourcePort || isPortRandom,
  }
}

/**
 * nf_nat_packet(): rewrites one end as decided. An answer has its destination rewritten where the connection's source
 * was translated, and the other way round.
 */
export function translate(headers: Headers, connection: Connection, manipulation: Manipulation): Headers {
  const isOriginal = connection.direction === 'original'
  const opposite = manipulation === 'source' ? 'destination' : 'source'
  if (!isTranslated(connection, isOriginal ? manipulation : opposite)) return headers
  const target = turned(isOriginal ? connection.reply : connection.original)
  return manipulation === 'source'
    ? replaceAddresses(headers, target.source)
    : replaceAddresses(headers, undefined, target.destination)
}

function turned({ source, destination }: Tuple): Tuple {
  return { source: destination, destination: source }
}

function isSame(a: TransportAddress, b: TransportAddress): boolean {
  return a.port === b.port && Buffer.compare(a.address, b.address) === 0
}
