import { countFlows, type FlowCount, IPS_OFFLOAD } from '../netlink/conntrack.ts'
import { type Link, listLinks } from '../netlink/link.ts'
import { NetlinkMonitor, RTNLGRP_LINK } from '../netlink/monitor.ts'
import { NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from '../netlink/socket.ts'
import { NftConnection } from '../nft/connection.ts'
import { listFlowtables, type PlacedFlowtable, readTable } from '../nft/dump.ts'
import type { TableContents, TableRef } from '../nft/objects.ts'
import type { Operation } from '../nft/transaction.ts'

/** What the fast path asks of the kernel. All throw NetlinkError. */
export type FastpathKernel = {
  /** Commits one transaction atomically; throws TransactionError. */
  readonly commit: (operations: readonly Operation[]) => Promise<unknown>
  readonly links: () => Promise<readonly Link[]>
  /** Whether any link changed since the last time. Never waits. */
  readonly hasLinkNews: () => boolean
  /** Those of everybody. */
  readonly flowtables: () => Promise<readonly PlacedFlowtable[]>
  /** Undefined when there is no such table. */
  readonly readTable: (table: TableRef) => Promise<TableContents | undefined>
  /** The flows that are in a flow table now. */
  readonly offloadedFlows: () => Promise<readonly FlowCount[]>
  readonly close: () => void
}

/** Connections of its own, in the network namespace of the calling thread. Throws NetlinkError. */
export function openFastpathKernel(): FastpathKernel {
  const opened: { close: () => void }[] = []
  const open = <T extends { close: () => void }>(make: () => T): T => {
    const made = make()
    opened.push(made)
    return made
  }
  const close = (): void => {
    for (const each of opened) each.close()
  }
  try {
    const connection = open(() => new NftConnection())
    const route = open(() => new NetlinkSocket(NETLINK_ROUTE))
    const conntrack = open(() => new NetlinkSocket(NETLINK_NETFILTER))
    const monitor = open(() => new NetlinkMonitor(NETLINK_ROUTE, [RTNLGRP_LINK]))
    return {
      commit: (operations) => connection.commit(operations),
      links: () => listLinks(route),
      hasLinkNews: () => monitor.hasNews(),
      flowtables: () => listFlowtables(connection),
      readTable: (table) => readTable(connection, table),
      offloadedFlows: () => countFlows(conntrack, IPS_OFFLOAD),
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}
