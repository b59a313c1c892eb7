/*
 * One trial, in the network namespace that this process was started in: an API server, a proxy, and what is seen of them
 * from outside. The argument is the trial as JSON, standard output is its result. bench/peer.ts runs it.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { setLinkUp } from '../../src/netlink/link.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import { NftConnection } from '../../src/nft/connection.ts'
import { ApiServerProcess } from '../agent/api-server.ts'
import { LivenessProbe } from '../agent/liveness-probe.ts'
import { NftNotifications } from '../agent/nft-notifications.ts'
import { cpuMs, peakBytes, residentBytes } from '../agent/process-usage.ts'
import { healthAddress, metricsAddress, writeProxyFiles } from '../agent/proxy-files.ts'
import { ProxyProcess } from '../agent/proxy-process.ts'
import type { WrittenChange } from '../apiserver/load.ts'
import { podAddress } from '../apiserver/objects.ts'
import { monotonicMs } from '../monotonic.ts'
import { firstSyncAt } from './first-sync.ts'
import { LockProbe } from './lock-probe.ts'
import { programmedAt, tableObjects } from './programmed.ts'
import type { ChangeTimes, Failure, ProxyStart, RollingUpdate, Trial, TrialResult } from './trial.ts'

/** As short as both take it: times are then those of the work, not of a pause. */
const minSyncPeriod = '1ms'
/** Between two changes at least, and as long as the last one took: a change meets a proxy at rest. */
const changePauseMs = 500
/** A change that takes longer counts as unseen; after some of these the rest is left out. */
const changePatienceMs = 30_000
const maxUnseen = 3
const rollingPatienceMs = 120_000
const memorySampleMs = 20
/** Further starts are only made when the first was quicker than this. */
const slowStartMs = 15_000
/** What a proxy does right after a start counts too. */
const afterStartMs = 1000

const trial = JSON.parse(process.argv[2] ?? '') as Trial
const directory = mkdtempSync(join(tmpdir(), 'bench-peer-'))
const links = new NetlinkSocket(NETLINK_ROUTE)
await setLinkUp(links, 'lo')
links.close()
const connection = new NftConnection()
const server = await ApiServerProcess.start(trial, false)
const configFile = writeProxyFiles(directory, server, minSyncPeriod)
let proxy: ProxyProcess | undefined
/** How many the server has made: it numbers them in one row. */
let pods = trial.services * trial.endpoints
try {
  process.stdout.write(JSON.stringify(await measure()))
} finally {
  await proxy?.stop()
  await server.stop()
  connection.close()
  rmSync(directory, { recursive: true })
}

async function measure(): Promise<TrialResult> {
  const coldStarts: ProxyStart[] = []
  while (isAnotherStartWorthIt(coldStarts)) {
    await proxy?.stop()
    flushRuleset()
    const start = await startProxy((isHopeful) => programmedAt(connection, trial, isHopeful))
    if (isFailure(start)) return start
    coldStarts.push(start)
  }
  const locks = await LockProbe.start()
  await sleep(trial.idleMs)
  const idleLongestLockMs = await locks.longestMs()
  await locks.stop()
  const steadyBytes = residentBytes(runningPid())
  const objects = await tableObjects(connection)
  const restarts: ProxyStart[] = []
  while (isAnotherStartWorthIt(restarts)) {
    await proxy?.stop()
    const start = await startProxy((isHopeful) => firstSyncAt(`http://${metricsAddress}/metrics`, isHopeful))
    if (isFailure(start)) return failed('a start with nothing changed did not come to an end')
    const endMs = monotonicMs() + changePatienceMs
    const isWhole = (await programmedAt(connection, trial, () => monotonicMs() < endMs)) !== undefined
    if (!isWhole) return failed('after a start with nothing changed the kernel lacked something')
    restarts.push(start)
  }
  await sleep(changePauseMs)
  const endpointChanges = await eachChange(trial.endpointChanges, replaceEndpoint)
  const newServices = await eachChange(trial.newServices, createService)
  const rollingUpdate = await measureRollingUpdate()
  if (proxy?.isRunning !== true) return failed('it ended by itself')
  return {
    outcome: 'measured',
    coldStarts,
    restarts,
    objects,
    steadyBytes,
    idleLongestLockMs,
    newServices,
    endpointChanges,
    rollingUpdate,
  }
}

function isAnotherStartWorthIt(starts: readonly ProxyStart[]): boolean {
  return starts.length < trial.starts && (starts[0]?.readyMs ?? 0) < slowStartMs
}

