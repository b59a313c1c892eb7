/*
 * loadBalancerSourceRanges: who may open connections to a load-balancer IP. It is asked before the destination is
 * translated, of every sender, pods and this Node included.
 *
 *   set firewall-frontends { type ipv4_addr . inet_proto . inet_service; elements = { 198.51.100.7 . tcp . 80 } }
 *   set firewall-allowed { type ipv4_addr . inet_proto . inet_service . ipv4_addr; flags interval
 *     elements = { 198.51.100.7 . tcp . 80 . 203.0.113.0/25 } }
 *   chain firewall-check {
 *     ip daddr . meta l4proto . th dport @firewall-frontends ip daddr . meta l4proto . th dport . ip saddr != @firewall-allowed drop
 *   }
 */
import { type Cidr, cidrContains, cidrParts, parseCidr } from '../model/cidr.ts'
import { type IpAddress, ipBytes } from '../model/ip.ts'
import { mergeCidrs } from '../model/service-cidrs.ts'
import { addressType, dataTypes } from '../nft/datatypes.ts'
import { drop } from '../nft/expressions.ts'
import { lastAddress } from '../nft/inet.ts'
import { byType, type SetElement } from '../nft/objects.ts'
import { daddr, l4proto, saddr, thDport } from '../nft/selectors.ts'
import { inSet, notInRanges, verdict } from '../nft/statements.ts'
import type { Placed } from './elements.ts'
import { type Frontend, frontendKey } from './frontend.ts'
import { concatenate } from './keys.ts'
import type { Fragment } from './layout.ts'
import { chainNames, inetFamily, setNames } from './names.ts'
import type { DataplaneOptions } from './options.ts'

export function firewall({ family }: DataplaneOptions): Fragment {
  const inet = inetFamily(family)
  const frontend = [addressType(inet), dataTypes.inet_proto, dataTypes.inet_service] as const
  const dialled = [daddr(inet), l4proto, thDport]
  return {
    sets: [
      {
        name: setNames.firewallFrontends,
        key: byType(...frontend),
        comment: 'destinations that are subject to LoadBalancerSourceRanges',
      },
      {
        name: setNames.firewallAllowed,
        key: byType(...frontend, addressType(inet)),
        flags: ['interval'],
        comment: 'sources that LoadBalancerSourceRanges allow',
      },
    ],
    chains: [{ name: chainNames.firewallCheck }],
    rules: [
      {
        chain: chainNames.firewallCheck,
        expressions: [
          ...inSet(dialled, setNames.firewallFrontends),
          ...notInRanges([...dialled, saddr(inet)], setNames.firewallAllowed),
          verdict(drop),
        ],
      },
    ],
  }
}

/**
 * The restriction of one load-balancer IP; nothing without ranges. `siblings` are all load-balancer IPs of the Service: a
 * Node that has one bound to itself uses it as the source, and is let in if a range holds the Node's own address.
 */
export function firewallElements(
  frontend: Frontend,
  siblings: readonly IpAddress[],
  nodeIp: IpAddress | undefined,
): Placed[] {
  const { sourceRanges } = frontend
  if (sourceRanges.length === 0) return []
  const key = frontendKey(frontend)
  const letsNodeIn = nodeIp !== undefined && sourceRanges.some((range) => cidrContains(range, nodeIp))
  const whole = (ip: IpAddress): Cidr[] => [parseCidr(`${ip}/${ipBytes(ip).length * 8}`) ?? []].flat()
  const allowed = mergeCidrs([...sourceRanges, ...(letsNodeIn ? siblings.flatMap(whole) : [])])
  return [
    { set: setNames.firewallFrontends, element: { key } },
    ...allowed.map((range) => ({ set: setNames.firewallAllowed, element: rangeElement(key, range) })),
  ]
}

/** Ranges of one frontend must not overlap: the kernel refuses that. */
function rangeElement(frontend: Uint8Array, range: Cidr): SetElement {
  const { bytes, prefixLength } = cidrParts(range)
  return { key: concatenate(frontend, bytes), keyEnd: concatenate(frontend, lastAddress(bytes, prefixLength)) }
}
