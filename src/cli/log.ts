import { pino, type Logger } from 'pino'
import type { LogLevel } from '../config/log-level.ts'

export type LogFormat = 'text' | 'json'

/** The log on standard error: JSON objects, or lines as Kubernetes components write them; one for each message. */
export function openLog(level: LogLevel, format: LogFormat): Logger {
  const destination = pino.destination(2)
  if (format === 'json') return pino({ level, base: null }, destination)
  return pino({ level, base: null }, { write: (line) => void destination.write(textLine(line)) })
}

/**
 * A line of klog's structured form, out of one of pino's:
 *
 *   I1122 16:05:09.012345      17 flowproxy] "synced" family="IPv4" services=3
 */
export function textLine(json: string, pid = process.pid): string {
  const { level, time, msg, ...fields } = JSON.parse(json) as { level: number; time: number; msg?: string }
  const values = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
  return `${severity(level)}${timestamp(new Date(time))} ${String(pid).padStart(7)} flowproxy] ${JSON.stringify(msg ?? '')}${values.join('')}\n`
}

/** klog knows no other letters: what is less than information is information. */
function severity(level: number): 'I' | 'W' | 'E' | 'F' {
  if (level >= pino.levels.values['fatal']!) return 'F'
  if (level >= pino.levels.values['error']!) return 'E'
  return level >= pino.levels.values['warn']! ? 'W' : 'I'
}

function timestamp(time: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0')
  const day = two(time.getMonth() + 1) + two(time.getDate())
  const hours = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':')
  return `${day} ${hours}.${String(time.getMilliseconds()).padStart(3, '0')}000`
}
