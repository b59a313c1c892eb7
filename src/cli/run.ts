import { once } from 'node:events'
import { pino } from 'pino'
import { supportedFamilies } from '../agent/families.ts'
import { ManifestAgent } from '../agent/manifest-agent.ts'
import { dataplaneConfig } from '../config/dataplane-flags.ts'
import { parseDuration } from '../config/duration.ts'
import { ConfigError } from '../config/errors.ts'
import { UsageError } from './failure.ts'
import { type ManifestFlags, nodeNameOf } from './flags.ts'
import { requireNfTables } from './nf-tables.ts'

export type RunFlags = ManifestFlags & {
  readonly minSyncPeriod: string
  readonly syncPeriod: string
  readonly logLevel: string
}

/** Runs until SIGINT or SIGTERM. */
export async function run(flags: RunFlags): Promise<void> {
  const level = logLevel(flags.logLevel)
  const options = {
    manifests: flags.manifests,
    nodeName: nodeNameOf(flags),
    dataplane: dataplaneConfig(flags),
    minSyncPeriodMs: parseDuration('--min-sync-period', flags.minSyncPeriod),
    retryPeriodMs: parseDuration('--sync-period', flags.syncPeriod),
  }
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  await requireNfTables()
  const log = pino({ level, base: null }, pino.destination(2))
  const agent = new ManifestAgent({ ...options, families: supportedFamilies(), log })
  const isStarted = await agent.start()
  if (!isStarted) {
    await agent.close()
    throw new UsageError(`${flags.manifests} could not be read; nothing was programmed`)
  }
  await stopped
  await agent.close()
  log.info('stopped; the rules stay in force')
}

function logLevel(text: string): string {
  if (text in pino.levels.values) return text
  throw new ConfigError('--log-level', `"${text}" is none of ${Object.keys(pino.levels.values).join(', ')}`)
}
