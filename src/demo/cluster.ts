import { createNetwork, type Network } from './network.ts'

/** Where the demo's pods live. */
export const demoPodCidrs = ['10.244.1.0/24', 'fd00:10:244:1::/64'] as const

/** The demo's hosts; the first address of each family is the main one. */
export const demoPlan = {
  node: { name: 'node', addresses: ['192.168.0.2/24', '2001:db8::1/64'] },
  outside: { name: 'outside', link: 'eth0', addresses: ['203.0.113.2', '2001:db8:113::2'] },
  pods: {
    client: { name: 'client', link: 'veth-client', addresses: ['10.244.1.2', 'fd00:10:244:1::2'] },
    backend1: { name: 'backend-1', link: 'veth-backend-1', addresses: ['10.244.1.11', 'fd00:10:244:1::11'] },
    backend2: { name: 'backend-2', link: 'veth-backend-2', addresses: ['10.244.1.12', 'fd00:10:244:1::12'] },
    backend3: { name: 'backend-3', link: 'veth-backend-3', addresses: ['10.244.1.13', 'fd00:10:244:1::13'] },
  },
} as const

/** A node whose kernel is to be programmed, a client pod, three backend pods and a client outside. */
export function createDemoCluster(): Promise<Network<keyof typeof demoPlan.pods>> {
  return createNetwork(demoPlan)
}
