import { frontendElements, type Placed, portElements, sharedSets } from '../dataplane/elements.ts'
import { type Frontend, frontendKey, type ServiceFrontends } from '../dataplane/frontend.ts'
import { setNames } from '../dataplane/names.ts'
import type { DataplaneOptions } from '../dataplane/options.ts'
import { assignSlots, keptEndpoints } from '../dataplane/slots.ts'
import { serviceCidrElements } from '../dataplane/cluster-ips.ts'
import type { ObjectKey, Warning } from '../kube/types.ts'
import type { Cidr } from '../model/cidr.ts'
import type { Endpoint } from '../model/endpoint.ts'
import type { Protocol } from '../model/service-port.ts'
import type { NftSet } from '../nft/objects.ts'
import { Claims } from './claims.ts'
import { diffPacked, keyAt, type PackedElements, packElements } from './packed-elements.ts'
import { PickChains } from './pick-chains.ts'
import { TableChange } from './table-change.ts'

/** What a Service has in the table. */
type Entry = {
  /** RFC 3339; Services without one count as the youngest. */
  readonly createdAt: string
  readonly placements: readonly Placement[]
  readonly elements: PackedElements
}

/** A frontend that a Service claims, and its endpoints in their slots: none if another Service owns the frontend. */
type Placement = { readonly frontend: string; readonly protocol: Protocol; readonly slots: readonly Endpoint[] }

const noElements: PackedElements = new Uint8Array()

/**
 * What the table of one family holds, by Service. It answers the question of every sync: these Services may have
 * changed, what has to be changed in the table? The cost is that of the Services named, not of all.
 *
 * The ledger is ahead of the kernel until the change is committed; if that fails it is thrown away.
 */
export class Ledger {
  readonly #setNumbers: ReadonlyMap<string, number>
  readonly #isShared: readonly boolean[]
  readonly #entries = new Map<ObjectKey, Entry>()
  readonly #claims = new Claims((a, b) => this.#byAge(a, b))
  /** How many Services want an element of a shared set. */
  readonly #sharedCounts = new Map<string, number>()
  readonly #pickChains: PickChains
  #serviceCidrs: PackedElements = noElements

