import { type Pin, pinOf } from '../dataplane/affinity.ts'
import { affinityMapName, protocols } from '../dataplane/names.ts'
import type { DataplaneOptions } from '../dataplane/options.ts'
import type { Protocol } from '../model/service-port.ts'
import { encodeElements } from '../nft/elements.ts'
import type { NftSet, SetElement, TableRef } from '../nft/objects.ts'
import type { Operation } from '../nft/transaction.ts'
import type { Ledger } from './ledger.ts'

/** Clients with session affinity, as the kernel has recorded them. */
export type AffinityPins = ReadonlyMap<Protocol, readonly SetElement[]>

/** Reads the elements of one set; none if there is no such set. */
export type ReadElements = (set: string) => Promise<readonly SetElement[]>

/** What is recorded for these protocols. */
export async function readPins(read: ReadElements, of: Iterable<Protocol> = protocols): Promise<AffinityPins> {
  const pins = new Map<Protocol, readonly SetElement[]>()
  for (const protocol of of) pins.set(protocol, await read(affinityMapName(protocol)))
  return pins
}

/** Puts back what an earlier table had recorded, as far as it still holds, with the time that is left. */
export function restorePins(
  pins: AffinityPins,
  ledger: Ledger,
  options: DataplaneOptions,
  table: TableRef,
  sets: readonly NftSet[],
): Operation[] {
  return onPins('add', table, sets, pins, (protocol, element) => isAllowed(ledger, pinOf(options, protocol, element)))
}

/** Lets go of the clients whose endpoint their frontend no longer has. */
export function releasePins(
  pins: AffinityPins,
  ledger: Ledger,
  options: DataplaneOptions,
  table: TableRef,
  sets: readonly NftSet[],
): Operation[] {
  return onPins(
    'delete',
    table,
    sets,
    pins,
    (protocol, element) => !isAllowed(ledger, pinOf(options, protocol, element)),
  )
}

function isAllowed(ledger: Ledger, { frontends: [ip, nodePort], endpoint }: Pin): boolean {
  return ledger.allowsPin(ip, endpoint) || ledger.allowsPin(nodePort, endpoint)
}

/** Elements about to expire are left alone: they may be gone before the transaction is there. */
const tooShortMs = 1000

function onPins(
  verb: 'add' | 'delete',
  table: TableRef,
  sets: readonly NftSet[],
  pins: AffinityPins,
  isMeant: (protocol: Protocol, element: SetElement) => boolean,
): Operation[] {
  return [...pins].flatMap(([protocol, elements]): Operation[] => {
    const set = sets.find(({ name }) => name === affinityMapName(protocol))
    const meant = elements.filter(
      (element) => (element.expiresMs ?? Number.POSITIVE_INFINITY) > tooShortMs && isMeant(protocol, element),
    )
    if (set === undefined || meant.length === 0) return []
    return [{ verb, object: 'element', table, set, elements: encodeElements(meant) }]
  })
}