/** `readyAt` says when the proxy was ready, or undefined when there is no more hope. */
async function startProxy(
  readyAt: (isHopeful: () => boolean) => Promise<number | undefined>,
): Promise<ProxyStart | Failure> {
  const locks = await LockProbe.start()
  const serverCpuBeforeMs = (await server.statistics()).cpuMs
  const started = new ProxyProcess([...trial.command, '--config', configFile], join(directory, 'proxy.log'))
  proxy = started
  const { pid, startedAtMs } = started
  const answers = new LivenessProbe(`http://${healthAddress}/livez`)
  let peak = 0
  const sampling = setInterval(() => (peak = Math.max(peak, residentBytes(pid))), memorySampleMs)
  const endMs = startedAtMs + trial.startPatienceMs
  const atMs = await readyAt(() => started.isRunning && monotonicMs() < endMs)
  if (atMs !== undefined) await sleep(afterStartMs)
  clearInterval(sampling)
  const cpu = cpuMs(pid)
  const serverCpuMs = (await server.statistics()).cpuMs - serverCpuBeforeMs
  await answers.stop()
  const longestLockMs = await locks.longestMs()
  await locks.stop()
  if (!started.isRunning) return failed('it ended by itself')
  const peakWithChildren = Math.max(peak, peakBytes(pid))
  if (atMs === undefined) {
    return { outcome: 'timed out', afterMs: trial.startPatienceMs, peakBytes: peakWithChildren, cpuMs: cpu }
  }
  return {
    readyMs: atMs - startedAtMs,
    cpuMs: cpu,
    serverCpuMs,
    peakBytes: peakWithChildren,
    longestLockMs,
    longestAnswerMs: answers.longestAnswerMs,
  }
}

/** One change after the other. */
async function eachChange(count: number, write: (change: number) => Promise<Change>): Promise<ChangeTimes> {
  const notifications = new NftNotifications()
  const latenciesMs: number[] = []
  let unseen = 0
  for (let change = 0; change < count && unseen < maxUnseen; change++) {
    const { writtenAtMs, addresses } = await write(change)
    const atMs = await allMentionedAt(notifications, addresses, writtenAtMs, changePatienceMs)
    const latencyMs = atMs === undefined ? undefined : atMs - writtenAtMs
    if (latencyMs === undefined) unseen++
    else latenciesMs.push(latencyMs)
    notifications.clear()
    await sleep(Math.max(changePauseMs, latencyMs ?? 0))
  }
  await notifications.close()
  return { latenciesMs, unseen }
}

/** What was written, and the addresses that the kernel has to get for it. */
type Change = { readonly writtenAtMs: number; readonly addresses: readonly string[] }

async function replaceEndpoint(change: number): Promise<Change> {
  const { writtenAtMs, address } = await server.changeEndpoint((change * 7) % trial.services, 'replace')
  pods++
  return { writtenAtMs, addresses: [address] }
}

/** A Service can be used when the kernel has its cluster IP and all its endpoints. */
async function createService(): Promise<Change> {
  const { writtenAtMs, address } = await server.createService()
  const endpoints = Array.from({ length: trial.endpoints }, () => podAddress(pods++))
  return { writtenAtMs, addresses: [address, ...endpoints] }
}

/** The server replaces one endpoint after the other as fast as it can. */
async function measureRollingUpdate(): Promise<RollingUpdate> {
  const notifications = new NftNotifications()
  const locks = await LockProbe.start()
  const startCpuMs = cpuMs(runningPid())
  const changes = await server.load(Number.MAX_SAFE_INTEGER, trial.rollingEndpoints)
  const firstMs = changes[0]?.writtenAtMs ?? Number.NaN
  const lastMs = await allMentionedAt(notifications, lastOfEachService(changes), firstMs, rollingPatienceMs)
  const longestLockMs = await locks.longestMs()
  await locks.stop()
  await notifications.close()
  return {
    endpoints: changes.length,
    totalMs: lastMs === undefined ? undefined : lastMs - firstMs,
    cpuMs: cpuMs(runningPid()) - startCpuMs,
    longestLockMs,
  }
}

/** An endpoint that was replaced again may never have been in the kernel. */
function lastOfEachService(changes: readonly WrittenChange[]): string[] {
  return [...new Map(changes.map(({ service, address }) => [service, address])).values()]
}

/** When the kernel had notified of all addresses, since a time; undefined when one did not come in time. */
async function allMentionedAt(
  notifications: NftNotifications,
  addresses: readonly string[],
  sinceMs: number,
  patienceMs: number,
): Promise<number | undefined> {
  const endMs = monotonicMs() + patienceMs
  let lastMs = sinceMs
  for (const address of addresses) {
    // As it is in an element or a rule.
    const bytes = Buffer.from(address.split('.').map(Number))
    const atMs = await notifications.mention(bytes, sinceMs, Math.max(1, endMs - monotonicMs()))
    if (atMs === undefined) return undefined
    lastMs = Math.max(lastMs, atMs)
  }
  return lastMs
}

function isFailure(start: ProxyStart | Failure): start is Failure {
  return 'outcome' in start
}

function failed(what: string): Failure {
  return { outcome: 'failed', reason: `${what}; the end of its log:\n${proxy?.logTail().trimEnd() ?? ''}` }
}

function runningPid(): number {
  if (proxy?.isRunning !== true) throw new Error(`the proxy is not running:\n${proxy?.logTail() ?? ''}`)
  return proxy.pid
}

function flushRuleset(): void {
  const { status, stderr } = spawnSync('nft', ['flush', 'ruleset'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`nft flush ruleset: ${stderr}`)
}
