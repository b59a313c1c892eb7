import { fastpathTableRef, tableOf } from '../dataplane/names.ts'
import { NftConnection } from '../nft/connection.ts'
import { listTables, readTable } from '../nft/dump.ts'
import type { TableRef } from '../nft/objects.ts'
import { removeTable } from '../nft/transaction.ts'
import { isFastpathTable, removal } from '../sync/fastpath-batches.ts'

/** One of the tables, and whether it was there to be removed. */
export type Leftover = { readonly table: TableRef; readonly isRemoved: boolean }

/**
 * Removes the tables of both families, of this program or of kube-proxy, and our table of the fast path, and nothing
 * else: Service addresses do not work on this machine from then on. Throws NetlinkError and TransactionError.
 */
export async function cleanupLeftovers(
  inNamespace: <T>(open: () => T) => T = (open) => open(),
): Promise<readonly Leftover[]> {
  const connection = inNamespace(() => new NftConnection())
  try {
    const leftovers: Leftover[] = []
    for (const family of ['IPv4', 'IPv6'] as const) {
      const table = tableOf(family)
      const isThere = (await listTables(connection, table.family)).some(({ name }) => name === table.name)
      if (isThere) await connection.commit(removeTable(table))
      leftovers.push({ table, isRemoved: isThere })
    }
    const fastpath = await readTable(connection, fastpathTableRef)
    const isOurs = fastpath !== undefined && isFastpathTable(fastpath)
    if (isOurs) await connection.commit(removal(fastpath))
    return [...leftovers, { table: fastpathTableRef, isRemoved: isOurs }]
  } finally {
    connection.close()
  }
}
