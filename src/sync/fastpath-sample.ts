import { type FastpathCounters, fastpathCounters } from '../dataplane/fastpath.ts'
import { fastpathTableRef } from '../dataplane/names.ts'
import type { Family } from '../model/ip.ts'
import { AF_INET, AF_INET6 } from '../netlink/inet.ts'
import type { FastpathKernel } from './fastpath-kernel.ts'
import type { FlowProtocol } from './flow-frontends.ts'

/** What the kernel counts. */
export type FastpathSample = {
  readonly counters: FastpathCounters | undefined
  /** The flows that are in a flow table now. */
  readonly flows: readonly { readonly family: Family; readonly protocol: FlowProtocol; readonly count: number }[]
}

/** What a flow table can hold, by the numbers that connection tracking has for it. */
const sampledFlows = [
  { family: 'IPv4', protocol: 'tcp', key: `${AF_INET} 6` },
  { family: 'IPv4', protocol: 'udp', key: `${AF_INET} 17` },
  { family: 'IPv6', protocol: 'tcp', key: `${AF_INET6} 6` },
  { family: 'IPv6', protocol: 'udp', key: `${AF_INET6} 17` },
] as const

/** Throws NetlinkError. */
export async function sampleFastpath(
  kernel: Pick<FastpathKernel, 'readTable' | 'offloadedFlows'>,
): Promise<FastpathSample> {
  const table = await kernel.readTable(fastpathTableRef)
  const found = await kernel.offloadedFlows()
  const flows = sampledFlows.map(({ family, protocol, key }) => {
    const count = found.find((each) => `${each.family} ${each.protocol}` === key)?.count ?? 0
    return { family, protocol, count }
  })
  return { counters: table && fastpathCounters(table.rules), flows }
}
