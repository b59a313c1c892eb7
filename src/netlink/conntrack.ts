/*
 * The flows that the kernel tracks, over ctnetlink: include/uapi/linux/netfilter/nfnetlink_conntrack.h.
 * All functions take a NETLINK_NETFILTER socket and work in the network namespace that it was opened in.
 */
import { ByteWriter } from './bytes.ts'
import type { NetlinkError } from './errors.ts'
import {
  type Flow,
  flowAnswerer,
  flowDestination,
  flowLayout,
  flowProtocol,
  flowText,
  flowZone,
  nfgenmsg,
  tupleLayout,
} from './flow.ts'
import type { AF_INET, AF_INET6 } from './inet.ts'
import { attrs, be16, be32, u32, u8 } from './layout.ts'
import { body, NLM_F_ACK, NLM_F_REQUEST, writeMessage } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

const NFNL_SUBSYS_CTNETLINK = 1
const IPCTNL_MSG_CT_GET = (NFNL_SUBSYS_CTNETLINK << 8) | 1
const IPCTNL_MSG_CT_DELETE = (NFNL_SUBSYS_CTNETLINK << 8) | 2

/** net/netfilter/nf_internals.h; no header for programs has it. */
const CTA_FILTER_F_CTA_PROTO_NUM = 1 << 3

/** A request for the entries of one protocol. Kernels before 5.8 do not know the filter and list all. */
const listLayout = body(
  nfgenmsg,
  attrs({
    original: [1, attrs({ proto: [2, attrs({ num: [1, u8] })] })],
    filter: [25, attrs({ originalFlags: [1, u32] })],
  }),
)

/**
 * Names one entry. Its ID alone does not tell it from a later one: the kernel may give that the same place in memory.
 * But if that one leads elsewhere, its reply direction is another.
 */
const deletionLayout = body(nfgenmsg, attrs({ reply: [2, tupleLayout], id: [12, be32, '?'], zone: [18, be16, '?'] }))

/** How often a listing that changes interrupt is started again before one with gaps has to do. */
const listAttempts = 5

/** So many that the refusals of all fit into the socket's queue. */
const deletionsPerWrite = 1000

/**
 * Looks at a flow: the socket that its first packet was sent to, the one that answers (both as `packSocket` writes
 * them, and equal unless the destination is translated), and its conntrack zone.
 */
export type FlowTest = (destination: string, answerer: string, zone: number) => boolean

/**
 * The flows of one family and IP protocol that pass a test. `isWhole` is false when changes interrupted each listing:
 * then some may be missing. Throws NetlinkError.
 */
export async function findFlows(
  socket: NetlinkSocket,
  family: typeof AF_INET | typeof AF_INET6,
  protocol: number,
  isWanted: FlowTest,
): Promise<{ readonly flows: readonly Flow[]; readonly isWhole: boolean }> {
  const request = {
    header: { family, version: 0, resId: 0 },
    attributes: { original: { proto: { num: protocol } }, filter: { originalFlags: CTA_FILTER_F_CTA_PROTO_NUM } },
  }
  let flows: Flow[] = []
  const isWhole = await socket.dumpEach('IPCTNL_MSG_CT_GET', IPCTNL_MSG_CT_GET, listLayout, request, {
    attempts: listAttempts,
    onStart: () => {
      flows = []
    },
    onMessage({ payload }) {
      if (flowProtocol(payload) !== protocol) return
      if (!isWanted(flowDestination(payload), flowAnswerer(payload), flowZone(payload))) return
      flows.push(flowLayout.read(payload, 0, payload.length))
    },
  })
  return { flows, isWhole }
}

/**
 * Deletes flows; those that are gone, or were replaced by others that lead elsewhere, are passed over. Returns how many
 * were deleted, and the first refusal that says anything else. Throws NetlinkError when nothing can be sent.
 */
export async function deleteFlows(
  socket: NetlinkSocket,
  flows: readonly Flow[],
): Promise<{ readonly deleted: number; readonly failure: NetlinkError | undefined }> {
  let deleted = 0
  let failure: NetlinkError | undefined
  for (let from = 0; from < flows.length; from += deletionsPerWrite) {
    const some = flows.slice(from, from + deletionsPerWrite)
    const refusals = await deleteAtOnce(socket, some)
    deleted += some.length - refusals.length
    failure ??= refusals.find(({ errno }) => errno !== 'ENOENT')
  }
  return { deleted, failure }
}

/** One write for all. Returns the refusals. */
async function deleteAtOnce(socket: NetlinkSocket, flows: readonly Flow[]): Promise<readonly NetlinkError[]> {
  const writer = new ByteWriter()
  const bySeq = new Map<number, Flow>()
  let seq = 0
  for (const [index, flow] of flows.entries()) {
    seq = socket.nextSeq()
    bySeq.set(seq, flow)
    const flags = NLM_F_REQUEST | (index === flows.length - 1 ? NLM_F_ACK : 0)
    writeMessage(writer, IPCTNL_MSG_CT_DELETE, flags, seq, deletionLayout, flow)
  }
  return socket.transact(writer.copy(), seq, (refused) => {
    const flow = bySeq.get(refused)
    return `IPCTNL_MSG_CT_DELETE${flow === undefined ? '' : ` ${flowText(flow)}`}`
  })
}
