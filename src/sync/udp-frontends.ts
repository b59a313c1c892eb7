/*
 * Which UDP flows are right, and which stuck to what is no more. Conntrack sends all packets of a flow where the first
 * one went, as long as they keep coming; a client that never falls silent would talk to a vanished endpoint forever.
 */
import { frontendAddresses } from '../dataplane/frontend.ts'
import type { ClusterModel } from '../model/cluster-model.ts'
import type { Endpoint } from '../model/endpoint.ts'
import { type IpAddress, ipBytes } from '../model/ip.ts'
import { portKey, type ServicePort } from '../model/service-port.ts'
import { packSocket } from '../netlink/flow.ts'

/** The sockets that may answer, by what clients dial: a packed socket, or a node port alone (its two bytes). */
export type UdpFrontends = ReadonlyMap<string, ReadonlySet<string>>

/** All that decides whether a flow is stale. */
export type FlowRules = {
  readonly frontends: UdpFrontends
  /** Frontends, as keyed above, that there were and that are no more. */
  readonly formerFrontends: ReadonlySet<string>
  /** The addresses of this Node that take node ports, one character for each byte. */
  readonly nodePortIps: ReadonlySet<string>
}

/**
 * The UDP frontends of all Services as the model shows them, with the endpoints that serve or are ready, whatever
 * policies and topology make of them: a flow may stay where new ones would not go. One Service in each step; until it is
 * done the model may not change.
 */
export function* udpFrontends(model: ClusterModel): Generator<void, UdpFrontends> {
  const found = new Map<string, ReadonlySet<string>>()
  for (const service of model.serviceKeys()) {
    yield
    const ports = model.servicePorts(service)
    if (!ports.some(isUdp)) continue
    const endpoints = model.endpoints(service)
    for (const port of ports.filter(isUdp)) {
      const serving = servingSockets(endpoints.get(portKey('udp', port.portName)))
      for (const key of frontendKeys(port)) {
        const known = found.get(key)
        // Two Services that claim one frontend: a flow to an endpoint of either stays.
        found.set(key, known === undefined ? serving : new Set([...known, ...serving]))
      }
    }
  }
  return found
}

export function nodePortIpKeys(ips: readonly IpAddress[]): ReadonlySet<string> {
  return new Set(ips.map(ipKey))
}

/**
 * Whether a flow that was sent to `destination` is answered by whom it should not be. A flow that nobody translated is
 * stale too, since it began before the frontend was there, but not in a zone of its own: there somebody else tracks the
 * flow once more, before or after the translation.
 */
export function isStaleFlow(rules: FlowRules, destination: string, answerer: string, zone: number): boolean {
  const isTranslated = answerer !== destination
  const key = rules.frontends.has(destination) ? destination : nodePortKey(rules, destination)
  const serving = rules.frontends.get(key)
  if (serving !== undefined) return !serving.has(answerer) && (isTranslated || zone === 0)
  return isTranslated && (rules.formerFrontends.has(destination) || rules.formerFrontends.has(key))
}

/** The key of a node port; that of the destination itself where no address of this Node takes node ports is dialed. */
function nodePortKey({ nodePortIps }: FlowRules, destination: string): string {
  return nodePortIps.has(destination.slice(0, -portBytes)) ? destination.slice(-portBytes) : destination
}

const portBytes = 2
const noSockets: ReadonlySet<string> = new Set()

function isUdp({ protocol }: ServicePort): boolean {
  return protocol === 'udp'
}

function servingSockets(endpoints: readonly Endpoint[] = []): ReadonlySet<string> {
  // Ready but not serving is what publishNotReadyAddresses makes of a Pod; new flows go there.
  const serving = endpoints.filter(({ isServing, isReady }) => isServing || isReady)
  return serving.length === 0 ? noSockets : new Set(serving.map(({ ip, port }) => packSocket(ipBytes(ip), port)))
}

function frontendKeys(servicePort: ServicePort): readonly string[] {
  return frontendAddresses(servicePort).map((address) =>
    packSocket(address.kind === 'ip' ? ipBytes(address.ip) : new Uint8Array(0), address.port),
  )
}

function ipKey(ip: IpAddress): string {
  return String.fromCharCode(...ipBytes(ip))
}
