import Registry from 'prom-client/lib/registry.js'
import type { ChangeCounters } from '../model/cluster-model.ts'
import type { Family } from '../model/ip.ts'
import type { StaleFlowsReport } from '../sync/stale-flows.ts'
import type { SyncReport } from '../sync/syncer.ts'
import type { Check } from './answers.ts'
import { exposition } from './exposition.ts'
import { FastpathMetrics, type FastpathReport } from './fastpath-metrics.ts'
import type { HealthPage } from './health-pages.ts'
import { componentMetrics, flowproxyMetrics, kubeProxyMetrics, sliMetrics } from './metric-definitions.ts'
import type { NoLocalEndpoints } from './no-local-endpoints.ts'
import { registerProcessMetrics } from './process-metrics.ts'

export type ProxyMetricsOptions = {
  readonly version: string
  /** The counters of each family's model; asked when the metrics are read. */
  readonly changes: () => readonly ChangeCounters[]
  /** How the watches of the API server are doing, by kind of object; asked when the metrics are read. */
  readonly sources?: (() => Readonly<Record<string, SourceStatus>>) | undefined
  /** How the fast path is doing, where there is one; asked when the metrics are read. Never rejects. */
  readonly fastpath?: (() => Promise<FastpathReport>) | undefined
  /** The time of day. */
  readonly wallClock: () => Date
}

export type SourceStatus = {
  readonly isConnected: boolean
  /** Lists after the first. */
  readonly relists: number
  /** Watches that went on where an earlier one had ended. */
  readonly watchRestarts: number
}

/** A sync of a family whose lists are complete. */
export type EndedSync = {
  readonly family: Family
  readonly isFull: boolean
  readonly durationMs: number
  /** Since the oldest request that it answers; undefined when nobody had asked. */
  readonly sinceRequestMs: number | undefined
}

/** A feature gate; the stage is `ALPHA`, `BETA`, `DEPRECATED` or empty for general availability. */
export type FeatureState = { readonly name: string; readonly stage: string; readonly isEnabled: boolean }

/** All that the proxy counts and measures: one method for each occurrence. */
export class ProxyMetrics {
  readonly #registry = new Registry()
  readonly #sliRegistry = new Registry()
  readonly #kubeProxy = kubeProxyMetrics(this.#registry)
  readonly #component = componentMetrics(this.#registry)
  readonly #ours = flowproxyMetrics(this.#registry)
  readonly #slis = sliMetrics(this.#sliRegistry)
  readonly #fastpath: FastpathMetrics | undefined
  readonly #options: ProxyMetricsOptions

