/*
 * The hooks, and what runs there:
 *
 *   chain filter-forward { type filter hook forward priority filter;
 *     ct state new jump service-endpoints-check
 *     ct state new jump cluster-ips-check
 *   }
 *   chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
 *
 * The firewall sees what was dialled, so it comes before destination NAT. Of the checks after it, the one for endpoints
 * comes first: a Service without endpoints is answered by its own rule, not by the one for unused ports. A packet that was sent to an endpoint has another destination by then and meets neither.
 */
import { jump } from '../nft/expressions.ts'
import type { BaseChain, Rule } from '../nft/objects.ts'
import { ctState, ctStatus, verdict } from '../nft/statements.ts'
import type { Fragment } from './layout.ts'
import { chainNames } from './names.ts'

type Hook = {
  readonly name: string
  readonly base: BaseChain
  readonly newConnections?: readonly string[]
  /** NAT hooks see the first packet of a connection only. */
  readonly firstPackets?: string
  /** The same, of connections whose destination was translated. */
  readonly translated?: string
}

/** NF_IP_PRI_FILTER, NF_IP_PRI_NAT_DST and NF_IP_PRI_NAT_SRC, include/uapi/linux/netfilter_ipv4.h */
const [filter, dstnat, srcnat] = [0, -100, 100]

const hooks: readonly Hook[] = [
  {
    name: chainNames.filterPreroutingPreDnat,
    base: { type: 'filter', hook: 'prerouting', priority: dstnat - 10 },
    newConnections: [chainNames.firewallCheck],
  },
  {
    name: chainNames.filterOutputPreDnat,
    base: { type: 'filter', hook: 'output', priority: dstnat - 10 },
    newConnections: [chainNames.firewallCheck],
  },
  {
    name: chainNames.filterInput,
    base: { type: 'filter', hook: 'input', priority: filter },
    newConnections: [chainNames.nodePortEndpointsCheck, chainNames.serviceEndpointsCheck],
  },
  {
    name: chainNames.filterForward,
    base: { type: 'filter', hook: 'forward', priority: filter },
    newConnections: [chainNames.serviceEndpointsCheck, chainNames.clusterIpsCheck],
  },
  {
    name: chainNames.filterOutput,
    base: { type: 'filter', hook: 'output', priority: filter },
    newConnections: [chainNames.serviceEndpointsCheck, chainNames.clusterIpsCheck],
  },
  {
    name: chainNames.natPrerouting,
    base: { type: 'nat', hook: 'prerouting', priority: dstnat },
    firstPackets: chainNames.services,
  },
  {
    name: chainNames.natOutput,
    base: { type: 'nat', hook: 'output', priority: dstnat },
    firstPackets: chainNames.services,
  },
  {
    name: chainNames.natInput,
    base: { type: 'nat', hook: 'input', priority: srcnat },
    translated: chainNames.affinityRecord,
  },
  {
    name: chainNames.natPostrouting,
    base: { type: 'nat', hook: 'postrouting', priority: srcnat },
    translated: chainNames.affinityRecord,
    firstPackets: chainNames.masquerading,
  },
]

/** All base chains and the jumps in them. */
export function baseChains(): Fragment {
  return {
    chains: hooks.map(({ name, base }) => ({ name, base })),
    rules: hooks.flatMap(({ name, newConnections = [], translated, firstPackets }): Rule[] => [
      ...newConnections.map((to) => ({ chain: name, expressions: [...ctState('new'), verdict(jump(to))] })),
      ...(translated === undefined
        ? []
        : [{ chain: name, expressions: [...ctStatus('dnat'), verdict(jump(translated))] }]),
      ...(firstPackets === undefined ? [] : [{ chain: name, expressions: [verdict(jump(firstPackets))] }]),
    ]),
  }
}
