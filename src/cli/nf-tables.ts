import { NetlinkError } from '../netlink/errors.ts'
import { NftConnection } from '../nft/connection.ts'
import { UsageError } from './failure.ts'

/** Asks nf_tables for its generation. Throws NetlinkError without permission, UsageError when the kernel lacks nf_tables. */
export async function requireNfTables(): Promise<void> {
  const connection = new NftConnection()
  try {
    await connection.generation()
  } catch (error) {
    // nfnetlink answers so for a subsystem that is neither built in nor a loadable module
    if (!(error instanceof NetlinkError && error.errno === 'EINVAL')) throw error
    throw new UsageError(
      'this kernel has no nf_tables: load the module (modprobe nf_tables) or use a kernel with CONFIG_NF_TABLES',
      { cause: error },
    )
  } finally {
    connection.close()
  }
}
