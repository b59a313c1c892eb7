/*
 * Addresses of links over rtnetlink: RTM_NEWADDR and RTM_GETADDR, include/uapi/linux/if_addr.h.
 * All functions take a NETLINK_ROUTE socket and work in the network namespace that it was opened in.
 */
import { addressFamily, AF_INET, AF_INET6, inetAddress, inetNtop, parsePrefix } from './inet.ts'
import { attrs, struct, u32, u8 } from './layout.ts'
import { linkIndex } from './link.ts'
import { body, type Message, NLM_F_CREATE, NLM_F_EXCL } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

/** An address that a link has. */
export type LinkAddress = {
  readonly linkIndex: number
  readonly family: 4 | 6
  /** Canonical text, for example `fd00::1`. */
  readonly address: string
  readonly prefixLength: number
}

const RTM_NEWADDR = 20
const RTM_GETADDR = 22

/** Usable at once: no duplicate address detection, which takes a second or more. */
const IFA_F_NODAD = 0x02

/** struct ifaddrmsg, and the enum in if_addr.h that begins with IFA_UNSPEC. `flags` in the attributes replaces the one byte of the header. */
const addressLayout = body(
  struct({ family: u8, prefixlen: u8, flags: u8, scope: u8, index: u32 }),
  attrs({
    address: [1, inetAddress, '?'], // on a point-to-point link: the other end
    local: [2, inetAddress, '?'], // IPv6 has it on point-to-point links only
    flags: [8, u32, '?'],
  }),
)

/** The addresses of all links, of one family or of both. Throws NetlinkError. */
export function listAddresses(socket: NetlinkSocket, family?: 4 | 6): Promise<readonly LinkAddress[]> {
  const wanted = family === undefined ? 0 : family === 4 ? AF_INET : AF_INET6
  const header = { family: wanted, prefixlen: 0, flags: 0, scope: 0, index: 0 }
  return socket.dump('RTM_GETADDR', RTM_GETADDR, addressLayout, { header, attributes: {} }, decodeAddress)
}

/** Gives a link an address, written with its prefix length (`10.0.0.1/24`), usable at once. Throws NetlinkError (EEXIST, ENODEV). */
export async function addAddress(socket: NetlinkSocket, link: string, addressWithPrefix: string): Promise<void> {
  const { address, prefixLength } = parsePrefix(addressWithPrefix)
  const text = inetNtop(address)
  const family = addressFamily(address)
  await socket.request(
    `RTM_NEWADDR ${addressWithPrefix} on ${link}`,
    RTM_NEWADDR,
    NLM_F_CREATE | NLM_F_EXCL,
    addressLayout,
    {
      header: { family, prefixlen: prefixLength, flags: 0, scope: 0, index: await linkIndex(socket, link) },
      attributes: { address: text, local: text, ...(family === AF_INET6 && { flags: IFA_F_NODAD }) },
    },
  )
}

function decodeAddress({ payload }: Message): LinkAddress {
  const { header, attributes } = addressLayout.read(payload, 0, payload.length)
  return {
    linkIndex: header.index,
    family: header.family === AF_INET ? 4 : 6,
    address: attributes.local ?? attributes.address ?? '',
    prefixLength: header.prefixlen,
  }
}
