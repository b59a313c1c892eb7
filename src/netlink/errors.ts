import { constants } from 'node:os'
import { hexdump } from './hexdump.ts'

/** A system call or a netlink request that the kernel refused. */
export class NetlinkError extends Error {
  readonly code = 'ERR_NETLINK'
  /** The system call (`socket`, `write`) or the message type (`RTM_NEWLINK`). */
  readonly operation: string
  /** The errno by name, for example `ENOENT`. */
  readonly errno: string
  /** The kernel's own sentence (extended ack, NLMSGERR_ATTR_MSG), when it gave one. */
  readonly kernelMessage: string | undefined
  /** Offset in bytes, from the start of the refused message, of the attribute that the kernel disliked. */
  readonly offset: number | undefined
  /** Sequence number of the refused message. */
  readonly seq: number | undefined

  constructor(
    operation: string,
    errno: string,
    details: { kernelMessage?: string | undefined; offset?: number | undefined; seq?: number | undefined } = {},
    options?: ErrorOptions,
  ) {
    super(`${operation}: ${errno}${details.kernelMessage === undefined ? '' : ` (${details.kernelMessage})`}`, options)
    this.name = 'NetlinkError'
    this.operation = operation
    this.errno = errno
    this.kernelMessage = details.kernelMessage
    this.offset = details.offset
    this.seq = details.seq
  }
}

/** Bytes from the kernel that do not have the declared layout; carries the bytes around the place. */
export class DecodeError extends Error {
  readonly code = 'ERR_DECODE'
  /** Offset in bytes from the start of the buffer that was decoded. */
  readonly offset: number
  /** The 64 bytes around `offset`. */
  readonly dump: string

  constructor(expected: string, buffer: Uint8Array, offset: number) {
    const start = Math.max(0, (offset & ~15) - 16)
    const dump = hexdump(buffer.subarray(start, start + 64), start)
    super(`expected ${expected} at offset ${offset}\n${dump}`)
    this.name = 'DecodeError'
    this.offset = offset
    this.dump = dump
  }
}

/** The name of an errno number (`2` -> `ENOENT`). */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`
}

/** The names, first spelling first, so that 11 is EAGAIN and not EWOULDBLOCK; 95 is the kernel's EOPNOTSUPP. */
const names = new Map<number, string>()
for (const [name, value] of Object.entries(constants.errno)) if (!names.has(value)) names.set(value, name)
names.set(constants.errno.EOPNOTSUPP, 'EOPNOTSUPP')
