import { cleanupLeftovers } from '../agent/cleanup-leftovers.ts'
import { requireNfTables } from './nf-tables.ts'

/** Removes the tables of both families, each if it is there, and says so. Throws NetlinkError and TransactionError. */
export async function cleanup(): Promise<void> {
  await requireNfTables()
  for (const { table, isRemoved } of await cleanupLeftovers()) {
    process.stdout.write(`${isRemoved ? 'removed' : 'no'} table ${table.family} ${table.name}\n`)
  }
}
