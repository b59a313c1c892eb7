import { ConfigError } from './errors.ts'

const unitMs = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/** Milliseconds of a duration as Kubernetes writes it (Go's time.ParseDuration): `100ms`, `1m30s`, `0`. Throws ConfigError. */
export function parseDuration(field: string, text: string): number {
  if (text === '0') return 0
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)]
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== text) {
    throw new ConfigError(field, `"${text}" is not a duration such as 100ms, 1s or 1m30s`)
  }
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * unitMs[unit as keyof typeof unitMs], 0)
}
