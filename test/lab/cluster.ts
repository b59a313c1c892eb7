/* The running hosts of the plan (plan.ts draws them), and flows between them. */
import type { Host, HostListener } from '../../src/demo/host.ts'
import type { Outcome, Protocol } from '../../src/demo/host-operations.ts'
import { createNetwork, type Network } from '../../src/demo/network.ts'
import { ipv4, ipv6 } from './addresses.ts'
import { clusterPlan, nodeAddresses } from './plan.ts'

/** One packet flow of a test: who sends to whom. */
export type Flow = {
  readonly source: string
  readonly destination: string
  readonly port: number
  readonly protocol?: Protocol
  /** By default any. */
  readonly sourcePort?: number
  readonly timeoutMs?: number
}

/** Running hosts; rules go into `node.namespace`. */
export type ClusterLab = Network<keyof typeof clusterPlan.pods> & {
  /** The host that has an address of the plan. Throws RangeError. */
  readonly hostOf: (address: string) => Host
  /** Listens on a port of all endpoints and of the other pod, or of the given addresses. */
  readonly serve: (protocol: Protocol, port: number, addresses?: readonly string[]) => Promise<readonly HostListener[]>
  /** Sends one flow from its source address. Silence is an outcome after 500 ms, unless the flow says otherwise. */
  readonly send: (flow: Flow) => Promise<Outcome>
}

/** Starts the hosts of the lab; `close` ends them. Throws NetlinkError. */
export async function createClusterLab(): Promise<ClusterLab> {
  const network = await createNetwork(clusterPlan)
  // No ICMPv6 type is limited: else some rejections of a burst are silent. Writing nothing would change nothing.
  network.node.writeSysctl('net.ipv6.icmp.ratemask', '\n')
  const hosts = new Map<string, Host>()
  for (const plan of [ipv4, ipv6]) {
    for (const address of [...nodeAddresses(plan), plan.loopback]) hosts.set(address, network.node)
  }
  for (const address of clusterPlan.outside.addresses) hosts.set(address, network.outside)
  for (const [name, { addresses }] of Object.entries(clusterPlan.pods)) {
    for (const address of addresses) hosts.set(address, network.pods[name as keyof typeof clusterPlan.pods])
  }
  const hostOf = (address: string) => {
    const host = hosts.get(address)
    if (host === undefined) throw new RangeError(`no host of the lab has the address ${address}`)
    return host
  }
  return {
    ...network,
    hostOf,
    serve: (protocol, port, addresses = servingAddresses) =>
      Promise.all(addresses.map((address) => listen(hostOf(address), protocol, address, port))),
    send: (flow) => sendFrom(hostOf(flow.source), flow),
  }
}

/** Listens on one port. Throws HostError. */
export function listen(host: Host, protocol: Protocol, address: string, port: number): Promise<HostListener> {
  return host[protocol === 'tcp' ? 'listenTcp' : 'listenUdp'](address, port)
}

/** Sends a flow from a host that has its source address. Throws HostError. */
export function sendFrom(
  host: Host,
  { source, sourcePort, destination, port, protocol = 'tcp', timeoutMs = silenceMs }: Flow,
): Promise<Outcome> {
  const localPort = sourcePort === undefined ? {} : { localPort: sourcePort }
  const options = { localAddress: source, ...localPort, timeoutMs }
  return host[protocol === 'tcp' ? 'connectTcp' : 'sendUdp'](destination, port, options)
}

const silenceMs = 500

const servingAddresses = [
  ...clusterPlan.pods.endpoint.addresses,
  ...clusterPlan.pods.localPods.addresses,
  ...clusterPlan.pods.remotePods.addresses,
]
