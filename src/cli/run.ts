import { Daemon } from '../agent/daemon.ts'
import { ConfigWatcher } from '../config/config-watcher.ts'
import { writeConfiguration } from '../config/configuration-file.ts'
import type { RunFlags } from '../config/flag-values.ts'
import { type Config, hostEnvironment, loadConfig } from '../config/load.ts'
import { asksForVersion } from '../config/run-flags.ts'
import { cleanup } from './cleanup.ts'
import { openLog } from './log.ts'
import { requireNfTables } from './nf-tables.ts'
import { version } from './version.ts'

/** Runs until SIGINT or SIGTERM, or does what one of the flags asks for instead. */
export async function run(flags: RunFlags): Promise<void> {
  if (asksForVersion(flags)) {
    process.stdout.write(`flowproxy ${version()}\n`)
    return
  }
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  let config: Config | undefined = loadConfig(flags)
  if (config.writeConfigTo !== undefined) {
    writeConfiguration(config.writeConfigTo, config.configuration)
    return
  }
  if (config.cleanup) {
    await cleanup()
    return
  }
  while (config !== undefined) config = await runWith(config, flags, stop.signal)
}

/** Runs until the signal is aborted, or until the configuration file says something else: then resolves with that. */
async function runWith(config: Config, flags: RunFlags, stopped: AbortSignal): Promise<Config | undefined> {
  const log = openLog(config.logLevel, config.logFormat)
  await requireNfTables()
  for (const { level, message } of config.notes) log[level](message)
  const renewed = Promise.withResolvers<Config>()
  const reload = new AbortController()
  const watcher =
    config.configFile &&
    new ConfigWatcher({
      ...config.configFile,
      parse: (text) => loadConfig(flags, { ...hostEnvironment, readFile: () => text }),
      onChange: (next) => {
        log.info({ file: config.configFile?.path }, 'the configuration has changed: starting anew with it')
        renewed.resolve(next)
        reload.abort()
      },
      onProblem: (problem) => log.error(problem),
    })
  watcher?.start()
  try {
    await new Daemon({ config, version: version(), log }).run(AbortSignal.any([stopped, reload.signal]))
  } finally {
    watcher?.close()
  }
  if (reload.signal.aborted && !stopped.aborted) return renewed.promise
  log.info(config.initOnly ? 'prepared; no rules were written' : 'stopped; the rules stay in force')
  return undefined
}
