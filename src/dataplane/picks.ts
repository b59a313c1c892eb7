/*
 * The endpoints of all frontends in numbered slots, and shared chains that draw a number: exactly uniform, one lookup,
 * no object per Service.
 *
 *   map endpoints-tcp { typeof ip daddr . tcp dport . numgen random mod 1 : ip daddr . tcp dport
 *     elements = { 172.30.0.41 . 80 . 0 : 10.244.1.11 . 8080, 172.30.0.41 . 80 . 1 : 10.244.1.12 . 8080 } }
 *   map nodeport-endpoints-tcp { typeof tcp dport . numgen random mod 1 : ip daddr . tcp dport }
 *   chain pick-tcp-2 {
 *     dnat ip to ip daddr . tcp dport . numgen random mod 2 map @endpoints-tcp
 *     dnat ip to ip daddr . tcp dport . numgen random mod 1 map @endpoints-tcp
 *   }
 *   chain pick-nodeport-masq-tcp-2 {
 *     meta mark set meta mark | 0x00004000 dnat ip to tcp dport . numgen random mod 2 map @nodeport-endpoints-tcp
 *     dnat ip to tcp dport . numgen random mod 1 map @nodeport-endpoints-tcp
 *   }
 *
 * With the fast path on, the chains for TCP and UDP begin with a label by which it knows the connection. Services that
 * opted out have chains of their own then, without it:
 *
 *   chain pick-tcp-2 { ct label set 90; dnat ip to ...; dnat ip to ... }
 *   chain pick-slowpath-tcp-2 { dnat ip to ...; dnat ip to ... }
 *
 * `local-endpoints-*` hold what a frontend with policy Local offers to clients outside.
 */
import type { Endpoint } from '../model/endpoint.ts'
import { ipBytes } from '../model/ip.ts'
import type { Protocol } from '../model/service-port.ts'
import type { Expr } from '../nft/expressions.ts'
import { byTypeof, type NftSet, type SetElement } from '../nft/objects.ts'
import { daddr, dport, numgenRandom, type Selector } from '../nft/selectors.ts'
import { dnatToMap, protocolIs, setCtLabel, setMark } from '../nft/statements.ts'
import { stuckClients } from './affinity.ts'
import type { Frontend, FrontendAddress } from './frontend.ts'
import { endpointValue, slotKey } from './keys.ts'
import type { Fragment } from './layout.ts'
import { fastpathProtocols, inetFamily, protocols } from './names.ts'
import type { DataplaneOptions } from './options.ts'
import type { SharedChain } from './shared-chain.ts'

/** Which endpoints of a frontend: those for everybody, or those on this Node for clients outside. */
export type EndpointList = 'all' | 'local'

/** What frontends that share a pick chain have in common. */
export type Pick = {
  readonly kind: FrontendAddress['kind']
  readonly protocol: Protocol
  readonly list: EndpointList
  readonly isMasqueraded: boolean
  readonly hasAffinity: boolean
  /** There is a fast path, and these connections stay out of it although their protocol could take it. */
  readonly isSlowPath: boolean
  readonly slotCount: number
}

export function picks(options: DataplaneOptions): Fragment {
  const kinds = ['ip', 'node-port'] as const
  const lists = ['all', 'local'] as const
  return {
    sets: kinds.flatMap((kind) =>
      lists.flatMap((list) => protocols.map((protocol) => endpointsMap(options, kind, list, protocol))),
    ),
  }
}

/** `pick-tcp-2`, `pick-nodeport-local-affinity-udp-3`: everything that matters is in the name. */
export function pickChainName(pick: Pick): string {
  const { kind, list, isMasqueraded, hasAffinity, isSlowPath, protocol, slotCount } = pick
  const nodePort = kind === 'node-port' ? '-nodeport' : ''
  const local = list === 'local' ? '-local' : ''
  const masq = isMasqueraded ? '-masq' : ''
  const affinity = hasAffinity ? '-affinity' : ''
  const slowPath = isSlowPath ? '-slowpath' : ''
  return `pick${nodePort}${local}${masq}${affinity}${slowPath}-${protocol}-${slotCount}`
}

/** The map of numbered endpoints that a pick looks into. */
export function endpointsMapName({
  kind,
  list,
  protocol,
}: Omit<Pick, 'isMasqueraded' | 'hasAffinity' | 'isSlowPath' | 'slotCount'>): string {
  return `${list === 'local' ? 'local-' : ''}${kind === 'node-port' ? 'nodeport-' : ''}endpoints-${protocol}`
}

/** The chain that picks one of `slotCount` endpoints; how many chains there are depends on the picks that occur. */
export function pickChain(options: DataplaneOptions, pick: Pick): SharedChain {
  const inet = inetFamily(options.family)
  const { kind, protocol, isMasqueraded, slotCount } = pick
  const mark = isMasqueraded ? setMark(options.masqueradeMark) : []
  const draw = (modulus: number): readonly Expr[] => {
    const key = [...dialled(options, kind, protocol), numgenRandom(modulus)]
    return [...protocolIs(protocol), ...dnatToMap(inet, key, endpointsMapName(pick))]
  }
  return {
    name: pickChainName(pick),
    rules: [
      ...fastpathLabel(options, pick),
      ...(pick.hasAffinity ? [[...mark, ...protocolIs(protocol), ...stuckClients(options, protocol)]] : []),
      [...mark, ...draw(slotCount)],
      // A packet that came here just before a commit took slots away may have drawn one of them; slot 0 is there still.
      ...(slotCount > 1 ? [draw(1)] : []),
    ],
  }
}

/** Whether the frontend's connections stay in the rules where others leave them. */
export function staysOnSlowPath({ usesFastpath, protocol }: Frontend, { fastpath }: DataplaneOptions): boolean {
  return fastpath !== undefined && !usesFastpath && fastpathProtocols.has(protocol)
}

/** The first rule, so that stuck clients come by it too. */
function fastpathLabel({ fastpath }: DataplaneOptions, { isSlowPath, protocol }: Pick): (readonly Expr[])[] {
  return fastpath === undefined || isSlowPath || !fastpathProtocols.has(protocol) ? [] : [setCtLabel(fastpath.labelBit)]
}

/** One element for each slot of a frontend; `ip` is its address as bytes, undefined for a node port. */
export function slotElements(
  address: FrontendAddress,
  ip: Uint8Array | undefined,
  slots: readonly Endpoint[],
): SetElement[] {
  return slots.map((endpoint, slot) => ({
    key: slotKey(ip, address.port, slot),
    value: endpointValue(ipBytes(endpoint.ip), endpoint.port),
  }))
}

/** The modulus in the key's declaration is never used: it only says that the last part is such a number. */
function endpointsMap(options: DataplaneOptions, kind: Pick['kind'], list: EndpointList, protocol: Protocol): NftSet {
  const inet = inetFamily(options.family)
  return {
    name: endpointsMapName({ kind, list, protocol }),
    key: byTypeof(...dialled(options, kind, protocol), numgenRandom(1)),
    value: byTypeof(daddr(inet), dport(protocol)),
  }
}

function dialled({ family }: DataplaneOptions, kind: Pick['kind'], protocol: Protocol): readonly Selector[] {
  return kind === 'ip' ? [daddr(inetFamily(family)), dport(protocol)] : [dport(protocol)]
}
