import { type IpAddress, parseIp } from '../model/ip.ts'
import { listAddresses } from '../netlink/address.ts'
import { NetlinkMonitor, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR } from '../netlink/monitor.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../netlink/socket.ts'

/** How often the notifications are looked at; a look at an empty queue costs some ten microseconds. */
const lookEveryMs = 100

/** Follows the addresses of this machine's interfaces in the network namespace that it is made in. */
export class AddressWatcher {
  readonly #onAddresses: (addresses: readonly IpAddress[]) => void
  /** Opened before the first listing, so that no change falls between. */
  readonly #monitor = new NetlinkMonitor(NETLINK_ROUTE, [RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR])
  readonly #route = new NetlinkSocket(NETLINK_ROUTE)
  #timer: NodeJS.Timeout | undefined
  #known = ''
  #isClosed = false

  /** `onAddresses` gets all addresses, whenever they are others than before. */
  constructor(onAddresses: (addresses: readonly IpAddress[]) => void) {
    this.#onAddresses = onAddresses
  }

  /** Resolves when the addresses have been told once. Throws NetlinkError. */
  async start(): Promise<void> {
    await this.#list()
    this.#timer = setInterval(() => {
      if (this.#monitor.hasNews()) void this.#list().catch(() => {})
    }, lookEveryMs)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    clearInterval(this.#timer)
    this.#monitor.close()
    this.#route.close()
  }

  async #list(): Promise<void> {
    const found = await listAddresses(this.#route)
    const addresses = found.flatMap(({ address }) => parseIp(address) ?? []).sort()
    if (this.#isClosed || addresses.join() === this.#known) return
    this.#known = addresses.join()
    this.#onAddresses(addresses)
  }
}
