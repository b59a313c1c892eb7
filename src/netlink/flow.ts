/*
 * Entries of conntrack as messages: IPCTNL_MSG_CT_NEW, include/uapi/linux/netfilter/nfnetlink_conntrack.h.
 *
 * The kernel remembers a flow by what its packets look like in both directions:
 *
 *   CTA_TUPLE_ORIG    10.0.0.2:5000 -> 172.30.0.41:53     as the first packet arrived
 *   CTA_TUPLE_REPLY   10.180.0.1:53 -> 10.0.0.2:5000      as an answer has to look; its source is where packets are sent
 */
import { DecodeError } from './errors.ts'
import { inetAddress } from './inet.ts'
import { attrs, be16, be32, type Infer, struct, u8 } from './layout.ts'
import { body } from './message.ts'

/** enum ctattr_type, enum ctattr_tuple, enum ctattr_ip, enum ctattr_l4proto. */
const CTA_TUPLE_ORIG = 1
const CTA_TUPLE_REPLY = 2
const CTA_STATUS = 3
const CTA_ZONE = 18
const CTA_TUPLE_IP = 1
const CTA_TUPLE_PROTO = 2
const CTA_TUPLE_ZONE = 3
const CTA_IP_V4_SRC = 1
const CTA_IP_V4_DST = 2
const CTA_IP_V6_SRC = 3
const CTA_IP_V6_DST = 4
const CTA_PROTO_NUM = 1
const CTA_PROTO_SRC_PORT = 2
const CTA_PROTO_DST_PORT = 3

/** struct nfgenmsg; its `version` and `resId` are 0 in ctnetlink. */
export const nfgenmsg = struct({ family: u8, version: u8, resId: be16 })

/** One direction of a flow. */
export const tupleLayout = attrs({
  ip: [
    CTA_TUPLE_IP,
    attrs({
      v4Src: [CTA_IP_V4_SRC, inetAddress, '?'],
      v4Dst: [CTA_IP_V4_DST, inetAddress, '?'],
      v6Src: [CTA_IP_V6_SRC, inetAddress, '?'],
      v6Dst: [CTA_IP_V6_DST, inetAddress, '?'],
    }),
  ],
  proto: [
    CTA_TUPLE_PROTO,
    attrs({ num: [CTA_PROTO_NUM, u8], srcPort: [CTA_PROTO_SRC_PORT, be16], dstPort: [CTA_PROTO_DST_PORT, be16] }),
  ],
  zone: [CTA_TUPLE_ZONE, be16, '?'], // in place of the entry's, where the two directions are not in the same zone
})

/** An entry of a protocol with ports. */
export const flowLayout = body(
  nfgenmsg,
  attrs({
    original: [CTA_TUPLE_ORIG, tupleLayout],
    reply: [CTA_TUPLE_REPLY, tupleLayout],
    timeout: [7, be32, '?'], // seconds
    id: [12, be32, '?'], // a hash of the entry's place in memory and its original direction
    zone: [CTA_ZONE, be16, '?'], // absent for 0
  }),
)
export type Flow = Infer<typeof flowLayout>

/** `10.0.0.2:5000 -> 172.30.0.41:53`: the first packet as it arrived. */
export function flowText({ attributes }: { readonly attributes: Pick<Flow['attributes'], 'original'> }): string {
  const { ip, proto } = attributes.original
  if (ip.v4Src !== undefined) return `${ip.v4Src}:${proto.srcPort} -> ${ip.v4Dst}:${proto.dstPort}`
  return `[${ip.v6Src}]:${proto.srcPort} -> [${ip.v6Dst}]:${proto.dstPort}`
}

/** An address of 4 or 16 bytes and a port in network order, one character for each byte: a key to compare and look up. */
export function packSocket(address: Uint8Array, port: number): string {
  return String.fromCharCode(...address, port >> 8, port & 0xff)
}

/*
 * A node may have hundreds of thousands of entries, of which few are of interest. What tells is read where it lies.
 * All take the payload of a message and throw DecodeError.
 */

