import type { Logger } from 'pino'
import type { DataplaneConfig } from '../config/dataplane-flags.ts'
import type { EndpointSlice, KubeObject, Node, ObjectEvent, Service, ServiceCIDR } from '../kube/types.ts'
import type { ClusterModel } from '../model/cluster-model.ts'
import type { Family, IpAddress } from '../model/ip.ts'
import { NETLINK_NETFILTER, NetlinkSocket } from '../netlink/socket.ts'
import { NftConnection } from '../nft/connection.ts'
import { AddressWatcher } from './address-watcher.ts'
import { ClusterModels } from './cluster-models.ts'
import type { NodeFacts } from './dataplane-options.ts'
import { supportedFamilies } from './families.ts'
import { Pipeline, type SyncListener } from './pipeline.ts'

export type ProxierOptions = SyncListener & {
  /** This Node's name, as EndpointSlices have it. */
  readonly nodeName: string
  readonly families: readonly Family[]
  readonly dataplane: DataplaneConfig
  /** Stands for the Node's main address of its family, unless it is unspecified. */
  readonly bindAddress?: IpAddress | undefined
  /** Whether spec.externalIPs of Services means anything (feature gate AllowServiceExternalIPs); by default it does. */
  readonly usesExternalIps?: boolean | undefined
  /** Pause between the end of a sync and the begin of the next one. */
  readonly minSyncPeriodMs: number
  /** After a failed sync the next one begins at the latest so long after its end. */
  readonly retryPeriodMs: number
  /** TCP connections of the fast path are forgotten, and thereby reset, when their endpoint is gone. */
  readonly resetsFastpathTcp?: boolean | undefined
  readonly log: Logger
  /** Runs what opens sockets; by default they are of the network namespace of this process. */
  readonly inNamespace?: (<T>(open: () => T) => T) | undefined
  /** Called when the loops begin: from then on syncs are made. */
  readonly onLoopStarted?: ((family: Family) => void) | undefined
}

/** What names an object; every Service, EndpointSlice and Node does. */
export type ObjectReference = { readonly metadata: { readonly namespace: string; readonly name: string } }

/** Those of `ProxierOptions` that have no default. */
export type DualStackProxierOptions = Omit<ProxierOptions, 'families'>

/**
 * Keeps the kernel's tables as it is told that the cluster is. The handlers are those of kube-proxy's nftables package
 * (pkg/proxy/nftables): they note what they are told and return at once; `syncLoop` brings it into the kernel. Nothing
 * is programmed before both `onServiceSynced` and `onEndpointSlicesSynced` were called, so that a half-known cluster
 * never replaces what is in force.
 */
export class Proxier {
  readonly #options: ProxierOptions
  readonly #models: ClusterModels
  readonly #pipelines: readonly Pipeline[]
  readonly #synced = new Set<'Service' | 'EndpointSlice'>()
  readonly #initialised = Promise.withResolvers<void>()
  #addresses: AddressWatcher | undefined
  #isProgramming = false
  #fastpathLabelBit: number | undefined

