import { recordChain, recordChainName } from '../dataplane/affinity.ts'
import { serviceCidrElements } from '../dataplane/cluster-ips.ts'
import {
  addFrontendElements,
  addPortElements,
  type Placed,
  type PlacedRoute,
  sharedSets,
} from '../dataplane/elements.ts'
import { type Frontend, frontendAddresses, frontendText, type ServiceFrontends } from '../dataplane/frontend.ts'
import { setNames } from '../dataplane/names.ts'
import { nodePortIpElements } from '../dataplane/node-ports.ts'
import type { DataplaneOptions } from '../dataplane/options.ts'
import type { SharedChain } from '../dataplane/shared-chain.ts'
import { pickChain } from '../dataplane/picks.ts'
import { packSlots, unpackSlots } from '../dataplane/slots.ts'
import type { ObjectKey, Warning } from '../kube/types.ts'
import type { Cidr } from '../model/cidr.ts'
import type { IpAddress } from '../model/ip.ts'
import type { ServicePort } from '../model/service-port.ts'
import type { NftSet } from '../nft/objects.ts'
import { Claims } from './claims.ts'
import {
  diffPacked,
  elementKey,
  forEachPacked,
  type PackedElements,
  packElements,
  type SetNumbers,
} from './packed-elements.ts'
import { compareEndpoints, type Placement, placeRoutes } from './placement.ts'
import { SharedChains } from './shared-chains.ts'
import type { TableChange } from './table-change.ts'

/** What a Service has in the table. */
type Entry = {
  /** RFC 3339; empty when unknown. */
  readonly createdAt: string
  /** The frontends it claims, in the order of its ports: strings that are made and hashed once. */
  readonly frontends: readonly string[]
  /** What it uses of each. */
  readonly placements: readonly Placement[]
  readonly elements: PackedElements
}

/** What the cluster wants of a Service: nothing of one that is gone. */
export type Cluster = {
  readonly ports: (service: ObjectKey) => readonly ServicePort[]
  readonly frontends: (service: ObjectKey) => readonly ServiceFrontends[]
}

const nothing: Entry = { createdAt: '', frontends: [], placements: [], elements: '' }

/**
 * What the table of one family holds, by Service. It answers the question of every sync: these Services may have
 * changed, what has to be changed in the table? The cost is that of the Services named, not of all.
 *
 * The ledger is ahead of the kernel until the change is committed; if that fails it is thrown away.
 */
export class Ledger {
  readonly #sets: SetNumbers
  readonly #entries = new Map<ObjectKey, Entry>()
  readonly #claims = new Claims((a, b) => this.#byAge(a, b))
  /** How many Services want an element of a shared set. */
  readonly #sharedCounts = new Map<string, number>()
  readonly #options: DataplaneOptions
  readonly #sharedChains = new SharedChains()
  #nodePortIps: PackedElements = ''
  #serviceCidrs: PackedElements = ''

  /** `sets` are the table's; their order gives the numbers by which elements are filed. */
  constructor(options: DataplaneOptions, sets: readonly NftSet[]) {
    this.#sets = setNumbers(sets)
    this.#options = options
  }

  get sharedChains(): SharedChains {
    return this.#sharedChains
  }

  /** Services that have anything in the table. */
  get serviceCount(): number {
    return this.#entries.size
  }

