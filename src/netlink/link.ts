/*
 * Links over rtnetlink: RTM_NEWLINK, RTM_DELLINK and RTM_GETLINK, include/uapi/linux/rtnetlink.h.
 * All functions take a NETLINK_ROUTE socket and work in the network namespace that it was opened in.
 */
import { NetlinkError } from './errors.ts'
import { attrs, bytes, type Codec, cstr, type Infer, s32, struct, u16, u32, u8 } from './layout.ts'
import { body, type Message, NLM_F_CREATE, NLM_F_EXCL } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

/** A link as the kernel describes it. */
export type Link = {
  readonly index: number
  readonly name: string
  /** `veth`, `bridge`, ...; undefined for links that no driver of rtnetlink made, such as `lo`. */
  readonly kind: string | undefined
  readonly mtuBytes: number
  /** Index of the bridge or bond that this link belongs to. */
  readonly masterIndex: number | undefined
  /**
   * Index of the link of this namespace that this one stands on: a VLAN's parent, a tunnel's underlay where it is
   * bound to one. Of a veth it is the other end.
   */
  readonly lowerIndex: number | undefined
  /** An IP-in-IP tunnel to one fixed address; false for other links too. */
  readonly hasRemote: boolean
  readonly isLoopback: boolean
  /** Set up by the administrator (IFF_UP). */
  readonly isUp: boolean
  /** Up, and so is the other end (IFF_LOWER_UP). */
  readonly hasCarrier: boolean
}

/** Two links, of which each receives what the other sends. */
export type VethPair = {
  readonly name: string
  /** The other end; made in the namespace behind the descriptor, if one is given. */
  readonly peer: { readonly name: string; readonly namespaceFd?: number }
}

const RTM_NEWLINK = 16
const RTM_DELLINK = 17
const RTM_GETLINK = 18

/** Flags of <linux/if.h>, enum net_device_flags. */
const IFF_UP = 1 << 0
const IFF_LOOPBACK = 1 << 3
const IFF_LOWER_UP = 1 << 16

/** struct ifinfomsg. */
const linkHeader = struct({ family: u8, pad: u8, type: u16, index: s32, flags: u32, change: u32 })

/** What is read of a link: enum in if_link.h that begins with IFLA_UNSPEC. */
const linkLayout = body(
  linkHeader,
  attrs({
    ifname: [3, cstr],
    mtu: [4, u32],
    link: [5, u32, '?'],
    master: [10, u32, '?'],
    linkinfo: [18, attrs({ kind: [1, cstr, '?'], data: [2, bytes, '?'] }), '?'], // IFLA_INFO_KIND, IFLA_INFO_DATA; a physical link may have other members only
    linkNetNsId: [37, s32, '?'], // of the link that `link` is an index of, where that is in another namespace
  }),
)

/** IFLA_INFO_DATA of IP-in-IP tunnels, if_tunnel.h: IFLA_IPTUN_REMOTE, an address of 4 or 16 bytes. */
const ipTunnelLayout = attrs({ remote: [3, bytes, '?'] })
/** IFLA_INFO_DATA of a VXLAN, if_link.h: IFLA_VXLAN_LINK. */
const vxlanLayout = attrs({ link: [3, u32, '?'] })

/** What is written to change a link or to name it in a request. */
const linkChangeLayout = body(linkHeader, attrs({ ifname: [3, cstr, '?'], netNsFd: [28, u32, '?'] }))

/** IFLA_INFO_KIND `veth`: IFLA_INFO_DATA holds VETH_INFO_PEER of veth.h, which is a whole link message without its nlmsghdr. */
const vethLayout = body(
  linkHeader,
  attrs({
    ifname: [3, cstr],
    linkinfo: [18, attrs({ kind: [1, cstr], data: [2, attrs({ peer: [1, linkChangeLayout] })] })],
  }),
)

/** All links. Throws NetlinkError. */
export function listLinks(socket: NetlinkSocket): Promise<readonly Link[]> {
  return socket.dump('RTM_GETLINK', RTM_GETLINK, linkChangeLayout, { header: header({}), attributes: {} }, decodeLink)
}

/** The link of that name, or undefined when there is none. Throws NetlinkError. */
export async function linkByName(socket: NetlinkSocket, name: string): Promise<Link | undefined> {
  try {
    return await getLink(socket, name)
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === 'ENODEV') return undefined
    throw error
  }
}

/** The index of the link of that name. Throws NetlinkError (ENODEV: there is none). */
export async function linkIndex(socket: NetlinkSocket, name: string): Promise<number> {
  return (await getLink(socket, name)).index
}