  /** Throws NetlinkError where the kernel has no nf_tables or does not permit it. */
  constructor(options: ProxierOptions) {
    this.#options = options
    const { families, nodeName, usesExternalIps, inNamespace = (open) => open() } = options
    this.#models = new ClusterModels({ families, nodeName, usesExternalIps, processStartMs: Date.now() })
    this.#pipelines = this.models.map(
      (model) =>
        new Pipeline({
          ...options,
          model,
          node: this.#models.node,
          facts: this.#facts,
          connection: inNamespace(() => new NftConnection()),
          conntrack: inNamespace(() => new NetlinkSocket(NETLINK_NETFILTER)),
        }),
    )
  }

  /** What is known of the cluster, for each family. */
  get models(): readonly ClusterModel[] {
    return this.#models.models
  }

  get #facts(): NodeFacts {
    return { ...this.#models.facts(this.#options.bindAddress), fastpathLabelBit: this.#fastpathLabelBit }
  }

  /** This Node's object as it was told last. */
  get nodeObject(): Node | undefined {
    return this.#models.nodeObject
  }

  /** Whether the lists of Services and EndpointSlices were told to their end. */
  get isInitialised(): boolean {
    return this.#synced.size === 2
  }

  onServiceAdd(service: Service): void {
    this.#set(service)
  }

  onServiceUpdate(_previous: ObjectReference | undefined, service: Service): void {
    this.#set(service)
  }

  onServiceDelete({ metadata }: ObjectReference): void {
    this.apply([{ type: 'deleted', kind: 'Service', namespace: metadata.namespace, name: metadata.name }])
  }

  /** All Services that there are have been told. */
  onServiceSynced(): void {
    this.#listed('Service')
  }

  onEndpointSliceAdd(slice: EndpointSlice): void {
    this.#set(slice)
  }

  onEndpointSliceUpdate(_previous: ObjectReference | undefined, slice: EndpointSlice): void {
    this.#set(slice)
  }

  onEndpointSliceDelete({ metadata }: ObjectReference): void {
    this.apply([{ type: 'deleted', kind: 'EndpointSlice', namespace: metadata.namespace, name: metadata.name }])
  }

  /** All EndpointSlices that there are have been told. */
  onEndpointSlicesSynced(): void {
    this.#listed('EndpointSlice')
  }

  /** Nodes of another name are left out. */
  onNodeAdd(node: Node): void {
    this.#set(node)
  }

  onNodeUpdate(_previous: ObjectReference | undefined, node: Node): void {
    this.#set(node)
  }

  /** What was known of the Node stays in use. */
  onNodeDelete({ metadata }: ObjectReference): void {
    this.apply([{ type: 'deleted', kind: 'Node', namespace: '', name: metadata.name }])
  }

  /** Nothing waits for the Node: without it there is no zone, and no address of its own. */
  onNodeSynced(): void {}

  /** All ranges of all ServiceCIDRs, in place of those that were told before. */
  onServiceCIDRsChanged(cidrs: readonly string[]): void {
    const all: ServiceCIDR = { kind: 'ServiceCIDR', metadata: { namespace: '', name: 'all' }, spec: { cidrs } }
    this.#set(all)
  }

  /** Any of the above as a source delivers it. */
  apply(events: readonly ObjectEvent[]): void {
    const { isSyncNeeded, isNodeChanged, hasNewFacts } = this.#models.apply(events)
    const { node } = this.#models
    if (isNodeChanged) for (const pipeline of this.#pipelines) pipeline.setNode(node)
    const isLaidOutAnew = hasNewFacts && this.#pipelines.map((each) => each.setFacts(this.#facts, node)).includes(true)
    if (isLaidOutAnew && this.#isProgramming) {
      this.#options.log.info({ ...this.#facts }, 'this Node has other addresses or pod ranges: tables are made anew')
    }
    if (isSyncNeeded || isLaidOutAnew) this.sync()
  }

  /** Asks for a sync, which follows in `syncLoop` as soon as the shortest pause permits. */
  sync(): void {
    if (this.isInitialised) for (const pipeline of this.#pipelines) pipeline.requestSync()
  }

  /**
   * Programs the kernel and follows the addresses of this machine until the signal is aborted; a sync that is going on
   * then is finished. Rules stay in force. Throws NetlinkError when addresses cannot be read.
   */
  async syncLoop(signal: AbortSignal): Promise<void> {
    const { families, onLoopStarted, inNamespace = (open) => open() } = this.#options
    this.#addresses = inNamespace(() => new AddressWatcher((addresses) => this.#setAddresses(addresses)))
    await this.#addresses.start()
    for (const family of families) onLoopStarted?.(family)
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    if (!signal.aborted) await Promise.race([this.#initialised.promise, aborted])
    if (!signal.aborted) this.sync()
    this.#isProgramming = true
    await Promise.all(this.#pipelines.map((pipeline) => pipeline.start(signal)))
  }

  /** The conntrack label that connections through Services get; the tables are made anew if it is another than before. */
  setFastpathLabel(bit: number | undefined): void {
    this.#fastpathLabelBit = bit
    const { node } = this.#models
    const isLaidOutAnew = this.#pipelines.map((pipeline) => pipeline.setFacts(this.#facts, node)).includes(true)
    if (isLaidOutAnew && this.#isProgramming) this.sync()
  }

  /** The addresses of this Node that take node ports, as far as they are known. */
  get nodePortIps(): readonly IpAddress[] {
    return this.#pipelines.flatMap(({ nodePortIps }) => nodePortIps)
  }

  /** Releases all sockets; `syncLoop` must have returned or never been called. */
  close(): void {
    this.#addresses?.close()
    for (const pipeline of this.#pipelines) pipeline.close()
  }

  #set(object: KubeObject): void {
    this.apply([{ type: 'set', object }])
  }

  #listed(kind: 'Service' | 'EndpointSlice'): void {
    this.#synced.add(kind)
    if (this.isInitialised) this.#initialised.resolve()
  }

  #setAddresses(addresses: readonly IpAddress[]): void {
    for (const pipeline of this.#pipelines) pipeline.setAddresses(addresses)
    this.sync()
  }
}

/** A proxier for the one family. Throws NetlinkError as `Proxier` does. */
export function createProxier(family: Family, options: DualStackProxierOptions): Proxier {
  return new Proxier({ ...options, families: [family] })
}

/** A proxier for IPv4 and, where this kernel has it, IPv6. Throws NetlinkError as `Proxier` does. */
export function createDualStackProxier(options: DualStackProxierOptions): Proxier {
  return new Proxier({ ...options, families: supportedFamilies() })
}
