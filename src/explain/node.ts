/** The node that the packet crosses, as far as the kernel's decisions depend on it. */
import { type Cidr, cidrContains, cidrParts } from '../model/cidr.ts'
import { familyOf, type IpAddress, isLoopback } from '../model/ip.ts'
import { RTN_LOCAL } from '../nft/datatypes.ts'

export type NodeView = {
  /**
   * The addresses of its interfaces, the main one of each family first. 127.0.0.0/8 and ::1 are local without being
   * named.
   */
  readonly addresses: readonly IpAddress[]
  /** Where packets that are not for the node leave; without a matching route by an interface without a name. */
  readonly routes?: readonly Route[]
}

export type Route = {
  readonly to: Cidr
  readonly oifname: string
  /** What masquerading puts in; without it the node's main address. */
  readonly source?: IpAddress
}

/** Where a packet goes next, and which address of the node masquerading gives it there. */
export type Egress = {
  readonly isLocal: boolean
  readonly oifname: string
  readonly masqueradeAddress: IpAddress | undefined
}

/** The interface that everything for the node itself goes through. */
export const loopback = 'lo'

/** The routing decision: local addresses are reached over `lo`, the others by the route with the longest prefix. */
export function egressTo(node: NodeView, destination: IpAddress): Egress {
  const main = node.addresses.find((address) => familyOf(address) === familyOf(destination) && !isLoopback(address))
  if (isLocalAddress(node, destination)) return { isLocal: true, oifname: loopback, masqueradeAddress: main }
  const [route] = (node.routes ?? [])
    .filter(({ to }) => cidrContains(to, destination))
    .toSorted((a, b) => cidrParts(b.to).prefixLength - cidrParts(a.to).prefixLength)
  return { isLocal: false, oifname: route?.oifname ?? '', masqueradeAddress: route?.source ?? main }
}

/** RTN_* of include/uapi/linux/rtnetlink.h, as `fib daddr type` yields it. Broadcasts of networks are not known here. */
export function addressType(node: NodeView, address: IpAddress): number {
  if (isLocalAddress(node, address)) return RTN_LOCAL
  if (broadcasts.some((range) => cidrContains(range, address))) return RTN_BROADCAST
  return multicasts.some((range) => cidrContains(range, address)) ? RTN_MULTICAST : RTN_UNICAST
}

const RTN_UNICAST = 1
const RTN_BROADCAST = 3
const RTN_MULTICAST = 5

/** inet_addr_type() calls the zero network a broadcast too. */
const broadcasts = ['0.0.0.0/8', '255.255.255.255/32'] as readonly string[] as readonly Cidr[]
const multicasts = ['224.0.0.0/4', 'ff00::/8'] as readonly string[] as readonly Cidr[]
function isLocalAddress(node: NodeView, address: IpAddress): boolean {
  return node.addresses.includes(address) || isLoopback(address)
}
