import { renderTable } from '../nft/render.ts'
import type { ManifestFlags } from './flags.ts'
import { wantedCluster } from './wanted-cluster.ts'

/** Prints the tables of both families, and that of the fast path. Throws ConfigError and UsageError, with nothing printed. */
export async function render(flags: ManifestFlags): Promise<void> {
  const { tables, fastpath } = await wantedCluster(flags, ['IPv4', 'IPv6'])
  const contents = [...tables.map(({ contents }) => contents), ...(fastpath === undefined ? [] : [fastpath])]
  process.stdout.write(contents.map(renderTable).join(''))
}
