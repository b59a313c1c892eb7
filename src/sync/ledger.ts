import { serviceCidrElements } from '../dataplane/cluster-ips.ts'
import { frontendElements, type Placed, portElements, sharedSets } from '../dataplane/elements.ts'
import { frontendAddresses, frontendText, type ServiceFrontends } from '../dataplane/frontend.ts'
import { setNames } from '../dataplane/names.ts'
import type { DataplaneOptions } from '../dataplane/options.ts'
import { assignSlots, keptEndpoints } from '../dataplane/slots.ts'
import type { ObjectKey, Warning } from '../kube/types.ts'
import type { Cidr } from '../model/cidr.ts'
import type { Endpoint } from '../model/endpoint.ts'
import type { Protocol, ServicePort } from '../model/service-port.ts'
import type { NftSet } from '../nft/objects.ts'
import { Claims } from './claims.ts'
import { diffPacked, elementKey, type PackedElements, packElements, type SetNumbers } from './packed-elements.ts'
import { PickChains } from './pick-chains.ts'
import type { TableChange } from './table-change.ts'

/** What a Service has in the table. */
type Entry = {
  /** RFC 3339; empty when unknown. */
  readonly createdAt: string
  /** The frontends it claims, in the order of its ports. */
  readonly placements: readonly Placement[]
  readonly elements: PackedElements
}

/** A frontend, and its endpoints in their slots: none if another Service owns the frontend. */
type Placement = { readonly frontend: string; readonly protocol: Protocol; readonly slots: readonly Endpoint[] }

/** What the cluster wants of a Service: nothing of one that is gone. */
export type Cluster = {
  readonly ports: (service: ObjectKey) => readonly ServicePort[]
  readonly frontends: (service: ObjectKey) => readonly ServiceFrontends[]
}

const nothing: Entry = { createdAt: '', placements: [], elements: '' }
const noSlots: readonly never[] = []

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
  readonly #pickChains: PickChains
  #serviceCidrs: PackedElements = ''

  /** `sets` are the table's; their order gives the numbers by which elements are filed. */
  constructor(options: DataplaneOptions, sets: readonly NftSet[]) {
    this.#sets = setNumbers(sets)
    this.#pickChains = new PickChains(options)
  }

  get pickChains(): PickChains {
    return this.#pickChains
  }

  /** Services that have anything in the table. */
  get serviceCount(): number {
    return this.#entries.size
  }

  /**
   * Brings the named Services up to date, and those that contend with them for a frontend.
   * Returns the conflicts that were met.
   */
  update(services: Iterable<ObjectKey>, cluster: Cluster, nowMs: number, change: TableChange): Warning[] {
    const due = new Set(services)
    const contested = new Set<string>()
    for (const service of due) this.#claim(service, cluster.ports(service), contested)
    for (const frontend of contested) for (const rival of this.#claims.claimants(frontend)) due.add(rival)
    for (const service of due) this.#place(service, cluster.frontends(service), nowMs, change)
    return [...contested].flatMap((frontend) => this.#conflicts(frontend, cluster))
  }

  /** Brings the ranges of cluster IPs up to date. */
  updateServiceCidrs(cidrs: readonly Cidr[], change: TableChange): void {
    const placed = serviceCidrElements(cidrs).map((element): Placed => ({ set: setNames.serviceCidrs, element }))
    const packed = packElements(placed, this.#sets)
    diffPacked(
      this.#serviceCidrs,
      packed,
      (set, element) => change.remove(set, element),
      (set, element) => change.add(set, element),
    )
    this.#serviceCidrs = packed
  }

  /** Renews the claims of a Service, and collects the frontends that others claim too or go on claiming. */
  #claim(service: ObjectKey, ports: readonly ServicePort[], contested: Set<string>): void {
    const before = this.#entries.get(service) ?? nothing
    const createdAt = ports[0]?.creationTimestamp ?? ''
    const frontends = ports.flatMap((port) => frontendAddresses(port).map(frontendText))
    if (before.createdAt === createdAt && isSameClaims(before.placements, frontends)) return
    for (const { frontend } of before.placements) if (this.#claims.release(frontend, service)) contested.add(frontend)
    // The age decides among claimants, so it must be known before the claim.
    this.#entries.set(service, { ...before, createdAt })
    for (const frontend of frontends) if (this.#claims.add(frontend, service)) contested.add(frontend)
  }

  /** Puts what one Service shall have in place of what it has. */
  #place(service: ObjectKey, ports: readonly ServiceFrontends[], nowMs: number, change: TableChange): void {
    const before = this.#entries.get(service) ?? nothing
    const elements: Placed[] = []
    const placements: Placement[] = []
    for (const port of ports) {
      elements.push(...portElements(port))
      for (const frontend of port.frontends) {
        const { protocol, treatment } = frontend
        const text = frontendText(frontend)
        const isOwner = this.#claims.owner(text) === service
        const slotsBefore = before.placements.find((placement) => placement.frontend === text)?.slots ?? noSlots
        const slots = isOwner && treatment.kind === 'pick' ? assignSlots(slotsBefore, treatment.endpoints) : noSlots
        if (isOwner) elements.push(...frontendElements(frontend, slots))
        placements.push({ frontend: text, protocol, slots })
        const kept = keptEndpoints(slotsBefore, slots)
        change.endpointsAdded += slots.length - kept
        change.endpointsKept += kept
      }
    }
    for (const { protocol, slots } of placements) {
      if (slots.length > 0) this.#pickChains.use(protocol, slots.length, change)
    }
    for (const { protocol, slots } of before.placements) {
      change.endpointsBefore += slots.length
      if (slots.length > 0) this.#pickChains.release(protocol, slots.length, nowMs)
    }
    const packed = packElements(elements, this.#sets)
    diffPacked(
      before.elements,
      packed,
      (set, element) => this.#remove(set, element, change),
      (set, element) => this.#add(set, element, change),
    )
    if (ports.length === 0) this.#entries.delete(service)
    else this.#entries.set(service, { createdAt: before.createdAt, placements, elements: packed })
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

function isSameClaims(placements: readonly Placement[], frontends: readonly string[]): boolean {
  return (
    placements.length === frontends.length && placements.every(({ frontend }, index) => frontend === frontends[index])
  )
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
