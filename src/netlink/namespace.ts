import { closeSync, openSync } from 'node:fs'
import { CLONE_NEWNET, syscall } from './syscalls.ts'

/**
 * A network namespace held open by a file descriptor. One that was created here lives as long as the descriptor,
 * a process, a socket or a link inside needs it, so nothing is left behind when this process dies.
 */
export class NetworkNamespace {
  readonly #fd: number
  #isClosed = false

  private constructor(fd: number) {
    this.#fd = fd
  }

  /** A new, empty namespace (its loopback is down). Needs CAP_SYS_ADMIN. Throws NetlinkError. */
  static create(): NetworkNamespace {
    return inside(
      () => syscall('unshare', CLONE_NEWNET),
      () => new NetworkNamespace(openSync(ownNamespace, 'r')),
    )
  }

  /** The namespace at a path such as `/proc/1/ns/net` or `/run/netns/blue`. */
  static open(path: string): NetworkNamespace {
    return new NetworkNamespace(openSync(path, 'r'))
  }

  /** For IFLA_NET_NS_FD. */
  get fd(): number {
    return this.#fd
  }

  /**
   * Runs `work` with the calling thread inside this namespace: sockets it opens and processes it starts belong there.
   * It must be synchronous: the thread is back in its own namespace when `run` returns.
   */
  run<T>(work: () => T): T {
    return inside(() => syscall('setns', this.#fd, CLONE_NEWNET), work)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    closeSync(this.#fd)
  }
}

const ownNamespace = '/proc/thread-self/ns/net'

/** Does `work` in the namespace that `enter` leads to, and brings the thread back from there. */
function inside<T>(enter: () => unknown, work: () => T): T {
  const before = openSync(ownNamespace, 'r')
  try {
    enter()
    try {
      return work()
    } finally {
      syscall('setns', before, CLONE_NEWNET)
    }
  } finally {
    closeSync(before)
  }
}
