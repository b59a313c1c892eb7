import type { Logger } from 'pino'
import { setTimeout as delay } from 'node:timers/promises'
import { fastpathAddresses } from '../dataplane/fastpath-addresses.ts'
import { fastpathTable } from '../dataplane/fastpath.ts'
import { fastpathLabelBit } from '../dataplane/names.ts'
import type { ClusterModel } from '../model/cluster-model.ts'
import type { IpAddress } from '../model/ip.ts'
import type { ServicePort } from '../model/service-port.ts'
import { systemClock } from '../sync/clock.ts'
import type { FastpathReport } from '../server/fastpath-metrics.ts'
import { type FastpathKernel, openFastpathKernel } from '../sync/fastpath-kernel.ts'
import type { FastpathStatus } from '../sync/fastpath-status.ts'
import { Fastpath, type FastpathParts } from '../sync/fastpath.ts'
import type { StaleFlowsReport } from '../sync/stale-flows.ts'
import { forgetHalfClosed, type HalfClose, keepHalfClosed } from './half-close.ts'
import { isKernelSince } from './kernel-version.ts'

export type NodeFastpathOptions = {
  /** Packets after which a connection leaves the rules; 0 turns the fast path off and removes what an earlier run left. */
  readonly threshold: number
  /** Which interfaces take part; none for all that qualify. */
  readonly interfaces: readonly string[]
  /** What is known of the cluster. */
  readonly models: () => readonly ClusterModel[]
  /** The addresses of this Node that take node ports. */
  readonly nodePortIps: () => readonly IpAddress[]
  readonly log: Logger
  /** What talks to the kernel; by default in the network namespace of the calling thread. Closed with the fast path. */
  readonly kernel?: FastpathKernel | undefined
  /** Called after each look at links and table. */
  readonly onSync?: ((durationMs: number) => void) | undefined
}

/** So long Services wait for what the kernel has to load. */
const probeMs = 2_000

/** The fast path of this Node, in the network namespace that it is made in. It never makes anything else fail. */
export class NodeFastpath {
  readonly #options: NodeFastpathOptions
  readonly #fastpath: Fastpath
  readonly #isEnabled: boolean
  #halfClose: HalfClose | undefined

  /** Throws NetlinkError where sockets cannot be opened. */
  constructor(options: NodeFastpathOptions) {
    this.#options = options
    this.#isEnabled = options.threshold > 0
    this.#fastpath = new Fastpath({
      isEnabled: this.#isEnabled,
      patterns: options.interfaces,
      wantedTable: (parts) => this.#wantedTable(parts),
      hasTunnelOffload: isKernelSince(6, 19),
      kernel: options.kernel ?? openFastpathKernel(),
      clock: systemClock,
      onNote: ({ level, message }) => options.log[level](message),
      onSync: options.onSync,
    })
  }

  /**
   * Finds out what this kernel can do. `onLabelBit` is called with the label that connections shall get, undefined for
   * none: before this resolves, unless the kernel takes long.
   */
  async prepare(onLabelBit: (bit: number | undefined) => void): Promise<void> {
    if (!this.#isEnabled) {
      this.#noteHalfClose(forgetHalfClosed())
      return
    }
    await Promise.race([this.#probe(onLabelBit), delay(probeMs, undefined, { ref: false })])
  }

  /** Works until the signal is aborted; the table stays. */
  start(signal: AbortSignal): Promise<void> {
    return this.#fastpath.start(signal)
  }

  /** Services may have other addresses now, which matters where connections have no labels. */
  servicesSynced(): void {
    if (this.#selection(this.#fastpath.status.capabilities) === 'addresses') this.#fastpath.requestSync()
  }

  /** Stale flows were searched for. */
  flowsReconciled({ failure }: Pick<StaleFlowsReport, 'failure'>): void {
    if (this.#isEnabled && failure?.errno === 'EBUSY') this.#fastpath.requireRecreation()
  }

  /** Connections are in the flow table that shall go through the rules from now on. */
  flowsOptedOut(): void {
    this.#fastpath.requireRecreation()
  }

  /** Never rejects. */
  async report(): Promise<FastpathReport> {
    const { status } = this.#fastpath
    const isRunning = status.capabilities?.hasFlowtables === true
    const sample = isRunning ? await this.#fastpath.sample().catch(() => undefined) : undefined
    return { status, halfCloseSeconds: this.#halfClose?.seconds, sample }
  }

  /** For people who ask how it is going. */
  facts(): readonly string[] {
    const { state, reason, interfaces, devices, devicesMissing, leftOut, otherFlowtables } = this.#fastpath.status
    const mark = state === 'active' || state === 'off' ? '+' : '-'
    const because = reason === undefined ? '' : `: ${reason}`
    const extent = `${interfaces.length} interfaces, ${devices} devices, ${devicesMissing} missing`
    return [
      `[${mark}]fast path ${state}${because}${state === 'active' ? `: ${extent}` : ''}`,
      ...Array.from(leftOut, ([name, why]) => `   ${name} takes no part: ${why}`),
      ...otherFlowtables.map((other) => `   ${other} shares devices`),
    ]
  }

  /** Releases the sockets. `start` must have returned or never been called. */
  close(): Promise<void> {
    return this.#fastpath.close()
  }

  async #probe(onLabelBit: (bit: number | undefined) => void): Promise<void> {
    const { hasFlowtables, hasLabels } = await this.#fastpath.probe()
    onLabelBit(hasFlowtables && hasLabels ? fastpathLabelBit : undefined)
    if (hasFlowtables) this.#keepHalfClosed()
  }

  #wantedTable({ interfaces, capabilities }: FastpathParts): ReturnType<typeof fastpathTable> {
    const { threshold, models, nodePortIps } = this.#options
    const selection = this.#selection(capabilities)
    return fastpathTable({
      threshold: Math.max(1, threshold),
      selection,
      serviceAddresses: selection === 'label' ? [] : fastpathAddresses(portsOf(models()), nodePortIps()),
      interfaces,
      devices: [],
      noOffload: [],
      hasCounters: capabilities.hasCounters,
    })
  }

  #selection(capabilities: FastpathStatus['capabilities']): 'label' | 'addresses' {
    return capabilities === undefined || capabilities.hasLabels ? 'label' : 'addresses'
  }

  /** Kernels since 6.14 need it; that cannot be found out by trying. */
  #keepHalfClosed(): void {
    if (!isKernelSince(6, 14)) return
    this.#halfClose = keepHalfClosed()
    this.#noteHalfClose(this.#halfClose.change)
    const { problem } = this.#halfClose
    if (problem !== undefined) this.#options.log.warn(problem)
  }

  #noteHalfClose(change: HalfClose['change']): void {
    if (change !== undefined) this.#options.log.info({ ...change }, 'kernel parameter set')
  }
}

function* portsOf(models: readonly ClusterModel[]): Generator<ServicePort> {
  for (const model of models) for (const service of model.serviceKeys()) yield* model.servicePorts(service)
}
