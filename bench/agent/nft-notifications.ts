import { closeSync, read } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { NETLINK_NETFILTER } from '../../src/netlink/socket.ts'
import {
  AF_NETLINK,
  setSocketOption,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
  syscall,
} from '../../src/netlink/syscalls.ts'
import { monotonicMs } from '../monotonic.ts'

const NETLINK_ADD_MEMBERSHIP = 1
const SO_RCVTIMEO = 20
const SO_RCVBUFFORCE = 33
/** enum nfnetlink_groups, include/uapi/linux/netfilter/nfnetlink.h */
const NFNLGRP_NFTABLES = 7

const receiveBufferBytes = 1 << 26
/** How long a read waits; closing takes so long at most. */
const readTimeoutMs = 100

const readAsync = promisify(read)

/**
 * What nf_tables notifies of, with the time. The kernel notifies as the last step of a commit. A blocking read on Node's
 * thread pool waits for it, so times are exact to a fraction of a millisecond while this process is idle.
 */
export class NftNotifications {
  readonly #fd: number
  readonly #received: { readonly atMs: number; readonly bytes: Buffer }[] = []
  readonly #done: Promise<void>
  #isClosed = false

  /** Listens in the network namespace of the calling thread. Throws NetlinkError. */
  constructor() {
    this.#fd = syscall('socket', AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)
    const address = Buffer.alloc(12) // struct sockaddr_nl
    address.writeUInt16LE(AF_NETLINK)
    syscall('bind', this.#fd, address, address.length)
    setSocketOption(this.#fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
    setSocketOption(this.#fd, SOL_SOCKET, SO_RCVBUFFORCE, receiveBufferBytes)
    const timeout = Buffer.alloc(16) // struct timeval
    timeout.writeBigInt64LE(BigInt(readTimeoutMs * 1000), 8)
    syscall('setsockopt', this.#fd, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length)
    this.#done = this.#receive()
  }

  /** When bytes were first notified of, at `sinceMs` or later. */
  firstMention(bytes: Buffer, sinceMs: number): number | undefined {
    let [low, high] = [0, this.#received.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#received[middle]?.atMs ?? 0) < sinceMs) low = middle + 1
      else high = middle
    }
    for (let index = low; index < this.#received.length; index++) {
      const notification = this.#received[index]
      if (notification?.bytes.includes(bytes) === true) return notification.atMs
    }
    return undefined
  }

  /** As `firstMention`, and waits for it; undefined when it does not come in time. */
  async mention(bytes: Buffer, sinceMs: number, patienceMs: number): Promise<number | undefined> {
    for (const endMs = monotonicMs() + patienceMs; monotonicMs() < endMs; await sleep(2)) {
      const atMs = this.firstMention(bytes, sinceMs)
      if (atMs !== undefined) return atMs
    }
    return undefined
  }

  /** Forgets what was received. */
  clear(): void {
    this.#received.length = 0
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#done
    closeSync(this.#fd)
  }

  async #receive(): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(1 << 16)
    while (!this.#isClosed) {
      try {
        const { bytesRead } = await readAsync(this.#fd, buffer, 0, buffer.length, null)
        this.#received.push({ atMs: monotonicMs(), bytes: Buffer.from(buffer.subarray(0, bytesRead)) })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      }
    }
  }
}
