/** All names in our tables. Operators know kube-proxy's; what only the flat layout has follows their style. */
import type { Protocol } from '../model/service-port.ts'
import type { Family } from '../model/ip.ts'
import type { InetFamily } from '../nft/inet.ts'
import type { Table } from '../nft/objects.ts'

/** The table of one IP family; kube-proxy's own name, so that a start takes a running kube-proxy's place. */
export function tableOf(family: Family): Table {
  return { family: inetFamily(family), name: 'kube-proxy', comment: 'rules for kube-proxy' }
}

export function inetFamily(family: Family): InetFamily {
  return family === 'IPv4' ? 'ip' : 'ip6'
}

export const chainNames = {
  filterInput: 'filter-input',
  filterForward: 'filter-forward',
  filterOutput: 'filter-output',
  natPrerouting: 'nat-prerouting',
  natOutput: 'nat-output',
  natPostrouting: 'nat-postrouting',
  services: 'services',
  masquerading: 'masquerading',
  clusterIpsCheck: 'cluster-ips-check',
  serviceEndpointsCheck: 'service-endpoints-check',
  reject: 'reject-chain',
} as const

export const setNames = {
  clusterIps: 'cluster-ips',
  serviceCidrs: 'service-cidrs',
  hairpinConnections: 'hairpin-connections',
  serviceIps: 'service-ips',
  noEndpointServices: 'no-endpoint-services',
} as const

/** The map of the numbered endpoints of all frontends of one protocol. */
export function endpointsMapName(protocol: Protocol): string {
  return `endpoints-${protocol}`
}

/** The shared chain that picks one of `slotCount` endpoints. */
export function pickChainName(protocol: Protocol, slotCount: number): string {
  return `pick-${protocol}-${slotCount}`
}
