/*
 * The hosts of the lab and the links between them, with the addresses of the plan in both families:
 *
 *   outside (clients, a remote pod) ----- eth0 [ node ] veth-pod ------- pod
 *                                                       veth-endpoint -- first local endpoint (for hairpins)
 *                                                       veth-local ----- the other pods of the node
 *                                                       eth1 ----------- pods of other nodes
 *                                                       eth2 ----------- bystander
 *
 * The bystander has every address that Services give out, so that a packet which no rule touches is answered too: by
 * the address that it was sent to.
 */
import type { NetworkPlan } from '../../src/demo/network.ts'
import { type AddressPlan, ipv4, ipv6 } from './addresses.ts'

/** What the lab is made of. */
export const clusterPlan = {
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
    addresses: both(({ outsideClient, blockedClient, remotePod }) => [outsideClient, blockedClient, remotePod]),
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
    bystander: {
      name: 'bystander',
      link: 'eth2',
      addresses: both((plan) => [
        ...plan.clusterIps,
        plan.unallocatedClusterIp,
        plan.outerClusterIp,
        ...plan.externalIps,
        ...plan.loadBalancerIps,
        plan.elsewhere,
      ]),
    },
  },
} as const satisfies NetworkPlan<string>

/** All of the node's addresses but loopback, the main one first. */
export function nodeAddresses({ node, secondNodeIp, nodeExternalIp }: AddressPlan): readonly string[] {
  return [node, secondNodeIp, nodeExternalIp]
}

function both(addresses: (family: AddressPlan) => readonly string[]): readonly string[] {
  return [ipv4, ipv6].flatMap(addresses)
}
