/*
 * Routes over rtnetlink: RTM_NEWROUTE, include/uapi/linux/rtnetlink.h.
 * Works in the network namespace that the NETLINK_ROUTE socket was opened in.
 */
import { addressFamily, inetAddress, inetNtop, parsePrefix } from './inet.ts'
import { attrs, struct, u32, u8 } from './layout.ts'
import { linkIndex } from './link.ts'
import { body, NLM_F_CREATE, NLM_F_EXCL } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

/** A unicast route of the main table. It needs a gateway, a link, or both. */
export type Route = {
  /** With its prefix length; `0.0.0.0/0` and `::/0` are the default routes. */
  readonly destination: string
  readonly gateway?: string
  readonly link?: string
  /** The source address of packets that this host sends along the route. */
  readonly source?: string
  /** The gateway is reached over the link although no other route says so. */
  readonly isOnLink?: boolean
}

const RTM_NEWROUTE = 24
const RT_TABLE_MAIN = 254
const RTPROT_STATIC = 4
const RT_SCOPE_UNIVERSE = 0
const RT_SCOPE_LINK = 253
const RTN_UNICAST = 1
const RTNH_F_ONLINK = 4

/** struct rtmsg and enum rtattr_type_t. */
const routeLayout = body(
  struct({
    family: u8,
    dstLen: u8,
    srcLen: u8,
    tos: u8,
    table: u8,
    protocol: u8,
    scope: u8,
    type: u8,
    flags: u32,
  }),
  attrs({
    dst: [1, inetAddress, '?'],
    oif: [4, u32, '?'],
    gateway: [5, inetAddress, '?'],
    prefsrc: [7, inetAddress, '?'],
  }),
)

/** Adds a route. Throws NetlinkError (EEXIST; ENODEV: no such link; ENETUNREACH or EHOSTUNREACH: the gateway cannot be reached). */
export async function addRoute(socket: NetlinkSocket, route: Route): Promise<void> {
  const { address, prefixLength } = parsePrefix(route.destination)
  const header = {
    family: addressFamily(address),
    dstLen: prefixLength,
    srcLen: 0,
    tos: 0,
    table: RT_TABLE_MAIN,
    protocol: RTPROT_STATIC,
    scope: route.gateway === undefined ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
    type: RTN_UNICAST,
    flags: route.isOnLink === true ? RTNH_F_ONLINK : 0,
  }
  const attributes = {
    ...(prefixLength > 0 && { dst: inetNtop(address) }),
    ...(route.link !== undefined && { oif: await linkIndex(socket, route.link) }),
    ...(route.gateway !== undefined && { gateway: route.gateway }),
    ...(route.source !== undefined && { prefsrc: route.source }),
  }
  const operation = `RTM_NEWROUTE ${route.destination}`
  await socket.request(operation, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, routeLayout, { header, attributes })
}
