/*
 * ClientIP session affinity: one lookup, however many endpoints there are. It is kept for each frontend, as ipvs keeps it.
 *
 *   map affinity-tcp { typeof ip saddr . ip daddr . tcp dport : ip daddr . tcp dport; flags dynamic,timeout }
 *   chain pick-affinity-tcp-2 {
 *     dnat ip to ip saddr . ip daddr . tcp dport map @affinity-tcp
 *     dnat ip to ip daddr . tcp dport . numgen random mod 2 map @endpoints-tcp
 *   }
 *
 * Every new connection is recorded once its endpoint is known, which also begins the client's time anew. NAT hooks see
 * the first packet of a connection only, so that all others pay nothing:
 *
 *   map affinity-ips-tcp { type ipv4_addr . inet_service : verdict
 *     elements = { 172.30.0.41 . 80 : goto affinity-record-tcp-10800 } }
 *   chain affinity-record {
 *     meta l4proto tcp ct original ip daddr . ct original proto-dst vmap @affinity-ips-tcp
 *     meta l4proto tcp ct original proto-dst vmap @affinity-nodeports-tcp
 *   }
 *   chain affinity-record-tcp-10800 {
 *     meta l4proto tcp update @affinity-tcp { ip saddr . ct original ip daddr . ct original proto-dst timeout 3h :
 *       ct reply ip saddr . ct reply proto-src }
 *   }
 */
import { endpointKey } from '../model/endpoint.ts'
import { ipBytes, ipFromBytes } from '../model/ip.ts'
import type { Protocol } from '../model/service-port.ts'
import { addressType, dataTypes } from '../nft/datatypes.ts'
import { type Expr, goto } from '../nft/expressions.ts'
import { byType, byTypeof, type NftSet, type Rule, type SetElement } from '../nft/objects.ts'
import {
  ctOriginalDaddr,
  ctOriginalProtoDst,
  ctReplyProtoSrc,
  ctReplySaddr,
  daddr,
  dport,
  saddr,
} from '../nft/selectors.ts'
import { dnatToMap, protocolIs, updateMap, verdictMap } from '../nft/statements.ts'
import { type Frontend, frontendText } from './frontend.ts'
import { concatenate, portBytes } from './keys.ts'
import type { Fragment } from './layout.ts'
import { affinityFrontendsName, affinityMapName, chainNames, inetFamily, protocols } from './names.ts'
import type { DataplaneOptions } from './options.ts'
import type { SharedChain } from './shared-chain.ts'

/** Most clients of one protocol that are remembered; beyond that new ones are balanced without being stuck. */
const maxClients = 1_048_576

export function affinity(options: DataplaneOptions): Fragment {
  return {
    sets: protocols.flatMap((protocol) => affinitySets(options, protocol)),
    chains: [{ name: chainNames.affinityRecord }],
    rules: protocols.flatMap((protocol) => recordRules(options, protocol)),
  }
}

/** Sends a known client to its endpoint; others go on to the next rule. */
export function stuckClients({ family }: DataplaneOptions, protocol: Protocol): readonly Expr[] {
  const inet = inetFamily(family)
  return dnatToMap(inet, [saddr(inet), daddr(inet), dport(protocol)], affinityMapName(protocol))
}

/** The chain that records a client for that time. */
export function recordChain({ family }: DataplaneOptions, protocol: Protocol, timeoutSeconds: number): SharedChain {
  const inet = inetFamily(family)
  return {
    name: recordChainName(protocol, timeoutSeconds),
    rules: [
      [
        ...protocolIs(protocol),
        ...updateMap(
          affinityMapName(protocol),
          [saddr(inet), ctOriginalDaddr(inet), ctOriginalProtoDst],
          [ctReplySaddr(inet), ctReplyProtoSrc],
          timeoutSeconds * 1000,
        ),
      ],
    ],
  }
}

/** Who is stuck to what, as a recorded element says it. */
export type Pin = {
  /** What the client dialled: one of these, the address if a Service has it, else the node port. */
  readonly frontends: readonly [ip: string, nodePort: string]
  /** `10.244.1.11:8080` */
  readonly endpoint: string
}

/** Reads an element of an affinity map. */
export function pinOf({ family }: DataplaneOptions, protocol: Protocol, { key, value }: SetElement): Pin {
  const bytes = family === 'IPv4' ? 4 : 16
  const ip = ipFromBytes(key.slice(bytes, 2 * bytes))
  const port = portAt(key, 2 * bytes)
  const target = value ?? new Uint8Array(bytes + 4)
  return {
    frontends: [
      frontendText({ kind: 'ip', origin: 'cluster', ip, port, protocol, field: '' }),
      frontendText({ kind: 'node-port', port, protocol, field: '' }),
    ],
    endpoint: endpointKey({ ip: ipFromBytes(target.slice(0, bytes)), port: portAt(target, bytes) }),
  }
}

/** Has the clients of a frontend recorded. */
export function affinityElement(frontend: Frontend): { readonly set: string; readonly element: SetElement } {
  const { kind, protocol, affinityTimeoutSeconds, owner } = frontend
  const parts = [...(kind === 'ip' ? [ipBytes(frontend.ip)] : []), portBytes(frontend.port)]
  const [onlyPart] = parts
  return {
    set: affinityFrontendsName(kind, protocol),
    element: {
      // a key of one part is not padded
      key: parts.length === 1 && onlyPart !== undefined ? onlyPart : concatenate(...parts),
      verdict: goto(recordChainName(protocol, affinityTimeoutSeconds)),
      comment: owner,
    },
  }
}

/** The name says all that the chain depends on. */
export function recordChainName(protocol: Protocol, timeoutSeconds: number): string {
  return `affinity-record-${protocol}-${timeoutSeconds}`
}

function portAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

function affinitySets({ family }: DataplaneOptions, protocol: Protocol): NftSet[] {
  const inet = inetFamily(family)
  return [
    {
      name: affinityMapName(protocol),
      key: byTypeof(saddr(inet), daddr(inet), dport(protocol)),
      value: byTypeof(daddr(inet), dport(protocol)),
      flags: ['dynamic', 'timeout'],
      size: maxClients,
    },
    {
      name: affinityFrontendsName('ip', protocol),
      key: byType(addressType(inet), dataTypes.inet_service),
      value: 'verdict',
    },
    { name: affinityFrontendsName('node-port', protocol), key: byType(dataTypes.inet_service), value: 'verdict' },
  ]
}

function recordRules({ family }: DataplaneOptions, protocol: Protocol): Rule[] {
  const dialled = [ctOriginalDaddr(inetFamily(family)), ctOriginalProtoDst]
  const rule = (expressions: readonly Expr[]): Rule => ({
    chain: chainNames.affinityRecord,
    expressions: [...protocolIs(protocol), ...expressions],
  })
  return [
    rule(verdictMap(dialled, affinityFrontendsName('ip', protocol))),
    rule(verdictMap([ctOriginalProtoDst], affinityFrontendsName('node-port', protocol))),
  ]
}
