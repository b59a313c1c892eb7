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
import { byType } from '../nft/objects.ts'
import { daddr, l4proto, thDport } from '../nft/selectors.ts'
import { verdictMap } from '../nft/statements.ts'
import type { Fragment } from './layout.ts'
import { chainNames, inetFamily, setNames } from './names.ts'
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
