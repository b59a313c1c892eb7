import { tableOf } from '../dataplane/names.ts'
import { NftConnection } from '../nft/connection.ts'
import { listTables } from '../nft/dump.ts'
import { removeTable } from '../nft/transaction.ts'
import { requireNfTables } from './nf-tables.ts'

/** Removes the tables of both families, each if it is there, and says so. Throws NetlinkError and TransactionError. */
export async function cleanup(): Promise<void> {
  await requireNfTables()
  const connection = new NftConnection()
  try {
    for (const family of ['IPv4', 'IPv6'] as const) {
      const table = tableOf(family)
      const isThere = (await listTables(connection, table.family)).some(({ name }) => name === table.name)
      if (isThere) await connection.commit(removeTable(table))
      process.stdout.write(`${isThere ? 'removed' : 'no'} table ${table.family} ${table.name}\n`)
    }
  } finally {
    connection.close()
  }
}
