import { setTimeout as sleep } from 'node:timers/promises'
import { NetlinkError } from '../../src/netlink/errors.ts'
import { NFPROTO_IPV4 } from '../../src/nft/constants.ts'
import type { NftConnection } from '../../src/nft/connection.ts'
import { forEachElement } from '../../src/nft/elements.ts'
import { elementListBody, emptyBody, familyHeader, setBody, tableBody } from '../../src/nft/messages.ts'
import { monotonicMs } from '../monotonic.ts'

/** The map that has one element for each Service, in our table as in kube-proxy's. */
const servicesMap = { table: 'kube-proxy', set: 'service-ips' }
const pollIntervalMs = 5
const quietMs = 5000
const ipv4Header = familyHeader(NFPROTO_IPV4)

/** What the kernel was like before a proxy was started. */
export type KernelState = { readonly mapHandle: string | undefined; readonly generation: number }

export async function kernelState(connection: NftConnection): Promise<KernelState> {
  return { mapHandle: await servicesMapHandle(connection), generation: (await connection.generation()).id }
}

/**
 * Waits until the map of Services has so many elements. The result is when the generation of the ruleset was seen that
 * has it. A map that was there before may be full all the time: unless it is made anew, that is the last generation
 * before a long quiet. Throws when there is no more hope.
 */
export async function programmedAt(
  connection: NftConnection,
  services: number,
  before: KernelState,
  isHopeful: () => boolean,
): Promise<number> {
  let seen = before.generation
  let fullAtMs: number | undefined
  for (; isHopeful(); await sleep(pollIntervalMs)) {
    const { id } = await connection.generation()
    const nowMs = monotonicMs()
    if (id === seen) {
      if (fullAtMs !== undefined && nowMs - fullAtMs > quietMs) return fullAtMs
      continue
    }
    seen = id
    const handle = await servicesMapHandle(connection)
    const isFull = handle !== undefined && (await servicesMapSize(connection)) >= services
    if (isFull && handle !== before.mapHandle) return nowMs
    fullAtMs = isFull ? nowMs : undefined
  }
  throw new Error(`the kernel never had ${services} Services`)
}

/** Tells one map of Services from one made later: the kernel numbers sets anew in each table. Undefined without a map. */
async function servicesMapHandle(connection: NftConnection): Promise<string | undefined> {
  const all = { header: ipv4Header, attributes: {} }
  const tables = await connection.dump('GETTABLE', emptyBody, all, tableBody)
  const sets = await connection.dump('GETSET', emptyBody, all, setBody)
  const table = tables.find(({ attributes }) => attributes.name === servicesMap.table)
  const set = sets.find(({ attributes: { table, name } }) => table === servicesMap.table && name === servicesMap.set)
  return table && set && `${table.attributes.handle}/${set.attributes.handle}`
}

async function servicesMapSize(connection: NftConnection): Promise<number> {
  const request = { header: ipv4Header, attributes: servicesMap }
  const replies = await connection
    .dump('GETSETELEM', elementListBody, request, elementListBody)
    .catch((error: unknown) => {
      if (error instanceof NetlinkError && error.errno === 'ENOENT') return []
      throw error
    })
  let size = 0
  for (const { attributes } of replies) forEachElement(attributes.elements ?? new Uint8Array(), () => size++)
  return size
}
