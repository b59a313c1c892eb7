/* Flows for tests, made in the kernel as conntrackd makes them. */
import { ByteWriter } from '../../src/netlink/bytes.ts'
import { type Flow, flowLayout } from '../../src/netlink/flow.ts'
import { AF_INET, AF_INET6 } from '../../src/netlink/inet.ts'
import { NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, writeMessage } from '../../src/netlink/message.ts'
import type { NetlinkSocket } from '../../src/netlink/socket.ts'

const IPCTNL_MSG_CT_NEW = 1 << 8

export const IPPROTO_TCP = 6
export const IPPROTO_UDP = 17
export const IPPROTO_SCTP = 132

/** A flow from a client to a destination, answered by `answerer`: the destination unless said otherwise. */
export type FlowPlan = {
  readonly protocol?: number
  readonly client: readonly [address: string, port: number]
  readonly destination: readonly [address: string, port: number]
  readonly answerer?: readonly [address: string, port: number]
  readonly zone?: number
}

export function flow({ protocol = IPPROTO_UDP, client, destination, answerer = destination, zone }: FlowPlan): Flow {
  return {
    header: { family: client[0].includes(':') ? AF_INET6 : AF_INET, version: 0, resId: 0 },
    attributes: {
      original: tuple(protocol, client, destination),
      reply: tuple(protocol, answerer, client),
      timeout: 600,
      ...(zone !== undefined && { zone }),
    },
  }
}

/** Makes entries without a packet. Throws NetlinkError (EEXIST). */
export async function createFlows(socket: NetlinkSocket, flows: readonly Flow[]): Promise<void> {
  const atOnce = 1000
  for (let from = 0; from < flows.length; from += atOnce) {
    const writer = new ByteWriter()
    let seq = 0
    for (const one of flows.slice(from, from + atOnce)) {
      seq = socket.nextSeq()
      writeMessage(
        writer,
        IPCTNL_MSG_CT_NEW,
        NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK,
        seq,
        flowLayout,
        one,
      )
    }
    const [refusal] = await socket.transact(writer.copy(), seq, () => 'IPCTNL_MSG_CT_NEW')
    if (refusal !== undefined) throw refusal
  }
}

type Tuple = Flow['attributes']['original']

function tuple(num: number, [src, srcPort]: FlowPlan['client'], [dst, dstPort]: FlowPlan['client']): Tuple {
  const ip = src.includes(':') ? { v6Src: src, v6Dst: dst } : { v4Src: src, v4Dst: dst }
  return { ip, proto: { num, srcPort, dstPort } }
}
