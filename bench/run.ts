/*
 * npm run bench, which compiles this folder and src first, since what is published is JavaScript: cold programming and one endpoint change, with a chain-per-Service ruleset loaded by `nft -f` as the
 * baseline in the same run. Prints a table and keeps it in bench/results.md. Needs root and the nft program.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { fileURLToPath } from 'node:url'
import { NetworkNamespace } from '../src/netlink/namespace.ts'
import { chainPerServiceText } from './chain-per-service.ts'
import type { ClusterSize } from './cluster.ts'
import type { ColdResult, IncrementalResult } from './measure.ts'

const runs = 5
/** The baseline is quadratic in the number of Services. */
const baselineMaxServices = 5000
const baselineTimeoutMs = 180_000

const coldCases: readonly (ClusterSize & { readonly budgetMs?: number; readonly isMixed?: boolean })[] = [
  { services: 1000, endpoints: 2 },
  { services: 5000, endpoints: 2 },
  { services: 10_000, endpoints: 2 },
  { services: 45_000, endpoints: 1, budgetMs: 1000 },
  { services: 5000, endpoints: 50, budgetMs: 2000 },
  { services: 10_000, endpoints: 10, budgetMs: 2000, isMixed: true },
]
const incrementalCase = { services: 45_000, endpoints: 1, budgetMs: 25, budgetElements: 10 }
const commitBudgetMs = 200

type ColdRow = {
  readonly size: ClusterSize
  readonly isMixed: boolean
  readonly budgetMs: number | undefined
  readonly ours: ColdResult
  readonly baselineMs: number | undefined
}

if (process.getuid?.() !== 0) {
  process.stderr.write('bench: needs root, to make network namespaces and to program nf_tables in them\n')
  process.exit(2)
}

const rows = coldCases.map(({ budgetMs, isMixed = false, ...size }): ColdRow => {
  const measured: ColdResult[] = []
  const baseline: number[] = []
  for (let run = 0; run < runs; run++) {
    measured.push(measure(isMixed ? 'mixed' : 'cold', size) as ColdResult)
    // Rounds are interleaved, so that a slow moment of the machine hits both. One round of a slow baseline is enough.
    const isSlow = (baseline[0] ?? 0) > 5000
    if (size.services <= baselineMaxServices && !isSlow) baseline.push(loadBaseline(size))
    process.stderr.write('.')
  }
  return {
    size,
    isMixed,
    budgetMs,
    ours: medianResult(measured),
    baselineMs: baseline.length === 0 ? undefined : median(baseline),
  }
})
const changes = Array.from({ length: runs }, () => measure('incremental', incrementalCase) as IncrementalResult)
process.stderr.write('\n')

const text = report(rows, changes)
process.stdout.write(text)
writeFileSync('bench/results.md', text)

function measure(mode: 'cold' | 'mixed' | 'incremental', { services, endpoints }: ClusterSize): unknown {
  const script = fileURLToPath(new URL('measure.js', import.meta.url))
  const args = ['--max-semi-space-size=4', '--expose-gc', script, mode, String(services), String(endpoints)]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 24 })
  if (status !== 0) throw new Error(`${mode} ${services} x ${endpoints} failed:\n${stderr}`)
  return JSON.parse(stdout)
}

/** Milliseconds until `nft -f` has loaded the baseline in a fresh namespace; infinite when it takes too long. */
function loadBaseline(size: ClusterSize): number {
  const input = chainPerServiceText(size)
  const namespace = NetworkNamespace.create()
  try {
    const start = performance.now()
    const options = { input, encoding: 'utf8', timeout: baselineTimeoutMs } as const
    const { status, stderr, error } = namespace.run(() => spawnSync('nft', ['-f', '-'], options))
    if (error !== undefined && (error as NodeJS.ErrnoException).code === 'ETIMEDOUT') return Number.POSITIVE_INFINITY
    if (status !== 0) throw new Error(`nft could not load the baseline: ${stderr}${error?.message ?? ''}`)
    return performance.now() - start
  } finally {
    namespace.close()
  }
}

