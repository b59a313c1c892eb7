import type { ClusterModel } from '../model/cluster-model.ts'
import type { Family, IpAddress } from '../model/ip.ts'
import { deleteFlows, findFlows, IPS_OFFLOAD } from '../netlink/conntrack.ts'
import type { NetlinkError } from '../netlink/errors.ts'
import { AF_INET, AF_INET6 } from '../netlink/inet.ts'
import type { NetlinkSocket } from '../netlink/socket.ts'
import type { Clock } from './clock.ts'
import { flowFrontends, type FlowProtocol, isStaleFlow, nodePortIpKeys } from './flow-frontends.ts'
import { inSlices } from './time-slices.ts'

export type StaleFlowsOptions = {
  readonly model: ClusterModel
  /** `tcp` concerns offloaded flows only. */
  readonly protocol: FlowProtocol
  /** Of NETLINK_NETFILTER, in the network namespace that the model is programmed in; `close` closes it. */
  readonly socket: NetlinkSocket
  readonly clock: Pick<Clock, 'now'>
}

/** What one reconciliation did. */
export type StaleFlowsReport = {
  readonly family: Family
  readonly protocol: FlowProtocol
  readonly deleted: number
  readonly durationMs: number
  /** False when changes interrupted the listing again and again; some stale flows may be left. */
  readonly isWhole: boolean
  /** Why the kernel kept what should have been deleted; the next reconciliation tries again. */
  readonly failure: NetlinkError | undefined
}

/** IPPROTO_*, and the status bits of the flows that are looked at. */
const flowsOf = { udp: { number: 17, status: 0 }, tcp: { number: 6, status: IPS_OFFLOAD } } as const

/**
 * Makes the flows of one family and protocol that stuck to what is no more forget where they went: their next packet is
 * treated as the first one of a new flow. Not for concurrent calls.
 */
export class StaleFlows {
  readonly #options: StaleFlowsOptions
  #nodePortIps: readonly IpAddress[] = []
  /** What may have become of flows before the start is not known. */
  #isDue = true
  /** The frontends at the last reconciliation. */
  #knownFrontends: ReadonlySet<string> = new Set()

  constructor(options: StaleFlowsOptions) {
    this.#options = options
  }

  get protocol(): FlowProtocol {
    return this.#options.protocol
  }

  /** The addresses of this Node that take node ports; all of them are named, also where all take them. */
  setNodePortIps(ips: readonly IpAddress[]): void {
    this.#nodePortIps = ips
  }

  /**
   * To be called after each sync that went well, with what the model said of the changes that it took. Undefined when
   * nothing can have become stale. Throws NetlinkError when the flows cannot be listed; the next call tries again.
   */
  async reconcile(isCleanupNeeded: boolean): Promise<StaleFlowsReport | undefined> {
    this.#isDue ||= isCleanupNeeded
    if (!this.#isDue) return undefined
    const { model, protocol, socket, clock } = this.#options
    const { family } = model
    const start = clock.now()
    const frontends = await inSlices(flowFrontends(model, protocol), clock)
    const { answerers } = frontends
    const formerFrontends = new Set([...this.#knownFrontends].filter((key) => !answerers.has(key)))
    if (answerers.size === 0 && formerFrontends.size === 0) {
      this.#isDue = false
      return undefined
    }
    const rules = { frontends, formerFrontends, nodePortIps: nodePortIpKeys(this.#nodePortIps) }
    const { flows, isWhole } = await findFlows(
      socket,
      family === 'IPv4' ? AF_INET : AF_INET6,
      flowsOf[protocol].number,
      (destination, answerer, zone, isOffloaded) => isStaleFlow(rules, destination, answerer, zone, isOffloaded),
      flowsOf[protocol].status,
    )
    const { deleted, failure } = await deleteFlows(socket, flows)
    if (failure === undefined) {
      this.#isDue = false
      this.#knownFrontends = new Set(answerers.keys())
    }
    return { family, protocol, deleted, durationMs: clock.now() - start, isWhole, failure }
  }

  close(): void {
    this.#options.socket.close()
  }
}