  /**
   * Brings the named Services up to date, and those that contend with them for a frontend: one in each step, so that
   * others get their turn between. Until it is done, neither the cluster nor the ledger may change in another way.
   * Returns the conflicts that were met.
   */
  *update(
    services: Iterable<ObjectKey>,
    cluster: Cluster,
    nowMs: number,
    change: TableChange,
  ): Generator<void, readonly Warning[]> {
    const due = new Set(services)
    const contested = new Set<string>()
    for (const service of due) yield this.#claim(service, cluster.ports(service), contested)
    for (const frontend of contested) for (const rival of this.#claims.claimants(frontend)) due.add(rival)
    for (const service of due) yield this.#place(service, cluster.frontends(service), nowMs, change)
    return [...contested].flatMap((frontend) => this.#conflicts(frontend, cluster))
  }

  /**
   * Brings the ranges of cluster IPs up to date: all anew if any differs, since the kernel refuses bounds that overlap a
   * range that is there, such as an end inside it, although the change as a whole leaves no overlap.
   */
  updateServiceCidrs(cidrs: readonly Cidr[], change: TableChange): void {
    const placed = serviceCidrElements(cidrs).map((element): Placed => ({ set: setNames.serviceCidrs, element }))
    const packed = packElements(placed, this.#sets)
    if (packed === this.#serviceCidrs) return
    forEachPacked(this.#serviceCidrs, (set, element) => change.remove(set, element))
    forEachPacked(packed, (set, element) => change.add(set, element))
    this.#serviceCidrs = packed
  }

  /** Brings the addresses that take node ports up to date. */
  updateNodePortIps(ips: readonly IpAddress[], change: TableChange): void {
    const placed = nodePortIpElements(ips).map((element): Placed => ({ set: setNames.nodePortIps, element }))
    const packed = packElements(placed, this.#sets)
    diffPacked(
      this.#nodePortIps,
      packed,
      (set, element) => change.remove(set, element),
      (set, element) => change.add(set, element),
    )
    this.#nodePortIps = packed
  }

  /** Whether a client of the frontend may be stuck to that endpoint (`ip:port`). */
  allowsPin(frontend: string, endpoint: string): boolean {
    const owner = this.#claims.owner(frontend)
    const placements = owner === undefined ? [] : (this.#entries.get(owner)?.placements ?? [])
    const placement = placements.find((found) => found.frontend === frontend)
    if (placement?.recordChain === undefined) return false
    return placement.routes.some(({ slots }) => unpackSlots(slots).includes(endpoint))
  }

  /** Renews the claims of a Service, and collects the frontends that others claim too or go on claiming. */
  #claim(service: ObjectKey, ports: readonly ServicePort[], contested: Set<string>): void {
    const before = this.#entries.get(service) ?? nothing
    const createdAt = ports[0]?.creationTimestamp ?? ''
    const frontends = compact(ports.flatMap((port) => frontendAddresses(port).map(frontendText)))
    if (before.createdAt === createdAt && isSameClaims(before.frontends, frontends)) return
    for (const frontend of before.frontends) if (this.#claims.release(frontend, service)) contested.add(frontend)
    // The age decides among claimants, so it must be known before the claim.
    this.#entries.set(service, { ...before, createdAt, frontends })
    for (const frontend of frontends) if (this.#claims.add(frontend, service)) contested.add(frontend)
  }

  /** Puts what one Service shall have in place of what it has. */
  #place(service: ObjectKey, ports: readonly ServiceFrontends[], nowMs: number, change: TableChange): void {
    const before = this.#entries.get(service) ?? nothing
    const elements: Placed[] = []
    const placements: Placement[] = []
    for (const port of ports) {
      addPortElements(port, elements)
      for (const frontend of port.frontends) {
        const text = before.frontends[placements.length] ?? frontendText(frontend)
        const isTwice = placements.some((placement) => placement.frontend === text)
        // A Service that names a frontend twice has it once: two elements of one key would fail the transaction.
        const isOwner = this.#claims.owner(text) === service && !isTwice
        const previous = before.placements.find((placement) => placement.frontend === text)
        const routes = isOwner ? placeRoutes(frontend, previous, this.#options) : []
        if (isOwner) addFrontendElements(frontend, routes, port, this.#options, elements)
        placements.push(this.#useChains(frontend, text, routes, change))
      }
    }
    this.#releaseChains(before.placements, nowMs)
    compareEndpoints(before.placements, placements, change)
    const packed = packElements(elements, this.#sets)
    diffPacked(
      before.elements,
      packed,
      (set, element) => this.#remove(set, element, change),
      (set, element) => this.#add(set, element, change),
    )
    if (ports.length === 0) this.#entries.delete(service)
    else this.#entries.set(service, { ...before, placements: compact(placements), elements: packed })
  }

  /** Counts the frontend as a user of its chains. */
  #useChains(frontend: Frontend, text: string, routes: readonly PlacedRoute[], change: TableChange): Placement {
    const { protocol, affinityTimeoutSeconds } = frontend
    const used = routes.map(({ route: { pick }, slots, chain }) => {
      const build = (): SharedChain => pickChain(this.#options, { ...pick, slotCount: slots.length })
      return { list: pick.list, chain: this.#sharedChains.use(chain, build, change), slots: packSlots(slots) }
    })
    if (affinityTimeoutSeconds === 0 || used.length === 0) return { frontend: text, protocol, routes: used }
    const build = (): SharedChain => recordChain(this.#options, protocol, affinityTimeoutSeconds)
    const recorder = this.#sharedChains.use(recordChainName(protocol, affinityTimeoutSeconds), build, change)
    return { frontend: text, protocol, routes: used, recordChain: recorder }
  }

  #releaseChains(placements: readonly Placement[], nowMs: number): void {
    for (const { routes, recordChain: recorder } of placements) {
      for (const { chain } of routes) this.#sharedChains.release(chain, nowMs)
      if (recorder !== undefined) this.#sharedChains.release(recorder, nowMs)
    }
  }

  #add(set: number, element: string, change: TableChange): void {
    if (this.#sets.isShared(set)) {
      const key = elementKey(set, element)
      const count = this.#sharedCounts.get(key) ?? 0
      this.#sharedCounts.set(key, count + 1)
      if (count > 0) return
    }
    change.add(set, element)
  }

  #remove(set: number, element: string, change: TableChange): void {
    if (this.#sets.isShared(set)) {
      const key = elementKey(set, element)
      const count = this.#sharedCounts.get(key) ?? 0
      if (count > 1) {
        this.#sharedCounts.set(key, count - 1)
        return
      }
      this.#sharedCounts.delete(key)
    }
    change.remove(set, element)
  }

  /** One warning for each Service that claims a frontend in vain. */
  #conflicts(frontend: string, { ports }: Cluster): Warning[] {
    const [owner, ...others] = this.#claims.claimants(frontend)
    return others.map((service) => {
      const claims = ports(service).flatMap(frontendAddresses)
      return {
        object: `Service ${service}`,
        field: claims.find((claim) => frontendText(claim) === frontend)?.field ?? 'spec',
        message: `${frontend} belongs to Service ${owner} already, which comes first; it is not served from here`,
      }
    })
  }

  /** The older Service first, one of unknown age last; then by namespace and name. */
  #byAge(a: ObjectKey, b: ObjectKey): number {
    const [ageA, ageB] = [a, b].map((service) => this.#entries.get(service)?.createdAt || '~') as [string, string]
    if (ageA !== ageB) return ageA < ageB ? -1 : 1
    return a < b ? -1 : 1
  }
}

/** An array that is kept: one that has grown has room for more than it holds. */
function compact<Item>(items: readonly Item[]): readonly Item[] {
  return items.slice()
}

function isSameClaims(before: readonly string[], after: readonly string[]): boolean {
  return before.length === after.length && before.every((frontend, index) => frontend === after[index])
}

function setNumbers(sets: readonly NftSet[]): SetNumbers {
  const numbers = new Map(sets.map(({ name }, number) => [name, number]))
  const isShared = sets.map(({ name }) => sharedSets.has(name))
  return {
    of(name) {
      const number = numbers.get(name)
      if (number === undefined) throw new RangeError(`the table has no set ${name}`)
      return number
    },
    isShared: (number) => isShared[number] === true,
  }
}
