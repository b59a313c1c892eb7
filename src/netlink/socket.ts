import { closeSync, read, readSync, write } from 'node:fs'
import { promisify } from 'node:util'
import { refusal } from './ack.ts'
import { ByteWriter } from './bytes.ts'
import { NetlinkError } from './errors.ts'
import type { Codec } from './layout.ts'
import {
  type Message,
  messages,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  writeMessage,
} from './message.ts'
import {
  AF_NETLINK,
  setSocketOption,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
  syscall,
} from './syscalls.ts'

export const NETLINK_ROUTE = 0
export const NETLINK_NETFILTER = 12

const SO_RCVBUFFORCE = 33
const SO_SNDBUFFORCE = 32
const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11

/** How often a dump that the kernel calls inconsistent (NLM_F_DUMP_INTR) is started again. */
const dumpAttempts = 10

/** What becomes of the messages of a dump, which may be started more than once. */
export type DumpHandling = {
  readonly attempts: number
  /** Called before each attempt: what earlier ones brought does not count. */
  readonly onStart: () => void
  readonly onMessage: (message: Message) => void
}

const readAsync = promisify(read)
const writeAsync = promisify(write)

/**
 * A netlink socket of the network namespace that the calling thread is in when it is opened.
 *
 * The kernel handles a request inside the `write` that brings it, so answers are waiting when `write` returns;
 * the socket is non-blocking and an empty queue is an error, never a wait. Work is done one request at a time,
 * in the order of the calls. Writes and dumps run on Node's thread pool: a commit of seconds holds up no timer.
 */
export class NetlinkSocket {
  readonly #fd: number
  readonly #receiveBuffer = Buffer.allocUnsafeSlow(1 << 16)
  #seq = 0
  #queue: Promise<unknown> = Promise.resolve()
  #sendBufferBytes = 0
  #isClosed = false

