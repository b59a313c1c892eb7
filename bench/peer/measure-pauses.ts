/*
 * What stops the event loop of our program, and what it computes during a start, in the network namespace that this
 * process was started in. The argument is a PausesTrial as JSON, standard output is a PausesResult.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { setLinkUp } from '../../src/netlink/link.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import { NftConnection } from '../../src/nft/connection.ts'
import { removeTable } from '../../src/nft/transaction.ts'
import { ApiServerProcess } from '../agent/api-server.ts'
import { writeProxyFiles } from '../agent/proxy-files.ts'
import { ProxyProcess } from '../agent/proxy-process.ts'
import {
  type CpuProfile,
  type Pauses,
  pausesFileVariable,
  type PausesResult,
  type PausesTrial,
  profileParts,
} from './pauses.ts'
import { programmedAt } from './programmed.ts'

const ratePerSecond = 100
const afterStartMs = 1000

const trial = JSON.parse(process.argv[2] ?? '') as PausesTrial
const directory = mkdtempSync(join(tmpdir(), 'bench-pauses-'))
const links = new NetlinkSocket(NETLINK_ROUTE)
await setLinkUp(links, 'lo')
links.close()
const connection = new NftConnection()
const server = await ApiServerProcess.start(trial, false)
const configFile = writeProxyFiles(directory, server, '1s')
try {
  process.stdout.write(JSON.stringify(await measure()))
} finally {
  await server.stop()
  connection.close()
  rmSync(directory, { recursive: true })
}

async function measure(): Promise<PausesResult> {
  const { services, endpoints } = trial
  await run(['--cpu-prof', '--cpu-prof-dir', directory, '--cpu-prof-name', 'start.cpuprofile'], () =>
    sleep(afterStartMs),
  )
  const profile = profileParts(readJson('start.cpuprofile') as CpuProfile)
  await connection.commit(removeTable({ family: 'ip', name: 'kube-proxy' }))
  process.env[pausesFileVariable] = join(directory, 'pauses.json')
  await run(['--import', fileURLToPath(new URL('pause-reporter.ts', import.meta.url))], async () => {
    await server.load(ratePerSecond, trial.replacedEndpoints)
    await sleep(trial.restMs)
  })
  return { services, endpoints, pauses: readJson('pauses.json') as Pauses, profile }
}

/** Starts the program with more options for Node.js, does something when it has programmed the kernel, and stops it. */
async function run(options: readonly string[], whenProgrammed: () => Promise<unknown>): Promise<void> {
  const command = [trial.node, ...options, ...trial.program, '--config', configFile]
  const proxy = new ProxyProcess(command, join(directory, 'proxy.log'))
  try {
    if ((await programmedAt(connection, trial, () => proxy.isRunning)) === undefined) throw new Error(proxy.logTail())
    await whenProgrammed()
  } finally {
    await proxy.stop()
  }
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(join(directory, file), 'utf8'))
}
