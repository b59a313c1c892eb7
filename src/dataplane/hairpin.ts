/*
 * An endpoint that reaches itself through a Service must not see its own address as the source: it would answer
 * directly, past the translation. Only endpoints of this Node can do that.
 *
 *   set hairpin-connections { type ipv4_addr . ipv4_addr . inet_proto . inet_service
 *     elements = { 10.244.1.11 . 10.244.1.11 . tcp . 8080 } }
 *   chain masquerading {
 *     ...
 *     ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random
 *   }
 */
import type { Endpoint } from '../model/endpoint.ts'
import { ipBytes } from '../model/ip.ts'
import type { Protocol } from '../model/service-port.ts'
import { addressType, dataTypes } from '../nft/datatypes.ts'
import { byType, type SetElement } from '../nft/objects.ts'
import { daddr, l4proto, saddr, thDport } from '../nft/selectors.ts'
import { ctStatus, inSet, masqueradeFullyRandom } from '../nft/statements.ts'
import { concatenate, portBytes, protocolByte } from './keys.ts'
import type { Fragment } from './layout.ts'
import { chainNames, inetFamily, setNames } from './names.ts'
import type { DataplaneOptions } from './options.ts'

export function hairpin({ family }: DataplaneOptions): Fragment {
  const inet = inetFamily(family)
  const address = addressType(inet)
  return {
    sets: [
      {
        name: setNames.hairpinConnections,
        key: byType(address, address, dataTypes.inet_proto, dataTypes.inet_service),
        comment: 'service hairpin connections',
      },
    ],
    rules: [
      {
        chain: chainNames.masquerading,
        expressions: [
          ...ctStatus('dnat'),
          ...inSet([saddr(inet), daddr(inet), l4proto, thDport], setNames.hairpinConnections),
          masqueradeFullyRandom,
        ],
      },
    ],
  }
}

/** The connection of a local endpoint to itself. Services that share the endpoint share the element. */
export function hairpinElement(endpoint: Endpoint, protocol: Protocol): SetElement {
  const ip = ipBytes(endpoint.ip)
  return { key: concatenate(ip, ip, protocolByte(protocol), portBytes(endpoint.port)) }
}