  /** Throws NetlinkError (EPROTONOSUPPORT: not in this kernel). */
  constructor(protocol: number) {
    this.#fd = openSocket(protocol)
    try {
      setSocketOption(this.#fd, SOL_NETLINK, NETLINK_EXT_ACK, 1)
      setSocketOption(this.#fd, SOL_NETLINK, NETLINK_CAP_ACK, 1)
    } catch (error) {
      closeSync(this.#fd)
      throw error
    }
  }

  /** The sequence number for the next message. */
  nextSeq(): number {
    this.#seq = (this.#seq + 1) >>> 0 || 1
    return this.#seq
  }

  /** Sends one request and waits for its acknowledgement. Throws NetlinkError. */
  async request<T>(operation: string, type: number, flags: number, codec: Codec<T>, value: T): Promise<void> {
    await this.#exclusively(async () => {
      const seq = this.nextSeq()
      await this.#send(oneMessage(type, flags | NLM_F_REQUEST | NLM_F_ACK, seq, codec, value))
      for (const message of this.#receiveWaiting()) {
        if (message.seq !== seq || message.type !== NLMSG_ERROR) continue
        const error = refusal(message, operation)
        if (error !== undefined) throw error
        return
      }
      throw new NetlinkError(operation, 'ENOMSG', { kernelMessage: 'the kernel sent no answer' })
    })
  }

  /** Sends one request that is answered by one message and an acknowledgement; returns what `decode` makes of it. Throws NetlinkError. */
  async get<T, R>(
    operation: string,
    type: number,
    codec: Codec<T>,
    value: T,
    decode: (message: Message) => R,
  ): Promise<R> {
    return this.#exclusively(async () => {
      const seq = this.nextSeq()
      await this.#send(oneMessage(type, NLM_F_REQUEST, seq, codec, value))
      for (const message of this.#receiveWaiting()) {
        if (message.seq !== seq) continue
        if (message.type !== NLMSG_ERROR) return decode(message)
        const error = refusal(message, operation)
        if (error !== undefined) throw error
      }
      throw new NetlinkError(operation, 'ENOMSG', { kernelMessage: 'the kernel sent no answer' })
    })
  }

  /**
   * Sends one dump request and returns what `decode` makes of each message, in order.
   * A dump that the kernel marks as interrupted is started again. Throws NetlinkError.
   */
  async dump<T, R>(
    operation: string,
    type: number,
    codec: Codec<T>,
    value: T,
    decode: (message: Message) => R,
  ): Promise<R[]> {
    let results: R[] = []
    const isWhole = await this.dumpEach(operation, type, codec, value, {
      attempts: dumpAttempts,
      onStart: () => {
        results = []
      },
      onMessage: (message) => results.push(decode(message)),
    })
    if (isWhole) return results
    throw new NetlinkError(operation, 'EINTR', { kernelMessage: `interrupted ${dumpAttempts} times by changes` })
  }

  /**
   * Sends one dump request and hands over each message, in order. A dump that the kernel marks as interrupted is started
   * again, at once. Returns whether the last attempt was whole: an interrupted one may lack messages. Throws NetlinkError.
   */
  async dumpEach<T>(
    operation: string,
    type: number,
    codec: Codec<T>,
    value: T,
    { attempts, onStart, onMessage }: DumpHandling,
  ): Promise<boolean> {
    return this.#exclusively(async () => {
      for (let attempt = 1; attempt <= attempts; attempt++) {
        onStart()
        if (await this.#dumpOnce(operation, type, codec, value, onMessage)) return true
      }
      return false
    })
  }

  /**
   * Sends bytes that hold any number of requests in one `write` and returns all answers that are refusals.
   * `operation` names a refused message by its sequence number. Throws NetlinkError when the write itself fails,
   * or when message `ackSeq` was neither acknowledged nor anything refused.
   */
  async transact(batch: Buffer, ackSeq: number, operation: (seq: number) => string): Promise<NetlinkError[]> {
    return this.#exclusively(async () => {
      await this.#send(batch)
      const refusals: NetlinkError[] = []
      let isAcknowledged = false
      for (const message of this.#receiveWaiting()) {
        if (message.type !== NLMSG_ERROR) continue
        const error = refusal(message, operation(message.seq))
        if (error !== undefined) refusals.push(error)
        else if (message.seq === ackSeq) isAcknowledged = true
      }
      if (refusals.length === 0 && !isAcknowledged) {
        throw new NetlinkError('batch', 'ENOMSG', { kernelMessage: 'the kernel sent no answer' })
      }
      return refusals
    })
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    closeSync(this.#fd)
  }

  /** Returns false when the dump was interrupted. */
  async #dumpOnce<T>(
    operation: string,
    type: number,
    codec: Codec<T>,
    value: T,
    onMessage: (message: Message) => void,
  ): Promise<boolean> {
    const seq = this.nextSeq()
    await this.#send(oneMessage(type, NLM_F_REQUEST | NLM_F_DUMP, seq, codec, value))
    let isInterrupted = false
    let decodeFailure: { readonly error: unknown } | undefined
    for (;;) {
      const { bytesRead } = await readAsync(this.#fd, this.#receiveBuffer, 0, this.#receiveBuffer.length, null).catch(
        (error: unknown) => {
          throw systemError('read', error)
        },
      )
      for (const message of messages(this.#receiveBuffer.subarray(0, bytesRead))) {
        if (message.seq !== seq) continue
        if ((message.flags & NLM_F_DUMP_INTR) !== 0) isInterrupted = true
        if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
          const error = message.payload.length >= 4 ? refusal(withHeader(message), operation) : undefined
          if (decodeFailure !== undefined) throw decodeFailure.error
          if (error === undefined || error.errno === 'EINTR') return !isInterrupted && error === undefined
          throw error
        }
        if (decodeFailure !== undefined) continue
        try {
          onMessage(message)
        } catch (error) {
          // The kernel refuses the next dump (EBUSY) until this one is read to its end.
          decodeFailure = { error }
        }
      }
    }
  }

  async #send(bytes: Buffer): Promise<void> {
    if (this.#isClosed) throw new NetlinkError('write', 'EBADF', { kernelMessage: 'the socket is closed' })
    if (bytes.length > this.#sendBufferBytes) this.#growSendBuffer(bytes.length)
    try {
      await writeAsync(this.#fd, bytes, 0, bytes.length, null)
    } catch (error) {
      throw systemError('write', error)
    }
  }

  /** A message must fit into the send buffer whole (else EMSGSIZE). CAP_NET_ADMIN may exceed net.core.wmem_max. */
  #growSendBuffer(byteCount: number): void {
    const wanted = Math.max(1 << 20, byteCount + 4096)
    try {
      setSocketOption(this.#fd, SOL_SOCKET, SO_SNDBUFFORCE, wanted)
      setSocketOption(this.#fd, SOL_SOCKET, SO_RCVBUFFORCE, Math.max(1 << 22, wanted >> 2))
    } catch (error) {
      // Without CAP_NET_ADMIN the default has to do; a request that is too long is then refused by `write`.
      if (!(error instanceof NetlinkError && error.errno === 'EPERM')) throw error
    }
    this.#sendBufferBytes = wanted
  }

  /** The messages that are waiting now; when there were too many for the queue (ENOBUFS), the first of them. */
  *#receiveWaiting(): Generator<Message> {
    for (;;) {
      let byteCount: number
      try {
        byteCount = readSync(this.#fd, this.#receiveBuffer)
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'EAGAIN') return
        if (code === 'ENOBUFS') continue
        throw systemError('read', error)
      }
      yield* messages(this.#receiveBuffer.subarray(0, byteCount))
    }
  }

  /** Runs one exchange after the other: answers are told apart by sequence number, but the queue is shared. */
  #exclusively<R>(exchange: () => Promise<R>): Promise<R> {
    const result = this.#queue.then(exchange)
    this.#queue = result.catch(() => {})
    return result
  }
}

/** A non-blocking netlink socket with a port ID of its own, as a file descriptor. Throws NetlinkError. */
export function openSocket(protocol: number): number {
  const fd = syscall('socket', AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol)
  try {
    const address = Buffer.alloc(12) // struct sockaddr_nl with nl_pid 0: the kernel chooses the port ID
    address.writeUInt16LE(AF_NETLINK)
    syscall('bind', fd, address, address.length)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function oneMessage<T>(type: number, flags: number, seq: number, codec: Codec<T>, value: T): Buffer {
  const writer = new ByteWriter(256)
  writeMessage(writer, type, flags, seq, codec, value)
  return writer.view()
}

/** NLMSG_DONE carries the dump's error number alone; padded, it reads like an NLMSG_ERROR without a request. */
function withHeader(message: Message): Message {
  if (message.type === NLMSG_ERROR) return message
  return { ...message, flags: 0, payload: Buffer.concat([message.payload.subarray(0, 4), Buffer.alloc(16)]) }
}

function systemError(syscallName: string, error: unknown): NetlinkError {
  return new NetlinkError(syscallName, (error as NodeJS.ErrnoException).code ?? 'unknown', {}, { cause: error })
}
