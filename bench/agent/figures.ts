import { spawnSync } from 'node:child_process'
import { cpus, release } from 'node:os'

/** What figures depend on. */
export function machineText(): string {
  const [cpu] = cpus()
  const machine = `${cpus().length} x ${cpu?.model ?? 'unknown CPU'}, Linux ${release()}`
  return `${machine}, Node.js ${process.version}, ${nftVersion()}`
}

/** A line of a Markdown table. */
export function row(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`
}

export function median(values: readonly number[]): number {
  return percentile(values, 50)
}

export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN
}

/** A dash when there is no such time. */
export function ms(value: number): string {
  if (!Number.isFinite(value)) return '-'
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(value < 10 ? 1 : 0)} ms`
}

export function percent(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)} %`
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`
}

function nftVersion(): string {
  return spawnSync('nft', ['--version'], { encoding: 'utf8' }).stdout.trim()
}
