/*
 * npm run bench:peer, which builds dist first: the program as it is published and kube-proxy in nftables mode, one after
 * the other, against the same simulated API server and seen from outside; and what stops our event loop. The first run
 * builds kube-proxy from the version that tools/go.mod declares. Prints its tables and keeps them in bench/peer.md, the
 * raw results in bench/peer.json, a chart in bench/peer.svg. A whole run takes about half an hour. Needs root, nft and go.
 *
 *   --size 1000x2    only this size, and nothing is kept; can be given several times
 *   --quick          short and once instead of medians, and nothing is kept
 *   --patience 180   seconds until a start is given up
 *   --alone          without kube-proxy, and nothing is kept
 *   --out DIR        keeps the three files there, whatever was measured
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { NetworkNamespace } from '../src/netlink/namespace.ts'
import { machineText } from './agent/figures.ts'
import type { ClusterSize } from './cluster.ts'
import { startChart } from './peer/chart.ts'
import type { PausesResult, PausesTrial } from './peer/pauses.ts'
import { absent, peerProgram } from './peer/peer-program.ts'
import { peerReport } from './peer/report.ts'
import type { PeerResults, PeerRow } from './peer/results.ts'
import type { Trial, TrialResult } from './peer/trial.ts'

const { values } = parseArgs({
  options: {
    size: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false },
    patience: { type: 'string', default: '180' },
    alone: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
})

if (process.getuid?.() !== 0) {
  process.stderr.write('bench: needs root, to make network namespaces and to program nf_tables in them\n')
  process.exit(2)
}

const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const nodeOptions = ['--max-semi-space-size=4']
const isWhole = values.size.length === 0 && !values.quick && !values.alone
const sizes = (values.size.length === 0 ? ['1000x2', '5000x2', '10000x2', '45000x1', '5000x50'] : values.size).map(
  parseSize,
)
const parts = values.quick
  ? { starts: 1, idleMs: 3000, newServices: 3, endpointChanges: 10, rollingEndpoints: 1000 }
  : { starts: 3, idleMs: 30_000, newServices: 10, endpointChanges: 50, rollingEndpoints: 1000 }
const pausesParts = values.quick
  ? { replacedEndpoints: 100, restMs: 1000 }
  : { replacedEndpoints: 1000, restMs: 10_000 }
/** What does not stop the event loop there does not with fewer Services and endpoints either. */
const pausesSizes =
  values.size.length === 0 ? sizes.filter(({ services, endpoints }) => services * endpoints > 40_000) : sizes

const peer = values.alone ? absent('it was not asked for') : await peerProgram()
const rows: PeerRow[] = []
for (const size of sizes) {
  const fixed = { ...size, ...parts, startPatienceMs: Number(values.patience) * 1000 }
  progress(`flowproxy, ${size.services} x ${size.endpoints}`)
  const ours = await trial({ ...fixed, command: [process.execPath, ...nodeOptions, program, 'run'] })
  progress(`kube-proxy, ${size.services} x ${size.endpoints}`)
  const theirs: TrialResult =
    peer.path === undefined
      ? { outcome: 'failed', reason: peer.reason }
      : await trial({ ...fixed, command: [peer.path] })
  rows.push({ ...size, ours, peer: theirs })
}
const pauses: PausesResult[] = []
for (const size of pausesSizes) {
  progress(`pauses of flowproxy, ${size.services} x ${size.endpoints}`)
  const found = await measurePauses({
    ...size,
    ...pausesParts,
    node: process.execPath,
    program: [...nodeOptions, program, 'run'],
  })
  if (found !== undefined) pauses.push(found)
}

const madeAt = new Date().toISOString().slice(0, 10)
const results: PeerResults = { madeAt, machine: machineText(), peerVersion: peer.version, rows, pauses }
process.stdout.write(peerReport(results))
const folder = values.out ?? (isWhole ? fileURLToPath(new URL('.', import.meta.url)) : undefined)
if (folder !== undefined) keep(folder)

function keep(folder: string): void {
  writeFileSync(join(folder, 'peer.json'), `${JSON.stringify(results, undefined, 2)}\n`)
  writeFileSync(join(folder, 'peer.md'), peerReport(results))
  const chart = startChart(results)
  if (chart !== undefined) writeFileSync(join(folder, 'peer.svg'), chart)
}

/** A process and a network namespace for each trial. What goes wrong in it is its result. */
async function trial(trial: Trial): Promise<TrialResult> {
  const { status, output } = await inNamespace('peer/measure.ts', trial)
  if (status !== 0) return { outcome: 'failed', reason: `the measurement ended with exit code ${String(status)}` }
  return JSON.parse(output) as TrialResult
}

async function measurePauses(trial: PausesTrial): Promise<PausesResult | undefined> {
  const { status, output } = await inNamespace('peer/measure-pauses.ts', trial)
  return status === 0 ? (JSON.parse(output) as PausesResult) : undefined
}

async function inNamespace(script: string, argument: object): Promise<{ status: number | null; output: string }> {
  const namespace = NetworkNamespace.create()
  const args = [fileURLToPath(new URL(script, import.meta.url)), JSON.stringify(argument)]
  const child = namespace.run(() => spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] }))
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
  namespace.close()
  return { status: child.exitCode, output }
}

function parseSize(size: string): ClusterSize {
  const [, services, endpoints] = /^(\d+)x(\d+)$/.exec(size) ?? []
  if (services === undefined || endpoints === undefined) throw new Error(`--size ${size} is not like 45000x1`)
  return { services: Number(services), endpoints: Number(endpoints) }
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`)
}