/** IPPROTO_UDP, for example. */
export function flowProtocol(payload: Buffer): number {
  return payload.readUInt8(valueAt(payload, inside(payload, original(payload), CTA_TUPLE_PROTO), CTA_PROTO_NUM))
}

/** Bits of enum ip_conntrack_status. */
export function flowStatus(payload: Buffer): number {
  const at = attributeAt(payload, headerBytes, payload.length, CTA_STATUS)
  return at < 0 ? 0 : payload.readUInt32BE(at + attributeHeaderBytes)
}

/** The socket that the first packet was sent to, as `packSocket` writes it. */
export function flowDestination(payload: Buffer): string {
  return socketOf(payload, original(payload), CTA_IP_V4_DST, CTA_PROTO_DST_PORT)
}

/** The socket that answers: the destination, unless that is translated. */
export function flowAnswerer(payload: Buffer): string {
  const reply = required(payload, headerBytes, payload.length, CTA_TUPLE_REPLY)
  return socketOf(payload, reply, CTA_IP_V4_SRC, CTA_PROTO_SRC_PORT)
}

/** The conntrack zone of the first direction. */
export function flowZone(payload: Buffer): number {
  const at = attributeAt(payload, headerBytes, payload.length, CTA_ZONE)
  if (at >= 0) return payload.readUInt16BE(at + attributeHeaderBytes)
  const tuple = original(payload)
  const own = attributeAt(payload, tuple + attributeHeaderBytes, endOf(payload, tuple), CTA_TUPLE_ZONE)
  return own < 0 ? 0 : payload.readUInt16BE(own + attributeHeaderBytes)
}

const headerBytes = nfgenmsg.size
const attributeHeaderBytes = 4
const NLA_TYPE_MASK = 0x3fff

function original(payload: Buffer): number {
  return required(payload, headerBytes, payload.length, CTA_TUPLE_ORIG)
}

/** One end of the tuple at `tuple`. An IPv6 address has the type of the IPv4 one and two more. */
function socketOf(payload: Buffer, tuple: number, v4Type: number, portType: number): string {
  const ip = inside(payload, tuple, CTA_TUPLE_IP)
  const v4 = attributeAt(payload, ip + attributeHeaderBytes, endOf(payload, ip), v4Type)
  const address = v4 >= 0 ? v4 : inside(payload, ip, v4Type + 2)
  const port = valueAt(payload, inside(payload, tuple, CTA_TUPLE_PROTO), portType)
  const addressText = payload.toString('latin1', address + attributeHeaderBytes, endOf(payload, address))
  return addressText + payload.toString('latin1', port, port + 2)
}

/** Where the value of an attribute inside the one at `at` begins. */
function valueAt(payload: Buffer, at: number, type: number): number {
  return inside(payload, at, type) + attributeHeaderBytes
}

/** Where an attribute inside the one at `at` begins. */
function inside(payload: Buffer, at: number, type: number): number {
  return required(payload, at + attributeHeaderBytes, endOf(payload, at), type)
}

function required(payload: Buffer, start: number, end: number, type: number): number {
  const at = attributeAt(payload, start, end, type)
  if (at < 0) throw new DecodeError(`attribute ${type}`, payload, start)
  return at
}

/** Where the first attribute of a type in `payload[start..end)` begins; -1 when there is none. */
function attributeAt(payload: Buffer, start: number, end: number, type: number): number {
  let at = start
  while (at + attributeHeaderBytes <= end) {
    const next = endOf(payload, at)
    if (next < at + attributeHeaderBytes || next > end) throw new DecodeError('an attribute that fits', payload, at)
    if ((payload.readUInt16LE(at + 2) & NLA_TYPE_MASK) === type) return at
    at = (next + 3) & ~3 // headers are multiples of four long, so this is the alignment of the attributes too
  }
  return -1
}

function endOf(payload: Buffer, at: number): number {
  return at + payload.readUInt16LE(at)
}
