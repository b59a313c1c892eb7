import { renderTable } from '../nft/render.ts'
import type { ManifestFlags } from './flags.ts'
import { wantedCluster } from './wanted-cluster.ts'

/** Prints the tables of both families. Throws ConfigError and UsageError, with nothing printed. */
export async function render(flags: ManifestFlags): Promise<void> {
  const { tables } = await wantedCluster(flags, ['IPv4', 'IPv6'])
  process.stdout.write(tables.map(({ contents }) => renderTable(contents)).join(''))
}
