/*
 * The packet machine: our rules, executed on an imagined packet as the kernel would.
 *
 *   from a pod or from outside   prerouting -> routing: for the node?  yes: input
 *                                                                      no:  forward -> postrouting
 *   from the node itself         output -> routing again: to whom?     others: postrouting
 *                                          the node: postrouting on lo -> prerouting on lo -> input
 *
 * On the way over lo the packet keeps its connection and its mark, is still the first packet of it (`ct state new`),
 * and has been through NAT: neither NAT chains of prerouting nor of input are asked. In the output hook the outgoing
 * interface is that of the destination before translation, as it was routed then.
 *
 * Not imagined: bridges, tunnels, IPsec, policy routing, reverse-path filters and other sanity checks of addresses,
 * ports changed because two connections would look alike.
 */
import { type IpAddress, ipFromBytes } from '../model/ip.ts'
import { confirmed, isTranslated, newConnection } from './conntrack.ts'
import { runHook } from './hook.ts'
import { egressTo, loopback, type NodeView } from './node.ts'
import { destinationOf, type Packet, packetHeaders, sourceOf } from './packet.ts'
import type { Ruleset } from './ruleset.ts'
import type { HookVisit, PacketState } from './state.ts'
import { type Delivery, groupOutcomes, type HookName, type Outcome, type SetChange, type Verdict } from './trace.ts'

export type TraceOptions = {
  /** What earlier packets changed in sets, as their outcomes gave it; an element with `expiresMs` 0 has expired. */
  readonly setChanges?: readonly SetChange[]
  /** Adds a step for every rule that was met and did not match. */
  readonly showsMismatches?: boolean
}

/** Every end that a packet may come to, in the order of the numbers drawn. Throws RangeError for addresses of two families. */
export function tracePacket(
  ruleset: Ruleset,
  packet: Packet,
  node: NodeView,
  options: TraceOptions = {},
): readonly Outcome[] {
  const headers = packetHeaders(packet)
  const start: PacketState = {
    headers,
    mark: packet.mark ?? 0,
    tracking: packet.tracking ?? newConnection(headers),
    isMasqueraded: false,
    setChanges: options.setChanges ?? [],
    probability: 1,
    hooks: [],
    steps: [],
  }
  const journey: Journey = { ruleset, node, showsMismatches: options.showsMismatches ?? false }
  const { origin, iifname = '' } = packet
  return groupOutcomes(origin === 'node' ? fromNode(journey, start) : fromNetwork(journey, start, iifname))
}

/** What stays the same on all of a packet's ways. */
type Journey = { readonly ruleset: Ruleset } & Pick<HookVisit, 'node' | 'showsMismatches'>

function fromNetwork(journey: Journey, start: PacketState, iifname: string): Outcome[] {
  return through(journey, 'prerouting', start, { iifname }, (packet) => {
    const { isLocal, oifname, masqueradeAddress } = egressOf(journey, packet)
    if (isLocal) {
      return through(journey, 'input', packet, { iifname }, (delivered) => [arrived(delivered, 'local')])
    }
    return through(journey, 'forward', packet, { iifname, oifname }, (forwarded) =>
      through(journey, 'postrouting', forwarded, { iifname, oifname, masqueradeAddress }, (sent) => [
        arrived(sent, 'forwarded'),
      ]),
    )
  })
}

function fromNode(journey: Journey, start: PacketState): Outcome[] {
  return through(journey, 'output', start, { oifname: egressOf(journey, start).oifname }, (packet) => {
    const { isLocal, oifname, masqueradeAddress } = egressOf(journey, packet)
    return through(journey, 'postrouting', packet, { oifname, masqueradeAddress }, (sent) =>
      isLocal ? overLoopback(journey, sent) : [arrived(sent, 'sent')],
    )
  })
}

function overLoopback(journey: Journey, sent: PacketState): Outcome[] {
  const visit = { iifname: loopback, isTrackedBefore: true }
  return through(journey, 'prerouting', withConfirmation(sent), visit, (packet) =>
    through(journey, 'input', packet, visit, (delivered) => [arrived(delivered, 'local')]),
  )
}

/** Whatever comes out of a hook alive goes on with `then`. */
function through(
  { ruleset, ...visitor }: Journey,
  hook: HookName,
  packet: PacketState,
  known: Partial<HookVisit>,
  then: (packet: PacketState) => Outcome[],
): Outcome[] {
  const visit: HookVisit = { iifname: '', oifname: '', isTrackedBefore: false, ...visitor, ...known, hook }
  return runHook(ruleset, packet, visit).flatMap((branch) =>
    branch.verdict === 'accept' ? then(branch.packet) : [outcomeOf(branch.verdict, branch.packet)],
  )
}

function egressOf({ node }: Journey, { headers }: PacketState): ReturnType<typeof egressTo> {
  return egressTo(node, addressOf(destinationOf(headers)))
}

/** The last hook confirms the connection (nf_confirm()). */
function withConfirmation(packet: PacketState): PacketState {
  const { tracking } = packet
  return typeof tracking === 'string' ? packet : { ...packet, tracking: confirmed(tracking) }
}

function arrived(packet: PacketState, delivery: Delivery): Outcome {
  return { ...outcomeOf('pass', withConfirmation(packet)), delivery }
}

function outcomeOf(verdict: Verdict, packet: PacketState): Outcome {
  const { headers, tracking, mark, isMasqueraded, probability, hooks, steps, setChanges } = packet
  const [source, destination] = [sourceOf(headers), destinationOf(headers)]
  const connection = typeof tracking === 'string' ? undefined : tracking
  const isPortDrawn = connection?.hasRandomSourcePort === true && connection.direction === 'original'
  return {
    verdict,
    probability,
    destination: { address: addressOf(destination), port: destination.port },
    source: { address: addressOf(source), port: isPortDrawn ? undefined : source.port },
    isTranslated: connection !== undefined && isTranslated(connection, 'destination'),
    isMasqueraded,
    mark,
    hooks,
    steps,
    tracking,
    setChanges,
  }
}

function addressOf({ address }: { readonly address: Uint8Array }): IpAddress {
  return ipFromBytes(address)
}