function medianResult(results: readonly ColdResult[]): ColdResult {
  const [first] = results
  if (first === undefined) throw new Error('no runs')
  const keys = Object.keys(first) as (keyof ColdResult)[]
  return Object.fromEntries(keys.map((key) => [key, median(results.map((result) => result[key]))])) as ColdResult
}

function median(values: readonly number[]): number {
  return percentile(values, 50)
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN
}

function report(cold: readonly ColdRow[], incremental: readonly IncrementalResult[]): string {
  const changesMs = incremental.flatMap((result) => result.changesMs)
  const [p50, p99] = [percentile(changesMs, 50), percentile(changesMs, 99)]
  const elements = Math.max(...incremental.map(({ elementsPerChange }) => elementsPerChange))
  const longestCommit = Math.max(...cold.filter(({ size }) => size.endpoints === 1).map(({ ours }) => ours.kernelMs))
  const [cpu] = cpus()
  return `# Benchmark results

Medians of ${runs} runs, each in a process and a network namespace of its own. Machine: ${cpus().length} x ${cpu?.model ?? 'unknown CPU'},
Linux ${release()}, Node.js ${process.version}, ${nftVersion()}. Made by \`npm run bench\`.

## Cold programming: objects in memory to the kernel's acknowledgement

The baseline is the same Services as one chain and one anonymous map each, loaded by \`nft -f\` in the same run
(up to ${baselineMaxServices} Services: its cost is quadratic). \`mixed\`: 60 % cluster IP, 20 % node port, 15 % load balancer with policy Local,
5 % session affinity. Steady memory is after a garbage collection; Node.js runs with --max-semi-space-size=4, as the program does.

| Services x endpoints | total | plan | encode | kernel | elements | batch | chains | peak memory | steady memory | baseline | ratio | budget |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
${cold.map(coldLine).join('\n')}

Longest single kernel commit at 45,000 x 1: ${ms(longestCommit)} (budget ${commitBudgetMs} ms: ${verdict(longestCommit <= commitBudgetMs)}).

## One endpoint added or removed at ${incrementalCase.services} x ${incrementalCase.endpoints}

| | event to kernel acknowledgement | budget |
|---|---|---|
| p50 | ${ms(p50)} | ${incrementalCase.budgetMs} ms: ${verdict(p50 <= incrementalCase.budgetMs)} |
| p99 | ${ms(p99)} | |
| elements sent, at most | ${elements} | ${incrementalCase.budgetElements}: ${verdict(elements <= incrementalCase.budgetElements)} |

${changesMs.length} changes.
`
}

function coldLine({ size, isMixed, budgetMs, ours, baselineMs }: ColdRow): string {
  const ratio = baselineMs === undefined ? '-' : `${(baselineMs / ours.totalMs).toFixed(0)} x`
  const budget = budgetMs === undefined ? '-' : `${budgetMs} ms: ${verdict(ours.totalMs <= budgetMs)}`
  const cells = [
    `${size.services} x ${size.endpoints}${isMixed ? ' mixed' : ''}`,
    ms(ours.totalMs),
    ms(ours.planMs),
    ms(ours.encodeMs),
    ms(ours.kernelMs),
    ours.elements,
    megabytes(ours.batchBytes),
    ours.chains,
    megabytes(ours.peakMemoryBytes),
    megabytes(ours.steadyMemoryBytes),
    baselineMs === undefined
      ? '-'
      : Number.isFinite(baselineMs)
        ? ms(baselineMs)
        : `over ${baselineTimeoutMs / 1000} s`,
    Number.isFinite(baselineMs ?? 0) ? ratio : `over ${(baselineTimeoutMs / ours.totalMs).toFixed(0)} x`,
    budget,
  ]
  return `| ${cells.join(' | ')} |`
}

function verdict(isMet: boolean): string {
  return isMet ? 'met' : '**missed**'
}

function ms(value: number): string {
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(value < 10 ? 1 : 0)} ms`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
}

function nftVersion(): string {
  return spawnSync('nft', ['--version'], { encoding: 'utf8' }).stdout.trim()
}
