/*
 * Which flows are right, and which stuck to what is no more. Conntrack sends all packets of a flow where the first one
 * went, as long as they keep coming; a client that never falls silent would talk to a vanished endpoint forever.
 *
 *   protocol  which flows     stale when their endpoint            and
 *   UDP       all             serves no more, nor is ready         they are offloaded and the Service has opted out
 *   TCP       offloaded ones  is gone, terminating ones are not    the same
 *
 * A TCP connection that is forgotten is reset, when its next packet gets to an endpoint that does not know it.
 */
import { frontendAddresses } from '../dataplane/frontend.ts'
import type { ClusterModel } from '../model/cluster-model.ts'
import type { Endpoint } from '../model/endpoint.ts'
import { type IpAddress, ipBytes } from '../model/ip.ts'
import { portKey, type ServicePort } from '../model/service-port.ts'
import { packSocket } from '../netlink/flow.ts'

/** The frontends of one protocol, by what clients dial: a packed socket, or a node port alone (its two bytes). */
export type FlowFrontends = {
  /** The sockets that may answer. */
  readonly answerers: ReadonlyMap<string, ReadonlySet<string>>
  /** Those of Services that have opted out of the fast path. */
  readonly slowPath: ReadonlySet<string>
}

/** All that decides whether a flow is stale. */
export type FlowRules = {
  readonly frontends: FlowFrontends
  /** Frontends, as keyed above, that there were and that are no more. */
  readonly formerFrontends: ReadonlySet<string>
  /** The addresses of this Node that take node ports, one character for each byte. */
  readonly nodePortIps: ReadonlySet<string>
}

/** The protocols whose flows can be stale. */
export type FlowProtocol = 'udp' | 'tcp'

/**
 * The frontends of all Services as the model shows them, with the endpoints that flows may stay with, whatever policies
 * and topology make of them: a flow may stay where new ones would not go. One Service in each step; until it is done the
 * model may not change.
 */
export function* flowFrontends(model: ClusterModel, protocol: FlowProtocol): Generator<void, FlowFrontends> {
  const answerers = new Map<string, ReadonlySet<string>>()
  const slowPath = new Set<string>()
  for (const service of model.serviceKeys()) {
    yield
    const ports = model.servicePorts(service).filter((port) => port.protocol === protocol)
    if (ports.length === 0) continue
    const endpoints = model.endpoints(service)
    for (const port of ports) {
      const sockets = socketsOf(protocol, endpoints.get(portKey(protocol, port.portName)))
      for (const key of frontendKeys(port)) {
        const known = answerers.get(key)
        // Two Services that claim one frontend: a flow to an endpoint of either stays.
        answerers.set(key, known === undefined ? sockets : new Set([...known, ...sockets]))
        if (!port.usesFastpath) slowPath.add(key)
      }
    }
  }
  return { answerers, slowPath }
}

export function nodePortIpKeys(ips: readonly IpAddress[]): ReadonlySet<string> {
  return new Set(ips.map(ipKey))
}

/**
 * Whether a flow that was sent to `destination` is answered by whom it should not be. A flow that nobody translated is
 * stale too, since it began before the frontend was there, but not in a zone of its own: there somebody else tracks the
 * flow once more, before or after the translation.
 */
export function isStaleFlow(
  rules: FlowRules,
  destination: string,
  answerer: string,
  zone: number,
  isOffloaded = false,
): boolean {
  const isTranslated = answerer !== destination
  const { answerers, slowPath } = rules.frontends
  const key = answerers.has(destination) ? destination : (nodePortOf(rules.nodePortIps, destination) ?? destination)
  if (isOffloaded && isTranslated && slowPath.has(key)) return true
  const serving = answerers.get(key)
  if (serving !== undefined) return !serving.has(answerer) && (isTranslated || zone === 0)
  return isTranslated && (rules.formerFrontends.has(destination) || rules.formerFrontends.has(key))
}

/** The key of a node port; undefined where no address of this Node that takes node ports is dialed. */
export function nodePortOf(nodePortIps: ReadonlySet<string>, destination: string): string | undefined {
  return nodePortIps.has(destination.slice(0, -portBytes)) ? destination.slice(-portBytes) : undefined
}

const portBytes = 2
const noSockets: ReadonlySet<string> = new Set()

function socketsOf(protocol: FlowProtocol, endpoints: readonly Endpoint[] = []): ReadonlySet<string> {
  // Ready but not serving is what publishNotReadyAddresses makes of a Pod; new flows go there. A TCP connection may end
  // in its own time while the Pod is there.
  const staying = endpoints.filter(({ isServing, isReady }) => protocol === 'tcp' || isServing || isReady)
  return staying.length === 0 ? noSockets : new Set(staying.map(({ ip, port }) => packSocket(ipBytes(ip), port)))
}

/** The keys of what clients dial to reach a port. */
export function frontendKeys(servicePort: ServicePort): readonly string[] {
  return frontendAddresses(servicePort).map((address) =>
    packSocket(address.kind === 'ip' ? ipBytes(address.ip) : new Uint8Array(0), address.port),
  )
}

function ipKey(ip: IpAddress): string {
  return String.fromCharCode(...ipBytes(ip))
}