  constructor(options: ProxyMetricsOptions) {
    this.#options = options
    this.#fastpath = options.fastpath && new FastpathMetrics(this.#registry)
    registerProcessMetrics(this.#registry)
    this.#ours.build.set({ version: options.version, node_version: process.version }, 1)
  }

  /** Also when the loop starts. */
  syncRequested(family: Family): void {
    this.#kubeProxy.lastRequest.set({ ip_family: family }, this.#nowSeconds())
  }

  syncDone(report: SyncReport, sync: EndedSync): void {
    const labels = { ip_family: sync.family }
    this.#observeDuration(sync)
    this.#kubeProxy.lastSync.set(labels, this.#nowSeconds())
    this.#ours.services.set(labels, report.services)
    this.#ours.planTime.observe(labels, report.planMs / 1000)
    this.#ours.kernelTime.observe(labels, report.commit.kernelMs / 1000)
    this.#ours.operations.inc(labels, report.commit.operations)
    this.#ours.elementsAdded.inc(labels, report.elementsAdded)
    this.#ours.elementsRemoved.inc(labels, report.elementsRemoved)
    this.#ours.warnings.inc(labels, report.warnings.length)
    this.#observeLatency(report, sync)
  }

  syncFailed(sync: EndedSync): void {
    this.#observeDuration(sync)
    this.#kubeProxy.syncFailures.inc({ ip_family: sync.family })
  }

  /** Unused chains could not be deleted. */
  cleanupFailed(family: Family): void {
    this.#kubeProxy.cleanupFailures.inc({ ip_family: family })
  }

  noLocalEndpoints(family: Family, { internal, external }: NoLocalEndpoints): void {
    this.#kubeProxy.noLocalEndpoints.set({ ip_family: family, traffic_policy: 'internal' }, internal)
    this.#kubeProxy.noLocalEndpoints.set({ ip_family: family, traffic_policy: 'external' }, external)
  }

  /** kube-proxy looks at UDP alone, and so do its metrics. */
  conntrackReconciled(report: StaleFlowsReport): void {
    this.#fastpath?.flowsReconciled(report)
    const { family, protocol, durationMs, deleted } = report
    if (protocol !== 'udp') return
    this.#kubeProxy.conntrackDuration.observe({ ip_family: family }, durationMs / 1000)
    this.#kubeProxy.conntrackDeleted.inc({ ip_family: family }, deleted)
  }

  /** The fast path looked at links and flow table. */
  fastpathSynced(durationMs: number): void {
    this.#fastpath?.syncDone(durationMs)
  }

  /** The node health server answered. */
  healthAnswered(page: HealthPage, status: number, checks: readonly Check[]): void {
    if (page === 'healthz') this.#kubeProxy.healthz.inc({ code: String(status) })
    if (page === 'livez') this.#kubeProxy.livez.inc({ code: String(status) })
    this.healthChecked(page, checks)
  }

  healthChecked(page: HealthPage, checks: readonly Check[]): void {
    for (const { name, isOk } of checks) {
      this.#slis.healthcheck.set({ name, type: page }, isOk ? 1 : 0)
      this.#slis.healthchecks.inc({ name, type: page, status: isOk ? 'success' : 'error' })
    }
  }

  features(features: readonly FeatureState[]): void {
    for (const { name, stage, isEnabled } of features) this.#component.feature.set({ name, stage }, isEnabled ? 1 : 0)
  }

  /** The API server began to answer a request, or did not: then the status is 0. */
  apiRequestEnded(request: { method: string; host: string; status: number; durationMs: number }): void {
    const { method, host, status, durationMs } = request
    this.#component.requests.inc({ method, host, code: status === 0 ? '<error>' : String(status) })
    this.#component.requestDuration.observe({ verb: method, host }, durationMs / 1000)
  }

  /** All metrics, in the format that the header Accept asks for. */
  async read(accept?: string): ReturnType<typeof exposition> {
    this.#readChanges()
    this.#readSources()
    const fastpath = await this.#options.fastpath?.()
    if (fastpath !== undefined) this.#fastpath?.update(fastpath)
    return exposition(this.#registry, accept)
  }

  /** The service level indicators, which are not among the others. */
  readSlis(accept?: string): ReturnType<typeof exposition> {
    return exposition(this.#sliRegistry, accept)
  }

  resetSlis(): void {
    this.#sliRegistry.resetMetrics()
  }

  /** One family counts what concerns it; a Service that waits mostly waits in both. */
  #readChanges(): void {
    const { endpointChanges, endpointChangesPending, serviceChanges, serviceChangesPending } = this.#kubeProxy
    const families = this.#options.changes()
    const sum = (field: keyof ChangeCounters): number =>
      families.reduce((total, counters) => total + counters[field], 0)
    endpointChanges.reset()
    endpointChanges.inc(sum('endpointChangesTotal'))
    endpointChangesPending.set(sum('endpointChangesPending'))
    serviceChanges.reset()
    serviceChanges.inc(sum('serviceChangesTotal'))
    serviceChangesPending.set(Math.max(0, ...families.map((counters) => counters.serviceChangesPending)))
  }

  #readSources(): void {
    const { sourceConnected, relists, watchRestarts } = this.#ours
    relists.reset()
    watchRestarts.reset()
    for (const [kind, source] of Object.entries(this.#options.sources?.() ?? {})) {
      sourceConnected.set({ kind }, source.isConnected ? 1 : 0)
      relists.inc({ kind }, source.relists)
      watchRestarts.inc({ kind }, source.watchRestarts)
    }
  }

  #observeDuration({ family, isFull, durationMs }: EndedSync): void {
    const { syncDuration, fullSyncDuration, partialSyncDuration } = this.#kubeProxy
    const durationOfKind = isFull ? fullSyncDuration : partialSyncDuration
    for (const histogram of [syncDuration, durationOfKind]) histogram.observe({ ip_family: family }, durationMs / 1000)
  }

  /** Since the change in the cluster, where the slice tells when it was, and since this process learnt of it. */
  #observeLatency({ changes, commit }: SyncReport, { family, sinceRequestMs }: EndedSync): void {
    const nowMs = this.#options.wallClock().getTime()
    for (const timeMs of [...changes.triggerTimes.values()].flat()) {
      // The clock of the machine that wrote the time may be ahead of ours.
      this.#kubeProxy.programming.observe({ ip_family: family }, Math.max(0, nowMs - timeMs) / 1000)
    }
    if (sinceRequestMs === undefined || commit.operations === 0) return
    this.#ours.eventToKernel.observe({ ip_family: family }, sinceRequestMs / 1000)
  }

  #nowSeconds(): number {
    return this.#options.wallClock().getTime() / 1000
  }
}