/** Makes a pair of links that are both down. Throws NetlinkError (EEXIST: a name is taken). */
export function createVethPair(socket: NetlinkSocket, { name, peer }: VethPair): Promise<void> {
  const netNsFd = peer.namespaceFd === undefined ? {} : { netNsFd: peer.namespaceFd }
  const data = { peer: { header: header({}), attributes: { ifname: peer.name, ...netNsFd } } }
  return socket.request(`RTM_NEWLINK ${name}`, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, vethLayout, {
    header: header({}),
    attributes: { ifname: name, linkinfo: { kind: 'veth', data } },
  })
}

/** Throws NetlinkError (ENODEV: there is no such link). */
export function setLinkUp(socket: NetlinkSocket, name: string): Promise<void> {
  return changeLink(socket, name, { header: header({ flags: IFF_UP, change: IFF_UP }), attributes: { ifname: name } })
}

/** Throws NetlinkError (ENODEV: there is no such link). */
export function setLinkDown(socket: NetlinkSocket, name: string): Promise<void> {
  return changeLink(socket, name, { header: header({ change: IFF_UP }), attributes: { ifname: name } })
}

/** Throws NetlinkError (EEXIST: the new name is taken). Since Linux 6.2 a link that is up may be renamed too. */
export async function renameLink(socket: NetlinkSocket, name: string, newName: string): Promise<void> {
  const index = await linkIndex(socket, name)
  await changeLink(socket, name, { header: header({ index }), attributes: { ifname: newName } })
}

/** Moves a link into the namespace behind a descriptor; there it is down and has no addresses. Throws NetlinkError. */
export function moveLink(socket: NetlinkSocket, name: string, namespaceFd: number): Promise<void> {
  return changeLink(socket, name, { header: header({}), attributes: { ifname: name, netNsFd: namespaceFd } })
}

/** Deletes a link, and with a veth its other end. Throws NetlinkError (ENODEV: there is no such link). */
export function deleteLink(socket: NetlinkSocket, name: string): Promise<void> {
  return socket.request(`RTM_DELLINK ${name}`, RTM_DELLINK, 0, linkChangeLayout, {
    header: header({}),
    attributes: { ifname: name },
  })
}

function getLink(socket: NetlinkSocket, name: string): Promise<Link> {
  const request = { header: header({}), attributes: { ifname: name } }
  return socket.get(`RTM_GETLINK ${name}`, RTM_GETLINK, linkChangeLayout, request, decodeLink)
}

function changeLink(socket: NetlinkSocket, name: string, change: Infer<typeof linkChangeLayout>): Promise<void> {
  return socket.request(`RTM_NEWLINK ${name}`, RTM_NEWLINK, 0, linkChangeLayout, change)
}

/** A header in which index 0 means: the link that IFLA_IFNAME names. */
function header(fields: { readonly index?: number; readonly flags?: number; readonly change?: number }) {
  return { family: 0, pad: 0, type: 0, index: 0, flags: 0, change: 0, ...fields }
}

function decodeLink({ payload }: Message): Link {
  const { header, attributes } = linkLayout.read(payload, 0, payload.length)
  return {
    index: header.index,
    name: attributes.ifname,
    kind: attributes.linkinfo?.kind,
    mtuBytes: attributes.mtu,
    masterIndex: attributes.master,
    lowerIndex: lowerIndex(attributes),
    hasRemote: hasRemote(attributes),
    isLoopback: (header.flags & IFF_LOOPBACK) !== 0,
    isUp: (header.flags & IFF_UP) !== 0,
    hasCarrier: (header.flags & IFF_LOWER_UP) !== 0,
  }
}

type LinkAttributes = Infer<typeof linkLayout>['attributes']

/** 0 is a tunnel that is bound to no link. */
function lowerIndex({ link, linkNetNsId, linkinfo }: LinkAttributes): number | undefined {
  if (linkNetNsId !== undefined) return undefined
  return link || (linkinfo?.kind === 'vxlan' ? data(linkinfo, vxlanLayout)?.link : undefined) || undefined
}

function hasRemote({ linkinfo }: LinkAttributes): boolean {
  if (linkinfo?.kind !== 'ipip' && linkinfo?.kind !== 'ip6tnl') return false
  return data(linkinfo, ipTunnelLayout)?.remote?.some((byte) => byte !== 0) ?? false
}

function data<T>(linkinfo: LinkAttributes['linkinfo'], layout: Codec<T>): T | undefined {
  if (linkinfo?.data === undefined) return undefined
  const buffer = Buffer.from(linkinfo.data)
  return layout.read(buffer, 0, buffer.length)
}
