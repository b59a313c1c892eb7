import type { Logger } from 'pino'
import { checkFamilies } from '../config/family-checks.ts'
import { featureStates, isGateOn } from '../config/feature-gates.ts'
import type { Config } from '../config/load.ts'
import type { RecordedEvent } from '../kube/event-recorder.ts'
import type { ObjectEvent } from '../kube/types.ts'
import type { ClusterModel } from '../model/cluster-model.ts'
import { type Family, isLoopback } from '../model/ip.ts'
import { nodeIps } from '../model/node-ips.ts'
import { ProxyMetrics } from '../server/metrics.ts'
import { ProxyHealth } from '../server/proxy-health.ts'
import { systemClock } from '../sync/clock.ts'
import { ApiFeed } from './api-feed.ts'
import { healthCheckFailureEvent, nodeEvent } from './events.ts'
import { supportedFamilies } from './families.ts'
import { favourMemory } from './favour-memory.ts'
import { FamilyDuties } from './family-duties.ts'
import { NodeFastpath } from './node-fastpath.ts'
import { feedManifests } from './manifest-feed.ts'
import { setOomScore } from './oom-score.ts'
import { Proxier } from './proxier.ts'
import { Servers } from './servers.ts'
import { StartError } from './start-error.ts'
import { applyConntrackSettings, hostCores } from './sysctls.ts'

export type DaemonOptions = {
  readonly config: Config
  readonly version: string
  readonly log: Logger
}

/**
 * The whole agent of one Node: a source, a proxier, and the servers around them. It runs once; rules stay in force when
 * it ends.
 */
export class Daemon {
  readonly #config: Config
  readonly #log: Logger
  readonly #families: readonly Family[] = supportedFamilies()
  readonly #health: ProxyHealth
  readonly #metrics: ProxyMetrics
  readonly #proxier: Proxier
  readonly #duties: ReadonlyMap<Family, FamilyDuties>
  /** Undefined when manifests are followed instead. */
  readonly #api: ApiFeed | undefined
  readonly #fastpath: NodeFastpath
  readonly #servers: Servers

