/** All names in our tables. Operators know kube-proxy's; what only the flat layout has follows their style. */
import type { Family } from '../model/ip.ts'
import type { Protocol } from '../model/service-port.ts'
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
  filterPreroutingPreDnat: 'filter-prerouting-pre-dnat',
  filterOutputPreDnat: 'filter-output-pre-dnat',
  filterInput: 'filter-input',
  filterForward: 'filter-forward',
  filterOutput: 'filter-output',
  natPrerouting: 'nat-prerouting',
  natOutput: 'nat-output',
  natInput: 'nat-input',
  natPostrouting: 'nat-postrouting',
  services: 'services',
  masquerading: 'masquerading',
  clusterIpsCheck: 'cluster-ips-check',
  serviceEndpointsCheck: 'service-endpoints-check',
  nodePortEndpointsCheck: 'nodeport-endpoints-check',
  firewallCheck: 'firewall-check',
  externalLocal: 'external-local',
  externalLocalNodePort: 'external-local-nodeport',
  affinityRecord: 'affinity-record',
  reject: 'reject-chain',
} as const

export const setNames = {
  clusterIps: 'cluster-ips',
  serviceCidrs: 'service-cidrs',
  nodePortIps: 'nodeport-ips',
  hairpinConnections: 'hairpin-connections',
  serviceIps: 'service-ips',
  serviceNodePorts: 'service-nodeports',
  externalClusterIps: 'external-cluster-ips',
  externalLocalIps: 'external-local-ips',
  externalClusterNodePorts: 'external-cluster-nodeports',
  externalLocalNodePorts: 'external-local-nodeports',
  noEndpointServices: 'no-endpoint-services',
  noEndpointNodePorts: 'no-endpoint-nodeports',
  firewallFrontends: 'firewall-frontends',
  firewallAllowed: 'firewall-allowed',
} as const

/** The table of the fast path, for both IP families. */
export const fastpathTableRef: Table = {
  family: 'inet',
  name: 'kube-proxy-fastpath',
  comment: 'long connections leave the rules of kube-proxy',
}

/** nft takes no chain called `offload` or `fwd`. */
export const fastpathNames = {
  flowtable: 'kube-proxy-flowtable',
  forwardChain: 'filter-forward',
  offloadChain: 'fastpath',
  interfaces: 'interfaces',
  noOffload: { IPv4: 'no-offload-ipv4', IPv6: 'no-offload-ipv6' },
  services: { IPv4: 'service-ipv4', IPv6: 'service-ipv6' },
} as const

/** What the kernel's flow tables can take. */
export const fastpathProtocols: ReadonlySet<Protocol> = new Set(['tcp', 'udp'])

/**
 * The conntrack label bit (0 to 127) of connections that may take the fast path. Labels belong to whoever sets them:
 * OVN uses bits 32 to 79 and 96 to 127, Antrea 0 to 75, administrators with names for them the lowest ones.
 */
export const fastpathLabelBit = 90

/** The transport protocols of Services. */
export const protocols: readonly Protocol[] = ['tcp', 'udp', 'sctp']

/** The endpoints that one client may be stuck to, by frontend. */
export function affinityMapName(protocol: Protocol): string {
  return `affinity-${protocol}`
}

/** Which frontends stick their clients, and for how long. */
export function affinityFrontendsName(kind: 'ip' | 'node-port', protocol: Protocol): string {
  return kind === 'ip' ? `affinity-ips-${protocol}` : `affinity-nodeports-${protocol}`
}
