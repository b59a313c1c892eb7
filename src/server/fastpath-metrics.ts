import type Registry from 'prom-client/lib/registry.js'
import type { FastpathSample } from '../sync/fastpath-sample.ts'
import type { FastpathStatus } from '../sync/fastpath-status.ts'
import type { StaleFlowsReport } from '../sync/stale-flows.ts'
import { fastpathMetrics } from './metric-definitions.ts'

/** How the fast path is doing, and what the kernel counts; undefined where that could not be read. */
export type FastpathReport = {
  readonly status: FastpathStatus
  /** How long a half-closed connection may be silent, on kernels where that is limited. */
  readonly halfCloseSeconds: number | undefined
  readonly sample: FastpathSample | undefined
}

/** What is counted and measured of the fast path. */
export class FastpathMetrics {
  readonly #metrics: ReturnType<typeof fastpathMetrics>

  constructor(registry: Registry) {
    this.#metrics = fastpathMetrics(registry)
    // Without a sample until there is a limit.
    this.#metrics.halfClose.remove()
  }

  syncDone(durationMs: number): void {
    this.#metrics.syncDuration.observe(durationMs / 1000)
  }

  flowsReconciled({ family, protocol, deleted, failure }: StaleFlowsReport): void {
    const labels = { ip_family: family, protocol }
    this.#metrics.deletions.inc(labels, deleted)
    this.#metrics.deletionFailures.inc(labels, failure === undefined ? 0 : 1)
  }

  update({ status, halfCloseSeconds, sample }: FastpathReport): void {
    const metrics = this.#metrics
    const { state, capabilities, interfaces, devices, devicesMissing, otherFlowtables } = status
    metrics.active.set(state === 'active' ? 1 : 0)
    if (capabilities !== undefined) {
      const { hasFlowtables, hasCounters, hasLabels } = capabilities
      const supported = { flowtable: hasFlowtables, counter: hasCounters, label: hasLabels }
      for (const [feature, isSupported] of Object.entries(supported)) {
        metrics.supported.set({ feature }, isSupported ? 1 : 0)
      }
    }
    metrics.interfaces.set(interfaces.length)
    metrics.devices.set(devices)
    metrics.devicesMissing.set(devicesMissing)
    metrics.otherFlowtables.set(otherFlowtables.length)
    total(metrics.syncErrors, status.syncErrors)
    total(metrics.recreations, status.recreations)
    if (halfCloseSeconds !== undefined) metrics.halfClose.set(halfCloseSeconds)
    if (sample !== undefined) this.#sampled(sample)
  }

  #sampled({ counters, flows }: FastpathSample): void {
    const { eligible, offloaded, activeFlows } = this.#metrics
    if (counters !== undefined) {
      total(eligible, counters.eligible)
      total(offloaded, counters.offloaded)
    }
    activeFlows.reset()
    for (const { family, protocol, count } of flows) activeFlows.set({ ip_family: family, protocol }, count)
  }
}

/** Of what somebody else counts. */
function total(counter: { reset: () => void; inc: (value: number) => void }, value: number): void {
  counter.reset()
  counter.inc(value)
}
