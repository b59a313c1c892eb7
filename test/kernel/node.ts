import { tableOf } from '../../src/dataplane/names.ts'
import type { DataplaneOptions } from '../../src/dataplane/options.ts'
import type { Family } from '../../src/model/ip.ts'
import type { NftConnection } from '../../src/nft/connection.ts'
import { readTable } from '../../src/nft/dump.ts'
import { createProxy, type Proxy } from '../sync/proxy.ts'

/** A proxy that programs the kernel behind a connection. */
export function proxyOn(connection: NftConnection, family: Family, dataplane: Partial<DataplaneOptions> = {}): Proxy {
  return createProxy({
    family,
    dataplane,
    commit: (operations) => connection.commit(operations),
    readElements: async (set) => (await readTable(connection, tableOf(family)))?.elements.get(set) ?? [],
  })
}
