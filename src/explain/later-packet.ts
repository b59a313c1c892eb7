import { ipFromBytes } from '../model/ip.ts'
import { type Connection, type Direction, establishedConnection } from './conntrack.ts'
import type { Packet, TransportAddress } from './packet.ts'
import type { Outcome } from './trace.ts'

/**
 * A later packet of the connection that an outcome began, when it has been answered: another one of the client, or an
 * answer, which comes from where the first one went. Undefined when the outcome has no connection.
 */
export function laterPacket(
  first: Packet,
  outcome: Outcome,
  { direction = 'original', ...counted }: { readonly direction?: Direction; readonly packets?: Connection['packets'] },
): Packet | undefined {
  const { tracking, delivery } = outcome
  if (typeof tracking === 'string') return undefined
  const later: Packet = { ...first, mark: 0, tracking: establishedConnection(tracking, { direction, ...counted }) }
  if (direction === 'original') return later
  const { iifname: _, ...reply } = later
  return {
    ...reply,
    origin: delivery === 'local' ? 'node' : 'network',
    ...named('source', tracking.reply.source),
    ...named('destination', tracking.reply.destination),
  }
}

function named(end: 'source' | 'destination', { address, port }: TransportAddress): Partial<Packet> {
  return { [end]: ipFromBytes(address), [`${end}Port`]: port }
}