  /** Throws NetlinkError where the kernel has no nf_tables or does not permit it. */
  constructor({ config, version, log }: DaemonOptions) {
    this.#config = config
    this.#log = log
    const wallClock = (): Date => new Date()
    const needsApi = config.manifests === undefined
    this.#health = new ProxyHealth({
      families: this.#families,
      syncPeriodMs: config.configuration.nftables.syncPeriod,
      isNodeNeeded: needsApi,
      clock: systemClock,
      wallClock,
    })
    const metrics = (this.#metrics = new ProxyMetrics({
      version,
      changes: () => this.#proxier.models.map(({ counters }) => counters),
      sources: () => this.#api?.status ?? {},
      fastpath: () => this.#fastpath.report(),
      wallClock,
    }))
    metrics.features(featureStates(config.configuration.featureGates))
    const proxier = (this.#proxier = this.#newProxier())
    this.#fastpath = new NodeFastpath({
      threshold: config.configuration.nftables.fastpathPacketThreshold,
      interfaces: config.configuration.nftables.fastpathInterfaces,
      models: () => proxier.models,
      nodePortIps: () => proxier.nodePortIps,
      log,
      onSync: (durationMs) => metrics.fastpathSynced(durationMs),
    })
    this.#duties = new Map(proxier.models.map((model) => [model.family, this.#dutiesFor(model)]))
    const onEvents = this.#noteNode
    this.#api = needsApi ? new ApiFeed({ config, version, log, metrics, proxier, onEvents }) : undefined
    this.#servers = new Servers({
      config,
      version,
      log,
      health: this.#health,
      metrics,
      facts: () => this.#facts(),
      record: this.#record,
    })
  }

  /**
   * Works until the signal is aborted, or with `--init-only` until everything is prepared. Throws StartError,
   * CredentialsError, SysctlError or NetlinkError when it cannot begin, and StartError when a server fails that must not.
   */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController()
    const stopped = AbortSignal.any([signal, stop.signal])
    let running: Promise<void> | undefined
    let fastpath: Promise<void> | undefined
    try {
      await this.#prepare(stopped)
      if (stopped.aborted || this.#config.initOnly) return
      void this.#setOomScore()
      const failed = this.#servers.start()
      this.#record(nodeEvent(this.#config.nodeName, 'Normal', 'Starting'))
      running = this.#proxier.syncLoop(stopped)
      fastpath = this.#fastpath.start(stopped)
      await Promise.race([running, failed])
    } finally {
      stop.abort()
      this.#api?.closeSource()
      await running?.catch(() => {})
      await Promise.all([this.#servers.close(), ...Array.from(this.#duties.values(), (duties) => duties.close())])
      await this.#api?.close()
      this.#proxier.close()
      await fastpath
      await this.#fastpath.close()
    }
  }

  /** Everything before rules are written. */
  async #prepare(signal: AbortSignal): Promise<void> {
    const { configuration, manifests, bindAddress, nodeName } = this.#config
    if (manifests !== undefined) await this.#readManifests(manifests, signal)
    await this.#api?.start(signal)
    if (signal.aborted) return
    const { spec, status } = this.#proxier.nodeObject ?? {}
    const node = nodeIps({ bindAddress, nodeAddresses: status?.addresses ?? [] })
    this.#log.info({ node: nodeName, primary: node.primary, ...node.ips }, 'addresses of this Node')
    if (isLoopback(node.ips[node.primary])) {
      this.#log.info('no address of this Node is known; bindAddress can say which is its own')
    }
    this.#setSysctls()
    await this.#fastpath.prepare((bit) => this.#proxier.setFastpathLabel(bit))
    const facts = { supported: this.#families, node, podCidrs: spec?.podCIDRs ?? [] }
    const { fatal, warnings } = checkFamilies(configuration, facts)
    for (const warning of warnings) this.#log.warn(warning)
    if (fatal !== undefined) throw new StartError(fatal)
  }

  async #readManifests(manifests: string, signal: AbortSignal): Promise<void> {
    const feed = { manifests, proxier: this.#proxier, log: this.#log, onEvents: this.#noteNode, signal }
    if (await feedManifests(feed)) return
    throw new StartError(`${manifests} could not be read as a whole; nothing was programmed`)
  }

  #setSysctls(): void {
    const { conntrack } = this.#config.configuration
    const changes = applyConntrackSettings(
      {
        maxPerCore: conntrack.maxPerCore,
        min: conntrack.min,
        tcpEstablishedTimeoutMs: conntrack.tcpEstablishedTimeout,
        tcpCloseWaitTimeoutMs: conntrack.tcpCloseWaitTimeout,
        tcpBeLiberal: conntrack.tcpBeLiberal,
        udpTimeoutMs: conntrack.udpTimeout,
        udpStreamTimeoutMs: conntrack.udpStreamTimeout,
      },
      hostCores(),
    )
    for (const { path, before, value } of changes) this.#log.info({ path, before, value }, 'kernel parameter set')
  }

  async #setOomScore(): Promise<void> {
    const { oomScoreAdj } = this.#config.configuration
    try {
      await setOomScore(oomScoreAdj)
    } catch (error) {
      this.#log.warn(`oomScoreAdj ${oomScoreAdj} could not be set: ${(error as Error).message}`)
    }
  }

  #newProxier(): Proxier {
    const { nodeName, dataplane, bindAddress, configuration } = this.#config
    const { fastpathPacketThreshold, fastpathResetTCP } = configuration.nftables
    return new Proxier({
      nodeName,
      families: this.#families,
      dataplane,
      bindAddress,
      usesExternalIps: isGateOn(configuration.featureGates, 'AllowServiceExternalIPs'),
      minSyncPeriodMs: configuration.nftables.minSyncPeriod,
      retryPeriodMs: configuration.nftables.syncPeriod,
      resetsFastpathTcp: fastpathPacketThreshold > 0 && fastpathResetTCP,
      log: this.#log,
      onLoopStarted: (family) => {
        this.#health.loopStarted(family)
        this.#metrics.syncRequested(family)
      },
      onSyncRequested: (family) => {
        this.#health.syncRequested(family)
        this.#metrics.syncRequested(family)
      },
      onSync: (report, sync) => {
        this.#health.syncDone(report.family)
        if (report.isFull && this.#health.isReady) favourMemory()
        this.#metrics.syncDone(report, sync)
        if (report.isCleanupFailed) this.#metrics.cleanupFailed(report.family)
        this.#duties.get(report.family)?.synced(report)
        this.#fastpath.servicesSynced()
      },
      onSyncFailed: (sync) => this.#metrics.syncFailed(sync),
      onFlowsReconciled: (report) => {
        this.#metrics.conntrackReconciled(report)
        this.#fastpath.flowsReconciled(report)
      },
      onOptedOutFlows: () => this.#fastpath.flowsOptedOut(),
      onHealthCheckIps: (family, ips) => this.#duties.get(family)?.setHealthCheckIps(ips),
    })
  }

  #dutiesFor(model: ClusterModel): FamilyDuties {
    return new FamilyDuties({
      model,
      metrics: this.#metrics,
      isProxyHealthy: () => this.#health.isHealthy,
      onHealthCheckFailure: (failure) => {
        const event = healthCheckFailureEvent(this.#config.nodeName, failure)
        this.#log.error(event.note)
        this.#record(event)
      },
    })
  }

  /** What this Node's object says of whether the Node takes new connections. */
  readonly #noteNode = (events: readonly ObjectEvent[]): void => {
    for (const event of events) {
      const node = event.type === 'set' && event.object.kind === 'Node' ? event.object : undefined
      if (node?.metadata.name === this.#config.nodeName) this.#health.setNode(node)
      if (event.type === 'deleted' && event.kind === 'Node' && event.name === this.#config.nodeName) {
        this.#log.warn({ node: event.name }, 'this Node was deleted; what was known of it stays in use')
      }
    }
  }

  readonly #record = (event: RecordedEvent): void => this.#api?.record(event)

  /** For people who ask how it is going. */
  #facts(): readonly string[] {
    const sources = Object.entries(this.#api?.status ?? {}).map(
      ([kind, { isSynced, isConnected, objects, lastError }]) => {
        const state = isConnected ? 'connected' : `not connected${lastError === undefined ? '' : `: ${lastError}`}`
        return `[${isSynced && isConnected ? '+' : '-'}]source ${kind}: ${state}, ${objects} objects`
      },
    )
    return [...sources, ...this.#fastpath.facts()]
  }
}
