/*
 * One scenario, in the network namespace that this process was started in: an API server, a proxy, and what is seen of
 * them from outside. The argument is the scenario as JSON, standard output is one JSON object. bench/agent.ts runs it.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { setLinkUp } from '../../src/netlink/link.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import { NftConnection } from '../../src/nft/connection.ts'
import { monotonicMs } from '../monotonic.ts'
import type { WrittenChange } from '../apiserver/load.ts'
import { ApiServerProcess } from './api-server.ts'
import { kernelState, programmedAt } from './kernel-state.ts'
import { LivenessProbe } from './liveness-probe.ts'
import { NftNotifications } from './nft-notifications.ts'
import { cpuMs, peakBytes, residentBytes } from './process-usage.ts'
import { healthAddress, writeProxyFiles } from './proxy-files.ts'
import { ProxyProcess } from './proxy-process.ts'
import {
  type ChangesResult,
  loadRatePerSecond,
  type Scenario,
  type ScenarioResult,
  type StartResult,
  settleSeconds,
} from './scenario.ts'

/** A start that takes longer has failed. */
const startPatienceMs = 180_000
/** What a proxy does after a start or a load is over by then. */
const settleMs = 5000
/** kube-proxy's removals, which never mention the address, are given up after it. */
const changePatienceMs = 3000
/** Between two single changes, besides the pause that the proxy keeps: a change on its own, not one of a row. */
const changePauseMs = 100
const memorySampleMs = 20

const scenario = JSON.parse(process.argv[2] ?? '') as Scenario
const directory = mkdtempSync(join(tmpdir(), 'bench-agent-'))
const links = new NetlinkSocket(NETLINK_ROUTE)
await setLinkUp(links, 'lo')
links.close()
const connection = new NftConnection()
const server = await ApiServerProcess.start(scenario, scenario.isTls)
const configFile = writeProxyFiles(directory, server, scenario.minSyncPeriod)
let proxy: ProxyProcess | undefined
try {
  process.stdout.write(JSON.stringify(await measure()))
} catch (error) {
  process.stderr.write(`${proxy?.logTail() ?? ''}\n`)
  throw error
} finally {
  await proxy?.stop()
  await server.stop()
  connection.close()
  rmSync(directory, { recursive: true })
}

async function measure(): Promise<ScenarioResult> {
  const { coldStarts, restarts, idleSeconds, singleChanges, loadSeconds } = scenario
  const cold: StartResult[] = []
  for (let start = 0; start < coldStarts; start++) {
    await proxy?.stop()
    flushRuleset()
    cold.push(await startProxy())
  }
  await sleep(settleMs)
  const idle = idleSeconds === 0 ? {} : { idle: await measureIdle() }
  const single = singleChanges === 0 ? {} : { singleChanges: await measureSingleChanges() }
  const load = loadSeconds === 0 ? {} : { load: await measureLoad() }
  const again: StartResult[] = []
  for (let start = 0; start < restarts; start++) {
    await proxy?.stop()
    again.push(await startProxy())
  }
  return { coldStarts: cold, restarts: again, ...idle, ...single, ...load }
}

async function startProxy(): Promise<StartResult> {
  const before = await kernelState(connection)
  const statisticsBefore = await server.statistics()
  proxy = new ProxyProcess([...scenario.command, '--config', configFile], join(directory, 'proxy.log'))
  const { pid, startedAtMs } = proxy
  const endMs = startedAtMs + startPatienceMs
  const isHopeful = (): boolean => proxy?.isRunning === true && monotonicMs() < endMs
  const probe = new LivenessProbe(`http://${healthAddress}/livez`)
  let peak = 0
  const sampling = setInterval(() => (peak = Math.max(peak, residentBytes(pid))), memorySampleMs)
  const atMs = await programmedAt(connection, scenario.services, before, isHopeful)
  const cpu = cpuMs(pid)
  // A garbage collection or a second commit right after it counts too.
  await sleep(1000)
  clearInterval(sampling)
  await probe.stop()
  const statistics = await server.statistics()
  const requestTimes = Object.values(statistics.requestedAtMs).filter((time) => time >= startedAtMs)
  return {
    programmedMs: atMs - startedAtMs,
    firstRequestMs: Math.min(...requestTimes) - startedAtMs,
    firstAnswerMs: probe.firstAnswerAtMs - startedAtMs,
    longestAnswerMs: probe.longestAnswerMs,
    peakBytes: Math.max(peak, peakBytes(pid)),
    cpuMs: cpu,
    serverCpuMs: statistics.cpuMs - statisticsBefore.cpuMs,
  }
}

/** Before it rests, the program gives back the memory that only the start needed. */
async function measureIdle(): Promise<NonNullable<ScenarioResult['idle']>> {
  const settlingPercent = await cpuPercentDuring(() => sleep(settleSeconds * 1000))
  const cpuPercent = await cpuPercentDuring(() => sleep(scenario.idleSeconds * 1000))
  const settlingCpuMs = settlingPercent * 10 * settleSeconds
  return { settlingCpuMs, cpuPercent, residentBytes: residentBytes(runningPid()) }
}

/** Adds an endpoint to a Service and takes it away again, for one Service after the other, each after a pause. */
async function measureSingleChanges(): Promise<ChangesResult> {
  const notifications = new NftNotifications()
  const latenciesMs: number[] = []
  let unseen = 0
  for (let change = 0; change < scenario.singleChanges; change++) {
    const service = ((change >> 1) * 7) % scenario.services
    const written = await server.changeEndpoint(service, change % 2 === 0 ? 'add' : 'remove')
    const atMs = await notifications.mention(addressBytes(written), written.writtenAtMs, changePatienceMs)
    if (atMs === undefined) unseen++
    else latenciesMs.push(atMs - written.writtenAtMs)
    notifications.clear()
    await sleep(changePauseMs)
  }
  await notifications.close()
  return { latenciesMs, unseen }
}

async function measureLoad(): Promise<NonNullable<ScenarioResult['load']>> {
  const notifications = new NftNotifications()
  const changes: WrittenChange[] = []
  const cpuPercent = await cpuPercentDuring(async () => {
    changes.push(...(await server.load(loadRatePerSecond, loadRatePerSecond * scenario.loadSeconds)))
  })
  const resident = residentBytes(runningPid())
  await sleep(settleMs)
  await notifications.close()
  const latenciesMs = changes.flatMap((change) => {
    const atMs = notifications.firstMention(addressBytes(change), change.writtenAtMs)
    return atMs === undefined ? [] : [atMs - change.writtenAtMs]
  })
  return { cpuPercent, residentBytes: resident, latenciesMs, unseen: changes.length - latenciesMs.length }
}

/** Of one core. */
async function cpuPercentDuring(work: () => Promise<unknown>): Promise<number> {
  const [startMs, startCpuMs] = [monotonicMs(), cpuMs(runningPid())]
  await work()
  return ((cpuMs(runningPid()) - startCpuMs) / (monotonicMs() - startMs)) * 100
}

function runningPid(): number {
  if (proxy?.isRunning !== true) throw new Error('the proxy is not running')
  return proxy.pid
}

/** An endpoint's address as it is in an element or a rule. */
function addressBytes({ address }: WrittenChange): Buffer {
  return Buffer.from(address.split('.').map(Number))
}

function flushRuleset(): void {
  const { status, stderr } = spawnSync('nft', ['flush', 'ruleset'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`nft flush ruleset: ${stderr}`)
}
