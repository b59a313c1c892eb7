/*
 * npm run bench:datapath, which builds dist first: new connections through a cluster IP, with our rules and with
 * kube-proxy's, in many short rounds that alternate. Prints its tables and keeps them in bench/datapath.md, all rounds'
 * medians in bench/datapath.json. Takes about five minutes, most of it kube-proxy's start. Needs root and go.
 *
 *   --services 5000  only so many Services, and nothing is kept; can be given several times
 *   --rounds 400     of each proxy
 *   --quick          few rounds, and nothing is kept
 *   --patience 300   seconds until a proxy's start is given up
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { machineText } from './agent/figures.ts'
import type { ClientRound } from './datapath/client.ts'
import type { Rounds } from './datapath/comparison.ts'
import { instructionsDuring, whyNotCounted } from './datapath/instructions.ts'
import { DataPath } from './datapath/path.ts'
import { datapathReport, type DatapathResults, type DatapathRow } from './datapath/report.ts'
import { peerProgram } from './peer/peer-program.ts'

const { values } = parseArgs({
  options: {
    services: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    patience: { type: 'string', default: '300' },
  },
})

if (process.getuid?.() !== 0) {
  process.stderr.write('bench: needs root, to make network namespaces and to program nf_tables in them\n')
  process.exit(2)
}

const endpoints = 2
const connectionsPerRound = 200
/** Until code is compiled and neighbours are known. */
const warmUpRounds = 10
const countedRounds = 20
const rounds = Number(values.rounds ?? (values.quick ? 60 : 400))
const isKept = values.services.length === 0 && !values.quick
const serviceCounts = values.services.length === 0 ? [100, 5000, 10_000] : values.services.map(Number)
const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const ourCommand = [process.execPath, '--max-semi-space-size=4', program, 'run']

const notCounted = whyNotCounted()
const peer = await peerProgram()
if (peer.path === undefined) process.stderr.write(`no kube-proxy: ${peer.reason}\n`)
const rows: DatapathRow[] = []
for (const services of serviceCounts) {
  process.stderr.write(`${services} Services\n`)
  rows.push(await compare(services))
}
const madeAt = new Date().toISOString().slice(0, 10)
const results: DatapathResults = {
  madeAt,
  machine: machineText(),
  peerVersion: peer.version,
  ...(notCounted && { notCounted }),
  rows,
}
process.stdout.write(datapathReport(results))
if (isKept) {
  const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
  writeFileSync(file('datapath.json'), `${JSON.stringify(results)}\n`)
  writeFileSync(file('datapath.md'), datapathReport(results))
}

async function compare(services: number): Promise<DatapathRow> {
  const order = { services, endpoints, patienceMs: Number(values.patience) * 1000 }
  const paths: { ours?: DataPath | undefined; peer?: DataPath | undefined } = {}
  try {
    paths.ours = await DataPath.create({ ...order, command: ourCommand })
    if (peer.path !== undefined) paths.peer = await DataPath.create({ ...order, command: [peer.path] })
    const measured = await alternate(services, paths.ours, paths.peer)
    if (notCounted !== undefined || paths.ours === undefined || paths.peer === undefined) {
      return { services, rounds: measured }
    }
    const ourCount = await countedPerConnection(services, paths.ours)
    const peerCount = await countedPerConnection(services, paths.peer)
    const isCounted = ourCount !== undefined && peerCount !== undefined
    return { services, rounds: measured, ...(isCounted && { instructions: { ours: ourCount, peer: peerCount } }) }
  } finally {
    await paths.ours?.close()
    await paths.peer?.close()
  }
}

/** Pairs of rounds to the same Services, in turns one and the other first. */
async function alternate(services: number, ours: DataPath | undefined, peer: DataPath | undefined): Promise<Rounds> {
  const measured: { ours: ClientRound[]; peer: ClientRound[] } = { ours: [], peer: [] }
  for (let index = 0; index < warmUpRounds + rounds; index++) {
    const order = roundOrder(services, index)
    const sides = [
      { path: ours, own: measured.ours },
      { path: peer, own: measured.peer },
    ]
    for (const { path, own } of index % 2 === 0 ? sides : sides.toReversed()) {
      const round = await path?.round(order)
      if (round !== undefined && index >= warmUpRounds) own.push(round)
    }
  }
  return measured
}

async function countedPerConnection(services: number, path: DataPath): Promise<number | undefined> {
  const count = await instructionsDuring(path.clientPid, async () => {
    for (let index = 0; index < countedRounds; index++) await path.round(roundOrder(services, index))
  })
  return count === undefined ? undefined : count / (countedRounds * connectionsPerRound)
}

function roundOrder(services: number, index: number): { services: number; first: number; connections: number } {
  return { services, first: index * connectionsPerRound, connections: connectionsPerRound }
}