  /** `sets` are the table's; their order gives the numbers by which elements are filed. */
  constructor(options: DataplaneOptions, sets: readonly NftSet[]) {
    this.#setNumbers = new Map(sets.map(({ name }, number) => [name, number]))
    this.#isShared = sets.map(({ name }) => sharedSets.has(name))
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
   * Brings the named Services up to date, and those whose claims are affected by theirs. `frontendsOf` tells what a
   * Service shall have: an empty list for one that is gone. Returns what was found to be in conflict.
   */
  update(
    services: Iterable<ObjectKey>,
    frontendsOf: (service: ObjectKey) => readonly ServiceFrontends[],
    nowMs: number,
    change: TableChange,
  ): Warning[] {
    const wanted = new Map<ObjectKey, readonly ServiceFrontends[]>()
    for (const service of services) wanted.set(service, frontendsOf(service))
    const { affected, warnings } = this.#claim(wanted)
    for (const service of affected) if (!wanted.has(service)) wanted.set(service, frontendsOf(service))
    for (const [service, ports] of wanted) this.#place(service, ports, nowMs, change)
    return warnings
  }

  /** Brings the ranges of cluster IPs up to date. */
  updateServiceCidrs(cidrs: readonly Cidr[], change: TableChange): void {
    const placed = serviceCidrElements(cidrs).map((element): Placed => ({ set: setNames.serviceCidrs, element }))
    const packed = this.#pack(placed)
    diffPacked(
      this.#serviceCidrs,
      packed,
      (set, element) => change.remove(set, element),
      (set, element) => change.add(set, element),
    )
    this.#serviceCidrs = packed
  }

  /** Renews the claims of these Services; returns all Services that won or lost a frontend by it. */
  #claim(wanted: ReadonlyMap<ObjectKey, readonly ServiceFrontends[]>): {
    affected: ReadonlySet<ObjectKey>
    warnings: Warning[]
  } {
    const ownersBefore = new Map<string, ObjectKey | undefined>()
    const fields = new Map<string, Frontend>()
    for (const [service, ports] of wanted) {
      const before = this.#entries.get(service)
      const createdAt = ports[0]?.servicePort.creationTimestamp ?? ''
      const frontends = new Map(
        ports.flatMap((port) => port.frontends.map((frontend) => [frontendId(frontend), frontend])),
      )
      if (before?.createdAt === createdAt && isSameClaims(before.placements, frontends)) continue
      const touched = [...(before?.placements ?? []).map(({ frontend }) => frontend), ...frontends.keys()]
      for (const id of touched) if (!ownersBefore.has(id)) ownersBefore.set(id, this.#claims.owner(id))
      for (const { frontend } of before?.placements ?? []) this.#claims.release(frontend, service)
      this.#entries.set(service, {
        createdAt,
        placements: before?.placements ?? [],
        elements: before?.elements ?? noElements,
      })
      for (const [id, frontend] of frontends) {
        this.#claims.add(id, service)
        fields.set(id, frontend)
      }
    }
    const affected = new Set<ObjectKey>()
    const warnings: Warning[] = []
    for (const [id, ownerBefore] of ownersBefore) {
      const [owner, ...others] = this.#claims.claimants(id)
      if (owner !== ownerBefore)
        for (const service of [owner, ownerBefore]) if (service !== undefined) affected.add(service)
      const frontend = fields.get(id)
      if (owner === undefined || frontend === undefined) continue
      for (const service of others) warnings.push(conflictWarning(service, frontend, owner))
    }
    return { affected, warnings }
  }

  /** Puts what one Service shall have in place of what it has. */
  #place(service: ObjectKey, ports: readonly ServiceFrontends[], nowMs: number, change: TableChange): void {
    const before = this.#entries.get(service)
    const slotsBefore = new Map(before?.placements.map(({ frontend, slots }) => [frontend, slots]))
    const elements: Placed[] = []
    const placements: Placement[] = []
    for (const port of ports) {
      elements.push(...portElements(port))
      for (const frontend of port.frontends) {
        const id = frontendId(frontend)
        const isOwner = this.#claims.owner(id) === service
        const { treatment } = frontend
        const slots =
          isOwner && treatment.kind === 'pick' ? assignSlots(slotsBefore.get(id) ?? [], treatment.endpoints) : []
        if (isOwner) elements.push(...frontendElements(frontend, slots))
        const slotsOld = slotsBefore.get(id) ?? []
        change.countEndpoints(slotsOld, slots, keptEndpoints(slotsOld, slots))
        placements.push({ frontend: id, protocol: frontend.protocol, slots })
      }
    }
    for (const { protocol, slots } of placements)
      if (slots.length > 0) this.#pickChains.use(protocol, slots.length, change)
    for (const { protocol, slots } of before?.placements ?? []) {
      if (slots.length > 0) this.#pickChains.release(protocol, slots.length, nowMs)
    }
    const packed = this.#pack(elements)
    diffPacked(
      before?.elements ?? noElements,
      packed,
      (set, element) => this.#remove(set, element, change),
      (set, element) => this.#add(set, element, change),
    )
    if (ports.length === 0) this.#entries.delete(service)
    else
      this.#entries.set(service, {
        createdAt: ports[0]?.servicePort.creationTimestamp ?? '',
        placements,
        elements: packed,
      })
  }

  #add(set: number, element: Uint8Array, change: TableChange): void {
    if (this.#isShared[set] === true) {
      const key = keyAt(element, set, 0)
      const count = this.#sharedCounts.get(key) ?? 0
      this.#sharedCounts.set(key, count + 1)
      if (count > 0) return
    }
    change.add(set, element)
  }

  #remove(set: number, element: Uint8Array, change: TableChange): void {
    if (this.#isShared[set] === true) {
      const key = keyAt(element, set, 0)
      const count = this.#sharedCounts.get(key) ?? 0
      if (count > 1) {
        this.#sharedCounts.set(key, count - 1)
        return
      }
      this.#sharedCounts.delete(key)
    }
    change.remove(set, element)
  }

  #pack(elements: readonly Placed[]): PackedElements {
    return packElements(elements, (name) => {
      const number = this.#setNumbers.get(name)
      if (number === undefined) throw new RangeError(`the table has no set ${name}`)
      return number
    })
  }

  /** The older Service first, then by namespace and name. */
  #byAge(a: ObjectKey, b: ObjectKey): number {
    const [ageA, ageB] = [this.#entries.get(a)?.createdAt || youngest, this.#entries.get(b)?.createdAt || youngest]
    if (ageA !== ageB) return ageA < ageB ? -1 : 1
    return a < b ? -1 : 1
  }
}

/** Sorts after every time of creation. */
const youngest = '~'

/** A frontend in as few bytes as possible; there is one such string for each. */
function frontendId(frontend: Frontend): string {
  return Buffer.from(frontendKey(frontend)).toString('latin1')
}

function isSameClaims(placements: readonly Placement[], frontends: ReadonlyMap<string, Frontend>): boolean {
  return placements.length === frontends.size && placements.every(({ frontend }) => frontends.has(frontend))
}

function conflictWarning(service: ObjectKey, { ip, protocol, port, field }: Frontend, owner: ObjectKey): Warning {
  const address = ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
  return {
    object: `Service ${service}`,
    field,
    message: `${address}/${protocol} belongs to Service ${owner} already, which is older; this port is not served`,
  }
}
