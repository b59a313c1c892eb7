import { ConfigError } from './errors.ts'

/** Levels of pino, the most talkative first. */
const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof logLevels)[number]

/**
 * The level for kube-proxy's verbosity (-v). Up to 2 it logs what an operator follows: settings, each sync with its
 * duration, failures; from 3 on what led to it, Service by Service; from 6 on single kernel objects.
 */
export function logLevelOf(verbosity: number): LogLevel {
  if (verbosity >= 6) return 'trace'
  return verbosity >= 3 ? 'debug' : 'info'
}

/** The level of this name. Throws ConfigError. */
export function parseLogLevel(text: string | undefined): LogLevel | undefined {
  const level = logLevels.find((level) => level === text)
  if (text !== undefined && level === undefined)
    throw new ConfigError('--log-level', `${JSON.stringify(text)} is none of ${logLevels.join(', ')}`)
  return level
}
