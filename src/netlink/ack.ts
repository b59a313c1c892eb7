/*
 * NLMSG_ERROR: struct nlmsgerr and enum nlmsgerr_attrs, include/uapi/linux/netlink.h
 *
 *   | error s32 | nlmsghdr of the refused request (16 bytes) | its payload, unless NETLINK_CAP_ACK | attributes |
 */
import { DecodeError, errnoName, NetlinkError } from './errors.ts'
import { attrs, cstr, u32 } from './layout.ts'
import type { Message } from './message.ts'

const NLM_F_CAPPED = 0x100
const NLM_F_ACK_TLVS = 0x200

const errorBytes = 20

const extendedAckLayout = attrs({ message: [1, cstr, '?'], offset: [2, u32, '?'] })

/** The refusal that an NLMSG_ERROR message carries, or undefined when it is a plain acknowledgement (error 0). Throws DecodeError. */
export function refusal(message: Message, operation: string): NetlinkError | undefined {
  const { payload, flags, seq } = message
  if (payload.length < errorBytes) throw new DecodeError('struct nlmsgerr', payload, 0)
  const errno = -payload.readInt32LE(0)
  if (errno === 0) return undefined
  const requestLength = payload.readUInt32LE(4)
  const attributesAt = 4 + ((flags & NLM_F_CAPPED) === 0 ? (requestLength + 3) & ~3 : 16)
  const extended =
    (flags & NLM_F_ACK_TLVS) !== 0 && attributesAt <= payload.length
      ? extendedAckLayout.read(payload, attributesAt, payload.length)
      : {}
  return new NetlinkError(operation, errnoName(errno), {
    kernelMessage: extended.message,
    offset: extended.offset,
    seq,
  })
}
