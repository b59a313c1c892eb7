/*
 * The endpoints of all frontends in numbered slots, and shared chains that draw a number: exactly uniform, one lookup,
 * no object per Service.
 *
 *   map endpoints-tcp { typeof ip daddr . tcp dport . numgen random mod 1 : ip daddr . tcp dport
 *     elements = { 172.30.0.41 . 80 . 0 : 10.244.1.11 . 8080, 172.30.0.41 . 80 . 1 : 10.244.1.12 . 8080 } }
 *   chain pick-tcp-2 {
 *     dnat ip to ip daddr . tcp dport . numgen random mod 2 map @endpoints-tcp
 *   }
 */
import type { Endpoint } from '../model/endpoint.ts'
import { ipBytes } from '../model/ip.ts'
import type { Protocol } from '../model/service-port.ts'
import { byTypeof, type Chain, type NftSet, type Rule, type SetElement } from '../nft/objects.ts'
import { daddr, dport, numgenRandom } from '../nft/selectors.ts'
import { dnatToMap, protocolIs } from '../nft/statements.ts'
import type { Frontend } from './frontend.ts'
import { concatenate, portBytes, slotBytes } from './keys.ts'
import type { Fragment } from './layout.ts'
import { endpointsMapName, inetFamily, pickChainName } from './names.ts'
import type { DataplaneOptions } from './options.ts'

export const protocols: readonly Protocol[] = ['tcp', 'udp', 'sctp']

export function picks(options: DataplaneOptions): Fragment {
  return { sets: protocols.map((protocol) => endpointsMap(options, protocol)) }
}

/** The chain that picks one of `slotCount` endpoints; how many there are depends on the counts that occur. */
export function pickChain(
  { family }: DataplaneOptions,
  protocol: Protocol,
  slotCount: number,
): { readonly chain: Chain; readonly rule: Rule } {
  const inet = inetFamily(family)
  const name = pickChainName(protocol, slotCount)
  const key = [daddr(inet), dport(protocol), numgenRandom(slotCount)]
  return {
    chain: { name },
    rule: {
      chain: name,
      expressions: [...protocolIs(protocol), ...dnatToMap(inet, key, endpointsMapName(protocol))],
    },
  }
}

/** One element for each slot of a frontend. */
export function slotElements(frontend: Frontend, slots: readonly Endpoint[]): SetElement[] {
  const ip = ipBytes(frontend.ip)
  const port = portBytes(frontend.port)
  return slots.map((endpoint, slot) => ({
    key: concatenate(ip, port, slotBytes(slot)),
    value: concatenate(ipBytes(endpoint.ip), portBytes(endpoint.port)),
  }))
}

/** The modulus in the key's declaration is never used: it only says that the third part is such a number. */
function endpointsMap({ family }: DataplaneOptions, protocol: Protocol): NftSet {
  const inet = inetFamily(family)
  return {
    name: endpointsMapName(protocol),
    key: byTypeof(daddr(inet), dport(protocol), numgenRandom(1)),
    value: byTypeof(daddr(inet), dport(protocol)),
    comment: `endpoints of ${protocol.toUpperCase()} services by slot`,
  }
}
