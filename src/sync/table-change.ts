import type { SharedChain } from '../dataplane/shared-chain.ts'
import type { Protocol } from '../model/service-port.ts'
import { ByteWriter } from '../netlink/bytes.ts'
import type { Chain, NftSet, Rule, TableRef } from '../nft/objects.ts'
import type { Operation } from '../nft/transaction.ts'

/** What one sync changes in a table, collected set by set. */
export class TableChange {
  readonly #removed = new Map<number, ByteWriter>()
  readonly #added = new Map<number, ByteWriter>()
  readonly #chains: SharedChain[] = []
  elementsRemoved = 0
  elementsAdded = 0
  /** Endpoints that frontends gained and lost. */
  endpointsAdded = 0
  endpointsRemoved = 0
  /** Frontends with session affinity lost endpoints: clients that are stuck to those must be let go. */
  readonly unstuck = new Set<Protocol>()

  addChain(chain: SharedChain): void {
    this.#chains.push(chain)
  }

  remove(set: number, element: string): void {
    this.elementsRemoved++
    append(this.#removed, set, element)
  }

  add(set: number, element: string): void {
    this.elementsAdded++
    append(this.#added, set, element)
  }

  /** The chains that are new, with their rules. */
  chainOperations(table: TableRef): Operation[] {
    return [
      ...this.chains.map((chain): Operation => ({ verb: 'add', object: 'chain', table, chain })),
      ...this.rules.map((rule): Operation => ({ verb: 'add', object: 'rule', table, rule })),
    ]
  }

  /** Removals first, so that an element with a new value takes its own place. They may refer to the new chains. */
  elementOperations(table: TableRef, sets: readonly NftSet[]): Operation[] {
    const onElements = (verb: 'add' | 'delete', bySet: ReadonlyMap<number, ByteWriter>): Operation[] =>
      sets.flatMap((set, number): Operation[] => {
        const writer = bySet.get(number)
        return writer === undefined ? [] : [{ verb, object: 'element', table, set, elements: writer.view() }]
      })
    return [...onElements('delete', this.#removed), ...onElements('add', this.#added)]
  }

  /** The chains that are new, in the order of their names: `pick-tcp-2` before `pick-tcp-10`. */
  get chains(): readonly Chain[] {
    return this.#sortedChains().map(({ name }) => ({ name }))
  }

  /** The rules of the new chains. */
  get rules(): readonly Rule[] {
    return this.#sortedChains().flatMap(({ name, rules }) => rules.map((expressions) => ({ chain: name, expressions })))
  }

  #sortedChains(): readonly SharedChain[] {
    return this.#chains.toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
  }
}

function append(bySet: Map<number, ByteWriter>, set: number, element: string): void {
  const writer = bySet.get(set) ?? new ByteWriter(256)
  bySet.set(set, writer)
  writer.latin1Bytes(element)
}
