import { once } from 'node:events'
import { pino } from 'pino'
import { supportedFamilies } from '../agent/families.ts'
import { ManifestAgent } from '../agent/manifest-agent.ts'
import { maxSyncPeriodMs } from '../agent/pipeline.ts'
import { dataplaneConfig } from '../config/dataplane-flags.ts'
import { parseDuration } from '../config/duration.ts'
import { ConfigError } from '../config/errors.ts'
import { UsageError } from './failure.ts'
import { bindAddressOf, type ManifestFlags, nodeNameOf } from './flags.ts'
import { requireNfTables } from './nf-tables.ts'

export type RunFlags = ManifestFlags & {
  readonly minSyncPeriod: string
  readonly syncPeriod: string
  readonly logLevel: string
}

/** Runs until SIGINT or SIGTERM. */
export async function run(flags: RunFlags): Promise<void> {
  const level = logLevel(flags.logLevel)
  const bindAddress = bindAddressOf(flags)
  const options = {
    manifests: flags.manifests,
    nodeName: nodeNameOf(flags),
    dataplane: dataplaneConfig(flags),
    ...(bindAddress === undefined ? {} : { bindAddress }),
    minSyncPeriodMs: minSyncPeriodMs(flags.minSyncPeriod),
    retryPeriodMs: retryPeriodMs(flags.syncPeriod),
  }
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  await requireNfTables()
  const log = pino({ level, base: null }, pino.destination(2))
  const agent = new ManifestAgent({ ...options, families: supportedFamilies(), log })
  const isStarted = await agent.start()
  if (!isStarted) {
    await agent.close()
    throw new UsageError(`${flags.manifests} could not be read as a whole; nothing was programmed`)
  }
  await stopped
  await agent.close()
  log.info('stopped; the rules stay in force')
}

function minSyncPeriodMs(text: string): number {
  const ms = parseDuration('--min-sync-period', text)
  if (ms <= maxSyncPeriodMs) return ms
  throw new ConfigError('--min-sync-period', `"${text}" is longer than 1h, when a sync is due in any case`)
}

function retryPeriodMs(text: string): number {
  const ms = parseDuration('--sync-period', text)
  if (ms > 0) return ms
  throw new ConfigError('--sync-period', `"${text}" is no pause before a failed sync is tried again`)
}

function logLevel(text: string): string {
  if (text in pino.levels.values) return text
  throw new ConfigError('--log-level', `"${text}" is none of ${Object.keys(pino.levels.values).join(', ')}`)
}
