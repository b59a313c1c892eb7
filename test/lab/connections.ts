/* What conntrack remembers in a namespace: IPCTNL_MSG_CT_DELETE, include/uapi/linux/netfilter/nfnetlink_conntrack.h. */
import type { Family } from '../../src/model/ip.ts'
import { AF_INET, AF_INET6 } from '../../src/netlink/inet.ts'
import { attrs, be16, struct, u8 } from '../../src/netlink/layout.ts'
import { body } from '../../src/netlink/message.ts'
import type { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { NETLINK_NETFILTER, NetlinkSocket } from '../../src/netlink/socket.ts'

const NFNL_SUBSYS_CTNETLINK = 1
const IPCTNL_MSG_CT_DELETE = 2

/** struct nfgenmsg */
const requestLayout = body(struct({ family: u8, version: u8, resId: be16 }), attrs({}))

/** Forgets all connections of one family, so that the next packet of each is a new one. Throws NetlinkError. */
export async function forgetConnections(namespace: NetworkNamespace, family: Family): Promise<void> {
  const socket = namespace.run(() => new NetlinkSocket(NETLINK_NETFILTER))
  try {
    await socket.request(
      'IPCTNL_MSG_CT_DELETE',
      (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE,
      0,
      requestLayout,
      {
        // Since Linux 5.3 the family counts if the version is not 0.
        header: { family: family === 'IPv4' ? AF_INET : AF_INET6, version: 1, resId: 0 },
        attributes: {},
      },
    )
  } finally {
    socket.close()
  }
}
