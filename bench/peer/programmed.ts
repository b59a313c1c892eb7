import { setTimeout as sleep } from 'node:timers/promises'
import { NetlinkError } from '../../src/netlink/errors.ts'
import type { Codec } from '../../src/netlink/layout.ts'
import type { NftConnection } from '../../src/nft/connection.ts'
import { NFPROTO_IPV4 } from '../../src/nft/constants.ts'
import { chainBody, elementListBody, emptyBody, familyHeader, ruleBody, setBody } from '../../src/nft/messages.ts'
import { podAddress, serviceIp } from '../apiserver/objects.ts'
import type { ClusterSize } from '../cluster.ts'
import { monotonicMs } from '../monotonic.ts'
import type { TableObjects } from './trial.ts'

const tableName = 'kube-proxy'
const servicesMap = 'service-ips'
const pollIntervalMs = 5
const ipv4Header = familyHeader(NFPROTO_IPV4)
const ipv4Objects = { header: ipv4Header, attributes: {} }

/**
 * Waits until the kernel has the cluster as it was generated: each Service's cluster IP in the map of Services, and each
 * endpoint's address somewhere in the table, be it in an element or in a rule. So it asks the same of every layout.
 * Looking through a table takes time, in which the generation of the ruleset is followed: the result is when the latest
 * generation was seen that can have brought what was found, so it is never too early. Undefined without more hope.
 */
export async function programmedAt(
  connection: NftConnection,
  size: ClusterSize,
  isHopeful: () => boolean,
): Promise<number | undefined> {
  let latest = { id: -1, atMs: monotonicMs() }
  const look = async (): Promise<void> => {
    const { id } = await connection.generation()
    if (id !== latest.id) latest = { id, atMs: monotonicMs() }
  }
  const following = new AbortController()
  const followed = (async () => {
    for (; !following.signal.aborted; await sleep(pollIntervalMs)) await look()
  })()
  try {
    let checkedId: number | undefined
    for (; isHopeful(); await sleep(pollIntervalMs)) {
      const { id } = latest
      if (id === checkedId) continue
      const isThere = await hasCluster(connection, size)
      await look()
      if (isThere === true) return latest.atMs
      // What changed while it was read is read again.
      checkedId = isThere === undefined ? undefined : id
    }
    return undefined
  } finally {
    following.abort()
    await followed
  }
}

/** Whether the kernel has the cluster; undefined when it changed meanwhile. */
export async function hasCluster(connection: NftConnection, size: ClusterSize): Promise<boolean | undefined> {
  try {
    const services = addressCounter(serviceIp(0), size.services)
    await readElements(connection, servicesMap, services.scan)
    if (services.found() < size.services) return false
    const pods = addressCounter(podAddress(0), size.services * size.endpoints)
    for (const payload of await connection.dump('GETRULE', emptyBody, ipv4Objects, bytesBody)) pods.scan(payload)
    for (const set of await setNames(connection)) await readElements(connection, set, pods.scan)
    return pods.found() === size.services * size.endpoints
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error
    if (error.errno === 'ENOENT') return false
    if (error.errno === 'EINTR') return undefined
    throw error
  }
}

/** Counted in the tables of both families; what is anonymous counts too. */
export async function tableObjects(connection: NftConnection): Promise<TableObjects> {
  const all = { header: familyHeader(0), attributes: {} }
  const ours = ({ attributes }: { attributes: { table?: string } }): boolean => attributes.table === tableName
  return {
    chains: (await connection.dump('GETCHAIN', emptyBody, all, chainBody)).filter(ours).length,
    rules: (await connection.dump('GETRULE', emptyBody, all, ruleBody)).filter(ours).length,
    sets: (await connection.dump('GETSET', emptyBody, all, setBody)).filter(ours).length,
  }
}

/** Which of `count` consecutive IPv4 addresses occur in messages, where all that is in an attribute is aligned to 4. */
export function addressCounter(first: string, count: number): { scan: (payload: Buffer) => void; found: () => number } {
  const start = first.split('.').reduce((number, part) => number * 256 + Number(part), 0)
  const seen = new Uint8Array(count)
  return {
    scan(payload) {
      for (let at = 0; at + 4 <= payload.length; at += 4) {
        const index = payload.readUInt32BE(at) - start
        if (index >= 0 && index < count) seen[index] = 1
      }
    },
    found: () => seen.reduce((sum, one) => sum + one, 0),
  }
}

async function setNames(connection: NftConnection): Promise<string[]> {
  const sets = await connection.dump('GETSET', emptyBody, ipv4Objects, setBody)
  return sets.flatMap(({ attributes: { table, name } }) => (table === tableName ? [name] : []))
}

async function readElements(connection: NftConnection, set: string, each: (payload: Buffer) => void): Promise<void> {
  const request = { header: ipv4Header, attributes: { table: tableName, set } }
  for (const payload of await connection.dump('GETSETELEM', elementListBody, request, bytesBody)) each(payload)
}

/** A message's bytes as they are: what they mean depends on the layout, and is not asked. */
const bytesBody: Codec<Buffer> = {
  write: (writer, bytes) => writer.bytes(bytes),
  read: (buffer, start, end) => Buffer.from(buffer.subarray(start, end)),
}
