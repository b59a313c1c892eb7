const unitNs = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
} as const

/** A duration is a signed 64-bit number of nanoseconds. */
const maxNs = 2n ** 63n - 1n

/** What a duration is, for messages. */
export const durationWords = 'a duration such as 100ms, 1s or 1m30s'

/**
 * Milliseconds of a duration as Kubernetes writes it (Go's time.ParseDuration): `100ms`, `1m30s`, `-5s`, `0`. Undefined
 * for anything else.
 */
export function readDuration(text: string): number | undefined {
  const [, sign, rest = ''] = /^([-+]?)(.*)$/s.exec(text) ?? []
  if (rest === '0') return 0
  let ns = 0n
  let length = 0
  for (const [part, whole = '', fraction = '', unit] of rest.matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/g)) {
    if (whole === '' && fraction === '') return undefined
    ns += (BigInt(whole + fraction) * unitNs[unit as keyof typeof unitNs]) / 10n ** BigInt(fraction.length)
    length += part.length
  }
  if (length === 0 || length !== rest.length || ns > maxNs) return undefined
  const isExact = ns <= BigInt(Number.MAX_SAFE_INTEGER)
  const ms = isExact ? Number(ns) / 1e6 : Number(ns / unitNs.ms) + Number(ns % unitNs.ms) / 1e6
  return sign === '-' && ms !== 0 ? -ms : ms
}

/** The duration as Kubernetes writes it: `1h0m0s`, `1.5s`, `100ms`, `0s`. Reading it gives the same milliseconds. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`
  if (ms === 0) return '0s'
  const wholeMs = Math.floor(ms)
  const ns = BigInt(wholeMs) * unitNs.ms + BigInt(Math.round((ms - wholeMs) * 1e6))
  if (ns < unitNs.us) return `${ns}ns`
  if (ns < unitNs.ms) return `${decimal(ns, unitNs.us)}µs`
  if (ns < unitNs.s) return `${decimal(ns, unitNs.ms)}ms`
  const seconds = `${decimal(ns % unitNs.m, unitNs.s)}s`
  if (ns < unitNs.m) return seconds
  const minutes = `${(ns % unitNs.h) / unitNs.m}m${seconds}`
  return ns < unitNs.h ? minutes : `${ns / unitNs.h}h${minutes}`
}

/** How many units these are, with as many decimals as are needed. */
function decimal(ns: bigint, unit: bigint): string {
  const digits = String(unit).length - 1
  const fraction = String(ns % unit)
    .padStart(digits, '0')
    .replace(/0+$/, '')
  return fraction === '' ? `${ns / unit}` : `${ns / unit}.${fraction}`
}
