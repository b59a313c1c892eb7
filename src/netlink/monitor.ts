import { closeSync, readSync } from 'node:fs'
import { NetlinkError } from './errors.ts'
import { openSocket } from './socket.ts'
import { setSocketOption, SOL_NETLINK } from './syscalls.ts'

/** enum rtnetlink_groups, include/uapi/linux/rtnetlink.h */
export const RTNLGRP_LINK = 1
export const RTNLGRP_IPV4_IFADDR = 5
export const RTNLGRP_IPV6_IFADDR = 9

const NETLINK_ADD_MEMBERSHIP = 1

/** A subscription to the kernel's notifications; it says that there were some, not which: who asks looks for himself. */
export class NetlinkMonitor {
  readonly #fd: number
  readonly #buffer = Buffer.allocUnsafeSlow(1 << 16)

  /** Subscribes in the network namespace of the calling thread. Throws NetlinkError. */
  constructor(protocol: number, groups: readonly number[]) {
    this.#fd = openSocket(protocol)
    try {
      for (const group of groups) setSocketOption(this.#fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
    } catch (error) {
      closeSync(this.#fd)
      throw error
    }
  }

  /** Whether anything was notified, or lost (ENOBUFS), since the last time. Never waits. Throws NetlinkError. */
  hasNews(): boolean {
    let hasNews = false
    for (;;) {
      try {
        readSync(this.#fd, this.#buffer)
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'EAGAIN') return hasNews
        if (code !== 'ENOBUFS') throw new NetlinkError('read', code ?? 'unknown', {}, { cause: error })
      }
      hasNews = true
    }
  }

  close(): void {
    closeSync(this.#fd)
  }
}
