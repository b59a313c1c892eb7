/*
 * Ports that a Service has on this Node's own addresses: on all but loopback, or on chosen ones.
 *
 *   map service-nodeports { type inet_proto . inet_service : verdict
 *     elements = { tcp . 30080 comment "shop/web:http" : goto pick-nodeport-masq-tcp-2 } }
 *   chain services {
 *     ...
 *     fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @service-nodeports
 *   }
 * or
 *   set nodeport-ips { type ipv4_addr; elements = { 192.168.0.2 } }
 *     ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
 */
import { cidrParts, parseCidr } from '../model/cidr.ts'
import { type IpAddress, ipBytes } from '../model/ip.ts'
import { addressType, dataTypes } from '../nft/datatypes.ts'
import type { Expr } from '../nft/expressions.ts'
import { byType, type SetElement } from '../nft/objects.ts'
import { daddr, l4proto, thDport } from '../nft/selectors.ts'
import { inPrefix, inSet, isLocalAddress, verdictMap } from '../nft/statements.ts'
import type { Fragment } from './layout.ts'
import { chainNames, inetFamily, setNames } from './names.ts'
import type { DataplaneOptions } from './options.ts'

export function nodePorts(options: DataplaneOptions): Fragment {
  const isAll = options.nodePortAddresses === 'all'
  const onThisNode = isAll ? [...isLocalAddress('daddr'), ...notLoopback(options)] : toNodePortIp(options)
  return {
    sets: [
      {
        name: setNames.nodePortIps,
        key: byType(addressType(inetFamily(options.family))),
        comment: 'IPs that accept NodePort traffic',
      },
      {
        name: setNames.serviceNodePorts,
        key: byType(dataTypes.inet_proto, dataTypes.inet_service),
        value: 'verdict',
        comment: 'NodePort traffic',
      },
    ],
    rules: [
      {
        chain: chainNames.services,
        expressions: [...onThisNode, ...verdictMap([l4proto, thDport], setNames.serviceNodePorts)],
      },
    ],
  }
}

/** The destination takes node ports; for rules of the input hook, where it is this Node's in any case. */
export function acceptsNodePorts(options: DataplaneOptions): readonly Expr[] {
  return options.nodePortAddresses === 'all' ? notLoopback(options) : toNodePortIp(options)
}

/** All members of `nodeport-ips`. */
export function nodePortIpElements(ips: readonly IpAddress[]): SetElement[] {
  return ips.map((ip) => ({ key: ipBytes(ip) }))
}

function toNodePortIp({ family }: DataplaneOptions): readonly Expr[] {
  return inSet([daddr(inetFamily(family))], setNames.nodePortIps)
}

/** `ip daddr != 127.0.0.0/8`, `ip6 daddr != ::1` */
function notLoopback({ family }: DataplaneOptions): readonly Expr[] {
  const range = family === 'IPv4' ? parseCidr('127.0.0.0/8') : parseCidr('::1/128')
  if (range === undefined) throw new RangeError('loopback is a range')
  const { bytes, prefixLength } = cidrParts(range)
  return inPrefix(daddr(inetFamily(family)), 'not in', bytes, prefixLength)
}
