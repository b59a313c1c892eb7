/*
 * A node among pods and clients, with the addresses of the plan in both families:
 *
 *   outside (allowed and blocked client) -- eth0 [ node ] veth-pod ------- pod
 *                                                         veth-endpoint -- first local endpoint (for hairpins)
 *                                                         veth-local ----- the other pods of the node
 *                                                         eth1 ----------- pods of other nodes
 */
import type { Host, HostListener } from '../../src/demo/host.ts'
import type { Outcome, Protocol } from '../../src/demo/host-operations.ts'
import { createNetwork, type Network } from '../../src/demo/network.ts'
import { type AddressPlan, ipv4, ipv6 } from './addresses.ts'

/** One packet flow of a test: who sends to whom. */
export type Flow = {
  readonly source: string
  readonly destination: string
  readonly port: number
  readonly protocol?: Protocol
  readonly timeoutMs?: number
}

/** Running hosts; rules go into `node.namespace`. */
export type ClusterLab = Network<keyof typeof plan.pods> & {
  /** The host that has an address of the plan. Throws RangeError. */
  readonly hostOf: (address: string) => Host
  /** Listens on a port of all endpoints and of the other pod, or of the given addresses. */
  readonly serve: (protocol: Protocol, port: number, addresses?: readonly string[]) => Promise<readonly HostListener[]>
  /** Sends one flow from its source address. Silence is an outcome after 500 ms, unless the flow says otherwise. */
  readonly send: (flow: Flow) => Promise<Outcome>
}

/** Starts the hosts of the lab; `close` ends them. Throws NetlinkError. */
export async function createClusterLab(): Promise<ClusterLab> {
  const network = await createNetwork(plan)
  const hosts = new Map<string, Host>()
  for (const address of [ipv4, ipv6].flatMap(nodeAddresses)) hosts.set(address, network.node)
  for (const address of plan.outside.addresses) hosts.set(address, network.outside)
  for (const [name, { addresses }] of Object.entries(plan.pods)) {
    for (const address of addresses) hosts.set(address, network.pods[name as keyof typeof plan.pods])
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
      Promise.all(
        addresses.map((address) => hostOf(address)[protocol === 'tcp' ? 'listenTcp' : 'listenUdp'](address, port)),
      ),
    send({ source, destination, port, protocol = 'tcp', timeoutMs = silenceMs }) {
      const operation = protocol === 'tcp' ? 'connectTcp' : 'sendUdp'
      return hostOf(source)[operation](destination, port, { localAddress: source, timeoutMs })
    },
  }
}

const silenceMs = 500

const plan = {
  node: {
    name: 'test-node',
    addresses: [
      ...nodeAddresses(ipv4).map((address) => `${address}/24`),
      ...nodeAddresses(ipv6).map((address) => `${address}/64`),
    ],
  },
  outside: {
    name: 'outside',
    link: 'eth0',
    addresses: both(({ outsideClient, blockedClient }) => [outsideClient, blockedClient]),
  },
  pods: {
    pod: { name: 'pod', link: 'veth-pod', addresses: both(({ pod }) => [pod]) },
    endpoint: {
      name: 'endpoint',
      link: 'veth-endpoint',
      addresses: both(({ localEndpoints }) => localEndpoints.slice(0, 1)),
    },
    localPods: {
      name: 'local-pods',
      link: 'veth-local',
      addresses: both(({ localEndpoints, otherPod, mixedEndpoints }) => [
        ...localEndpoints.slice(1),
        otherPod,
        ...mixedEndpoints,
      ]),
    },
    remotePods: { name: 'remote-pods', link: 'eth1', addresses: both(({ remoteEndpoints }) => remoteEndpoints) },
  },
}

const servingAddresses = [
  ...plan.pods.endpoint.addresses,
  ...plan.pods.localPods.addresses,
  ...plan.pods.remotePods.addresses,
]

function both(addresses: (family: AddressPlan) => readonly string[]): readonly string[] {
  return [ipv4, ipv6].flatMap(addresses)
}

function nodeAddresses({ node, secondNodeIp, nodeExternalIp }: AddressPlan): readonly string[] {
  return [node, secondNodeIp, nodeExternalIp]
}
