/*
 * Messages: struct nlmsghdr, include/uapi/linux/netlink.h
 *
 *   | nlmsg_len u32 | nlmsg_type u16 | nlmsg_flags u16 | nlmsg_seq u32 | nlmsg_pid u32 | payload, padded to 4 |
 */
import type { ByteWriter } from './bytes.ts'
import { DecodeError } from './errors.ts'
import type { Codec, FixedCodec } from './layout.ts'

export const NLM_F_REQUEST = 0x1
export const NLM_F_ACK = 0x4
export const NLM_F_DUMP_INTR = 0x10
/** With a GET request: the whole table. */
export const NLM_F_DUMP = 0x300
/** With a NEW request: fail if it exists / create if it does not. */
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800

export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3

const headerBytes = 16

/** One received message; `payload` is a view that is valid until the next receive. */
export type Message = {
  readonly type: number
  readonly flags: number
  readonly seq: number
  readonly payload: Buffer
}

/** The body of a message: a fixed header of its protocol followed by attributes. */
export type Body<H, A> = { readonly header: H; readonly attributes: A }

/** A codec for a body. */
export function body<H, A>(header: FixedCodec<H>, attributes: Codec<A>): Codec<Body<H, A>> {
  const alignedSize = (header.size + 3) & ~3
  return {
    write(writer, value) {
      header.write(writer, value.header)
      writer.align4()
      attributes.write(writer, value.attributes)
    },
    read(buffer, start, end) {
      return {
        header: header.read(buffer, start, end),
        attributes: attributes.read(buffer, Math.min(start + alignedSize, end), end),
      }
    },
  }
}

/** Begins a message and returns the offset to give to `endMessage`. */
export function beginMessage(writer: ByteWriter, type: number, flags: number, seq: number): number {
  const at = writer.length
  writer.u32(0)
  writer.u16(type)
  writer.u16(flags)
  writer.u32(seq)
  writer.u32(0)
  return at
}

/** Patches the length of the message that began at `at` and pads it. */
export function endMessage(writer: ByteWriter, at: number): void {
  writer.patchU32(at, writer.length - at)
  writer.align4()
}

/** Appends one whole message. */
export function writeMessage<T>(
  writer: ByteWriter,
  type: number,
  flags: number,
  seq: number,
  codec: Codec<T>,
  value: T,
): void {
  const at = beginMessage(writer, type, flags, seq)
  codec.write(writer, value)
  endMessage(writer, at)
}

/** Splits what one receive returned into its messages. Throws DecodeError when a length does not fit. */
export function* messages(buffer: Buffer): Generator<Message> {
  let at = 0
  while (at + headerBytes <= buffer.length) {
    const length = buffer.readUInt32LE(at)
    if (length < headerBytes || at + length > buffer.length) throw new DecodeError('a message that fits', buffer, at)
    yield {
      type: buffer.readUInt16LE(at + 4),
      flags: buffer.readUInt16LE(at + 6),
      seq: buffer.readUInt32LE(at + 8),
      payload: buffer.subarray(at + headerBytes, at + length),
    }
    at += (length + 3) & ~3
  }
}
