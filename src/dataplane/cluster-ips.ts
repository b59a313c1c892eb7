/*
 * Cluster IPs that lead nowhere:
 *
 *   set cluster-ips { type ipv4_addr; elements = { 172.30.0.41, 172.30.0.42 } }
 *   set service-cidrs { type ipv4_addr; flags interval; elements = { 172.30.0.0/16 } }
 *   chain cluster-ips-check {
 *     ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
 *     ip daddr @service-cidrs drop comment "Drop traffic to unallocated ClusterIPs"
 *   }
 */
import { type Cidr, cidrParts } from '../model/cidr.ts'
import { ipBytes } from '../model/ip.ts'
import type { ServicePort } from '../model/service-port.ts'
import { addressType } from '../nft/datatypes.ts'
import { drop } from '../nft/expressions.ts'
import { byType, type NftSet, type SetElement } from '../nft/objects.ts'
import { intervalElements } from '../nft/intervals.ts'
import { daddr } from '../nft/selectors.ts'
import { inSet, reject, verdict } from '../nft/statements.ts'
import type { Fragment } from './layout.ts'
import { chainNames, inetFamily, setNames } from './names.ts'
import type { DataplaneOptions } from './options.ts'

export function clusterIps({ family }: DataplaneOptions): Fragment {
  const inet = inetFamily(family)
  const clusterIpSet: NftSet = {
    name: setNames.clusterIps,
    key: byType(addressType(inet)),
    comment: 'Active ClusterIPs',
  }
  const serviceCidrSet: NftSet = {
    name: setNames.serviceCidrs,
    key: byType(addressType(inet)),
    flags: ['interval'],
    comment: 'Ranges that ClusterIPs are taken from',
  }
  return {
    sets: [clusterIpSet, serviceCidrSet],
    chains: [{ name: chainNames.clusterIpsCheck }],
    rules: [
      {
        chain: chainNames.clusterIpsCheck,
        expressions: [...inSet([daddr(inet)], setNames.clusterIps), reject(inet)],
        comment: 'Reject traffic to invalid ports of ClusterIPs',
      },
      {
        chain: chainNames.clusterIpsCheck,
        expressions: [...inSet([daddr(inet)], setNames.serviceCidrs), verdict(drop)],
        comment: 'Drop traffic to unallocated ClusterIPs',
      },
    ],
  }
}

/** The member of `cluster-ips` for a service port; its Service's other ports have the same. */
export function clusterIpElement(port: ServicePort): SetElement {
  return { key: ipBytes(port.clusterIp) }
}

/** All elements of `service-cidrs`. No range lies in another one. */
export function serviceCidrElements(cidrs: readonly Cidr[]): SetElement[] {
  return intervalElements(
    cidrs.map((cidr) => {
      const { bytes, prefixLength } = cidrParts(cidr)
      return { address: bytes, prefixLength }
    }),
  )
}
