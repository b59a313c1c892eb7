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
  flowStatus,
  flowText,
  flowZone,
  nfgenmsg,
  tupleLayout,
} from './flow.ts'
import type { AF_INET, AF_INET6 } from './inet.ts'
import { attrs, be16, be32, bytes, type Codec, u32, u8 } from './layout.ts'
import { body, NLM_F_ACK, NLM_F_REQUEST, writeMessage } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

const NFNL_SUBSYS_CTNETLINK = 1
const IPCTNL_MSG_CT_NEW = NFNL_SUBSYS_CTNETLINK << 8
const IPCTNL_MSG_CT_GET = (NFNL_SUBSYS_CTNETLINK << 8) | 1
const IPCTNL_MSG_CT_DELETE = (NFNL_SUBSYS_CTNETLINK << 8) | 2

/** enum ip_conntrack_status: the flow is in a flow table; its packets meet no rule. */
export const IPS_OFFLOAD = 1 << 14

/** net/netfilter/nf_internals.h; no header for programs has it. */
const CTA_FILTER_F_CTA_PROTO_NUM = 1 << 3

/** A request for the entries of one protocol. Kernels before 5.8 do not know the filter and list all. */
const listLayout = body(
  nfgenmsg,
  attrs({
    original: [1, attrs({ proto: [2, attrs({ num: [1, u8] })] }), '?'],
    status: [3, be32, '?'],
    filter: [25, attrs({ originalFlags: [1, u32] }), '?'],
    statusMask: [26, be32, '?'], // where the kernel does not know it, nothing is filtered
  }),
)

/** How many flows there are of one family (AF_INET, AF_INET6) and IP protocol. */
export type FlowCount = { readonly family: number; readonly protocol: number; readonly count: number }

/**
 * Names one entry. Its ID alone does not tell it from a later one: the kernel may give that the same place in memory.
 * But if that one leads elsewhere, its reply direction is another.
 */
const deletionLayout = body(nfgenmsg, attrs({ reply: [2, tupleLayout], id: [12, be32, '?'], zone: [18, be16, '?'] }))

/** A change of an entry: of its labels those that the mask has. */
const labelsLayout = body(
  nfgenmsg,
  attrs({ original: [1, tupleLayout], zone: [18, be16, '?'], labels: [22, bytes], labelsMask: [23, bytes] }),
)

/** Of the labels of an entry. */
const labelsBytes = 16

/** How often a listing that changes interrupt is started again before one with gaps has to do. */
const listAttempts = 5

/** So many that the refusals of all fit into the socket's queue. */
const requestsPerWrite = 1000

/**
 * Looks at a flow: the socket that its first packet was sent to, the one that answers (both as `packSocket` writes
 * them, and equal unless the destination is translated), its conntrack zone, and whether it is in a flow table.
 */
export type FlowTest = (destination: string, answerer: string, zone: number, isOffloaded: boolean) => boolean

/** The flows with all these status bits, counted. Changes may interrupt the listing: the counts are of about now. Throws NetlinkError. */
export async function countFlows(socket: NetlinkSocket, status: number): Promise<readonly FlowCount[]> {
  const counts = new Map<string, FlowCount>()
  const request = { header: { family: 0, version: 0, resId: 0 }, attributes: withStatus(status) }
  await socket.dumpEach('IPCTNL_MSG_CT_GET', IPCTNL_MSG_CT_GET, listLayout, request, {
    attempts: 1,
    onStart: () => {},
    onMessage({ payload }) {
      if ((flowStatus(payload) & status) !== status) return
      const [family, protocol] = [payload.readUInt8(0), flowProtocol(payload)]
      const key = `${family} ${protocol}`
      counts.set(key, { family, protocol, count: (counts.get(key)?.count ?? 0) + 1 })
    },
  })
  return [...counts.values()]
}

/**
 * The flows of one family and IP protocol that pass a test, of those with the status bits that are asked for. `isWhole` is false when changes interrupted each listing:
 * then some may be missing. Throws NetlinkError.
 */
export async function findFlows(
  socket: NetlinkSocket,
  family: typeof AF_INET | typeof AF_INET6,
  protocol: number,
  isWanted: FlowTest,
  status = 0,
): Promise<{ readonly flows: readonly Flow[]; readonly isWhole: boolean }> {
  const request = {
    header: { family, version: 0, resId: 0 },
    attributes: {
      original: { proto: { num: protocol } },
      filter: { originalFlags: CTA_FILTER_F_CTA_PROTO_NUM },
      ...withStatus(status),
    },
  }
  let flows: Flow[] = []
  const isWhole = await socket.dumpEach('IPCTNL_MSG_CT_GET', IPCTNL_MSG_CT_GET, listLayout, request, {
    attempts: listAttempts,
    onStart: () => {
      flows = []
    },
    onMessage({ payload }) {
      const found = flowStatus(payload)
      if (flowProtocol(payload) !== protocol || (found & status) !== status) return
      const isOffloaded = (found & IPS_OFFLOAD) !== 0
      if (!isWanted(flowDestination(payload), flowAnswerer(payload), flowZone(payload), isOffloaded)) return
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
  for (let from = 0; from < flows.length; from += requestsPerWrite) {
    const some = flows.slice(from, from + requestsPerWrite)
    const refusals = await requestAtOnce(socket, 'IPCTNL_MSG_CT_DELETE', IPCTNL_MSG_CT_DELETE, deletionLayout, some)
    deleted += some.length - refusals.length
    failure ??= refusals.find(({ errno }) => errno !== 'ENOENT')
  }
  return { deleted, failure }
}

/** Takes a label, 0 to 127, from flows; those that are gone are passed over. Throws NetlinkError (ENOSPC, EOPNOTSUPP: no labels). */
export async function clearLabel(socket: NetlinkSocket, flows: readonly Flow[], bit: number): Promise<void> {
  const labels = new Uint8Array(labelsBytes)
  const labelsMask = labels.with(bit >> 3, 1 << (bit & 7))
  for (let from = 0; from < flows.length; from += requestsPerWrite) {
    const some = flows.slice(from, from + requestsPerWrite).map(({ header, attributes: { original, zone } }) => ({
      header,
      attributes: { original, zone, labels, labelsMask },
    }))
    const refusals = await requestAtOnce(socket, 'IPCTNL_MSG_CT_NEW', IPCTNL_MSG_CT_NEW, labelsLayout, some)
    const refusal = refusals.find(({ errno }) => errno !== 'ENOENT')
    if (refusal !== undefined) throw refusal
  }
}

/** One write for all. Returns the refusals. */
async function requestAtOnce<T extends Pick<Flow, 'header'>>(
  socket: NetlinkSocket,
  name: string,
  type: number,
  layout: Codec<T>,
  flows: readonly (T & NamedFlow)[],
): Promise<readonly NetlinkError[]> {
  const writer = new ByteWriter()
  const bySeq = new Map<number, NamedFlow>()
  let seq = 0
  for (const [index, flow] of flows.entries()) {
    seq = socket.nextSeq()
    bySeq.set(seq, flow)
    const flags = NLM_F_REQUEST | (index === flows.length - 1 ? NLM_F_ACK : 0)
    writeMessage(writer, type, flags, seq, layout, flow)
  }
  return socket.transact(writer.copy(), seq, (refused) => {
    const flow = bySeq.get(refused)
    return flow === undefined ? name : `${name} ${flowText(flow)}`
  })
}

/** What `flowText` names a flow by. */
type NamedFlow = Parameters<typeof flowText>[0]

function withStatus(status: number): { readonly status?: number; readonly statusMask?: number } {
  return status === 0 ? {} : { status, statusMask: status }
}
