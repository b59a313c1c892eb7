/*
 * From what a client dials to the chain that picks an endpoint:
 *
 *   map service-ips { type ipv4_addr . inet_proto . inet_service : verdict
 *     elements = { 172.30.0.41 . tcp . 80 comment "default/web:http" : goto pick-tcp-2 } }
 *   chain services {
 *     ...
 *     ip daddr . meta l4proto . th dport vmap @service-ips
 *   }
 */
import { addressType, dataTypes } from '../nft/datatypes.ts'
import { goto } from '../nft/expressions.ts'
import { byType, type SetElement } from '../nft/objects.ts'
import { daddr, l4proto, thDport } from '../nft/selectors.ts'
import { verdictMap } from '../nft/statements.ts'
import { type Frontend, frontendKey } from './frontend.ts'
import type { Fragment } from './layout.ts'
import { chainNames, inetFamily, pickChainName, setNames } from './names.ts'
import type { DataplaneOptions } from './options.ts'

export function services({ family }: DataplaneOptions): Fragment {
  const inet = inetFamily(family)
  return {
    sets: [
      {
        name: setNames.serviceIps,
        key: byType(addressType(inet), dataTypes.inet_proto, dataTypes.inet_service),
        value: 'verdict',
        comment: 'ClusterIP, ExternalIP and LoadBalancer IP traffic',
      },
    ],
    rules: [
      { chain: chainNames.services, expressions: verdictMap([daddr(inet), l4proto, thDport], setNames.serviceIps) },
    ],
  }
}

/** Sends a frontend to the chain that picks among `slotCount` endpoints. */
export function serviceIpElement(frontend: Frontend, slotCount: number): SetElement {
  return {
    key: frontendKey(frontend),
    verdict: goto(pickChainName(frontend.protocol, slotCount)),
    comment: frontend.owner,
  }
}
