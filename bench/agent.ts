/*
 * npm run bench:agent, which builds dist first: the program as it is published against the simulated API server of
 * bench/apiserver, seen from outside: start to programmed kernel, memory, CPU, and the way of a change from the watch
 * event to the kernel. A whole run takes about six minutes, prints its tables and keeps them in bench/agent.md. Needs root
 * and the nft program.
 *
 *   --size 45000x1     only this size, and nothing is kept; can be given several times
 *   --quick            short and once instead of a minute and medians, and nothing is kept
 *   --tls              HTTPS to the API server
 *   --command "P A B"  another proxy that takes --config FILE, as kube-proxy does, and nothing is kept; kube-proxy then
 *                      parses JSON where a real API server would send it protobuf
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { NetworkNamespace } from '../src/netlink/namespace.ts'
import { agentReport } from './agent/report.ts'
import type { Scenario, ScenarioResult } from './agent/scenario.ts'
import type { ClusterSize } from './cluster.ts'

const { values } = parseArgs({
  options: {
    size: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false },
    tls: { type: 'boolean', default: false },
    command: { type: 'string' },
  },
})

if (process.getuid?.() !== 0) {
  process.stderr.write('bench: needs root, to make network namespaces and to program nf_tables in them\n')
  process.exit(2)
}

const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const ownCommand = [process.execPath, '--max-semi-space-size=4', program, 'run']
const sizes = values.size.length === 0 ? ['45000x1', '5000x50'] : values.size
const isKept = values.size.length === 0 && !values.quick && values.command === undefined

const results: { scenario: Scenario; result: ScenarioResult }[] = []
for (const scenario of scenarios()) {
  process.stderr.write(`${scenario.services} x ${scenario.endpoints}, minSyncPeriod ${scenario.minSyncPeriod}\n`)
  results.push({ scenario, result: await measure(scenario) })
}
const report = agentReport(results)
process.stdout.write(report)
if (isKept) writeFileSync('bench/agent.md', report)

/** Each size with the shortest pause between two syncs, and the first with the default: what then becomes of a load. */
function scenarios(): Scenario[] {
  const parts = values.quick
    ? { coldStarts: 1, restarts: 1, idleSeconds: 10, singleChanges: 20, loadSeconds: 5 }
    : { coldStarts: 3, restarts: 3, idleSeconds: 60, singleChanges: 60, loadSeconds: 30 }
  const fixed = { command: values.command?.split(' ') ?? ownCommand, isTls: values.tls }
  const all = sizes.map((size) => ({ ...fixed, ...parts, ...parseSize(size), minSyncPeriod: '1ms' }))
  const loadOnly = { coldStarts: 1, restarts: 0, idleSeconds: 0, singleChanges: 0, minSyncPeriod: '1s' }
  return [...all, ...all.slice(0, 1).map((first) => ({ ...first, ...loadOnly }))]
}

function parseSize(size: string): ClusterSize {
  const [, services, endpoints] = /^(\d+)x(\d+)$/.exec(size) ?? []
  if (services === undefined || endpoints === undefined) throw new Error(`--size ${size} is not like 45000x1`)
  return { services: Number(services), endpoints: Number(endpoints) }
}

/** Each scenario has a process and a network namespace of its own. */
async function measure(scenario: Scenario): Promise<ScenarioResult> {
  const namespace = NetworkNamespace.create()
  const args = [fileURLToPath(new URL('agent/measure.ts', import.meta.url)), JSON.stringify(scenario)]
  const child = namespace.run(() => spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] }))
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
  namespace.close()
  if (child.exitCode !== 0) throw new Error(`the measurement failed with exit code ${child.exitCode}`)
  return JSON.parse(output) as ScenarioResult
}
