import { median, megabytes, ms, percentile, row } from '../agent/figures.ts'
import type { ClusterSize } from '../cluster.ts'
import type { PausesResult } from './pauses.ts'
import { measuredAt, type PeerResults, type PeerRow } from './results.ts'
import type { ChangeTimes, Measured, ProxyStart, TrialResult } from './trial.ts'

/** The results as Markdown. A ratio is one of two measured values, or is not there. */
export function peerReport(results: PeerResults): string {
  const { rows, pauses } = results
  return `# flowproxy and kube-proxy, measured in one run

Made by \`npm run bench:peer\` on ${results.madeAt}. Machine: ${results.machine}.
kube-proxy: ${results.peerVersion}, nftables mode.

Each proxy runs as a process of its own in a network namespace of its own, one after the other, as a client of the same
simulated API server (bench/apiserver) with the same configuration, minSyncPeriod 1 ms. The server sends JSON to both,
where a real one would send protobuf to kube-proxy: parsing costs kube-proxy more here than in a cluster. flowproxy reads
JSON from a real one too. The server and the observer compute on the same machine. Memory and CPU include child processes.

## Targets

| | measured | target | |
|---|---|---|---|
${targets.map((target) => targetLine(target, results)).join('\n')}

## Start on an empty kernel

From the start of the process until the kernel has all cluster IPs and all endpoints. Medians where a start takes less
than 15 s, else one. All but that time is seen until a second after it. \`others wait\`: the longest that another user of
nf_tables waited for a transaction of its own; \`longest answer\`: of /livez.

| Services x endpoints | | programmed | ratio | CPU | API server's CPU | peak memory | others wait | longest answer |
|---|---|---|---|---|---|---|---|---|
${rows.flatMap((size) => startLines(size, ({ coldStarts }) => coldStarts)).join('\n')}

## Start with nothing changed

From the start of the process until its first sync is done, by its own metric, with the table of the run before in place.

| Services x endpoints | | first sync | ratio | CPU | API server's CPU | peak memory | others wait | longest answer |
|---|---|---|---|---|---|---|---|---|
${rows.flatMap((size) => startLines(size, ({ restarts }) => restarts)).join('\n')}

## At rest

Memory before anything changed. Chains, rules and sets of both families, anonymous ones too.

| Services x endpoints | | resident memory | chains | rules | sets and maps | others wait |
|---|---|---|---|---|---|---|
${rows.flatMap(restLines).join('\n')}

## Changes

From the write of the watch event to the kernel's notification of the commit. \`endpoint\`: one is replaced. \`Service\`: one
with its endpoints is created. \`rolling update\`: endpoints replaced as fast as the server can, until the last one.

| Services x endpoints | | endpoint p50 | ratio | endpoint p99 | Service p50 | ratio | rolling update | ratio | its CPU | others wait | unseen |
|---|---|---|---|---|---|---|---|---|---|---|---|
${rows.flatMap(changeLines).join('\n')}

## What stops flowproxy's event loop

In the process itself, over its whole life: a start, endpoints replaced at an even rate, a rest. \`longest block\` is the
most that a timer was late.

| Services x endpoints | longest block | minor collections | longest | major collections | longest |
|---|---|---|---|---|---|
${pauses.map(pausesLine).join('\n')}

## Where a start of flowproxy spends its main thread

Self time of another start under V8's profiler, by folder of the program; what is built in, as JSON.parse is, counts for the
function that calls it. The kernel commits while the main thread waits.

| Services x endpoints | part | time | most of it in |
|---|---|---|---|
${pauses.flatMap(profileLines).join('\n')}
${failures(rows)}`
}

type Target = {
  readonly name: string
  readonly value: (results: PeerResults) => number | undefined
  readonly limit: number
  readonly isAtLeast: boolean
  readonly show: (value: number) => string
}

const large = { services: 10_000, endpoints: 2 }
const mostServices = { services: 45_000, endpoints: 1 }
const mostEndpoints = { services: 5000, endpoints: 50 }

const targets: readonly Target[] = [
  {
    name: 'start to programmed at 10,000 x 2, against kube-proxy',
    value: (results) =>
      ratioAt(
        results,
        large,
        startMs(({ coldStarts }) => coldStarts),
      ),
    limit: 50,
    isAtLeast: true,
    show: times,
  },
  {
    name: 'one endpoint at 10,000 x 2, p50, against kube-proxy',
    value: (results) => ratioAt(results, large, endpointMs),
    limit: 5,
    isAtLeast: true,
    show: times,
  },
  {
    name: "steady memory at 45,000 x 1 as a part of kube-proxy's peak at 10,000 x 2",
    value: (results) => {
      const ours = measuredAt(results, 'ours', mostServices)
      const peer = measuredAt(results, 'peer', large)
      return ours && peer && ours.steadyBytes / middle(peer.coldStarts, ({ peakBytes }) => peakBytes)
    },
    limit: 1,
    isAtLeast: false,
    show: times,
  },
  {
    name: 'longest block of the event loop at 45,000 x 1',
    value: (results) => pausesAt(results, mostServices)?.pauses.longestBlockMs,
    limit: 100,
    isAtLeast: false,
    show: ms,
  },
  {
    name: 'longest answer of /livez during a start at 45,000 x 1',
    value: (results) => {
      const ours = measuredAt(results, 'ours', mostServices)
      return ours && middle(ours.coldStarts, ({ longestAnswerMs }) => longestAnswerMs)
    },
    limit: 100,
    isAtLeast: false,
    show: ms,
  },
  {
    name: 'longest pause of the garbage collector at 5,000 x 50',
    value: (results) => {
      const found = pausesAt(results, mostEndpoints)
      return found && Math.max(...Object.values(found.pauses.collections).map(({ longestMs }) => longestMs))
    },
    limit: 50,
    isAtLeast: false,
    show: ms,
  },
]

function targetLine({ name, value, limit, isAtLeast, show }: Target, results: PeerResults): string {
  const measured = value(results)
  const wanted = `at ${isAtLeast ? 'least' : 'most'} ${show(limit)}`
  if (measured === undefined || !Number.isFinite(measured)) return row([name, 'not measured', wanted, '-'])
  const isMet = isAtLeast ? measured >= limit : measured <= limit
  return row([name, show(measured), wanted, isMet ? 'met' : '**missed**'])
}

/** Two lines of one size; the ratio stands with ours. */
function lines(size: PeerRow, each: (result: Measured, other: TrialResult) => readonly (string | number)[]): string[] {
  return (['ours', 'peer'] as const).map((which) => {
    const result = size[which]
    const names = [sizeText(size), which === 'ours' ? 'flowproxy' : 'kube-proxy']
    if (result.outcome !== 'measured') return row([...names, missing(result)])
    return row([...names, ...each(result, which === 'ours' ? size.peer : { outcome: 'failed', reason: '' })])
  })
}

function startLines(size: PeerRow, starts: (result: Measured) => readonly ProxyStart[]): string[] {
  return lines(size, (result, other) => [
    ms(startMs(starts)(result)),
    ratio(result, other, startMs(starts)),
    ms(middle(starts(result), ({ cpuMs }) => cpuMs)),
    ms(middle(starts(result), ({ serverCpuMs }) => serverCpuMs)),
    megabytes(middle(starts(result), ({ peakBytes }) => peakBytes)),
    ms(middle(starts(result), ({ longestLockMs }) => longestLockMs)),
    ms(middle(starts(result), ({ longestAnswerMs }) => longestAnswerMs)),
  ])
}

function restLines(size: PeerRow): string[] {
  return lines(size, ({ steadyBytes, objects: { chains, rules, sets }, idleLongestLockMs }) => {
    return [megabytes(steadyBytes), chains, rules, sets, ms(idleLongestLockMs)]
  })
}

function changeLines(size: PeerRow): string[] {
  return lines(size, (result, other) => {
    const { endpointChanges, newServices, rollingUpdate } = result
    return [
      ms(endpointMs(result)),
      ratio(result, other, endpointMs),
      ms(percentile(endpointChanges.latenciesMs, 99)),
      ms(serviceMs(result)),
      ratio(result, other, serviceMs),
      `${rollingUpdate.endpoints}: ${ms(rollingMs(result))}`,
      ratio(result, other, rollingMs),
      ms(rollingUpdate.cpuMs),
      ms(rollingUpdate.longestLockMs),
      unseen(endpointChanges) + unseen(newServices) + (rollingUpdate.totalMs === undefined ? 1 : 0),
    ]
  })
}

function pausesLine({ pauses: { longestBlockMs, collections }, ...size }: PausesResult): string {
  const cells = ['minor', 'major'].flatMap((kind) => {
    const { count, longestMs } = collections[kind] ?? { count: 0, longestMs: Number.NaN }
    return [count, ms(longestMs)]
  })
  return row([sizeText(size), ms(longestBlockMs), ...cells])
}

/** What takes less than a hundredth says nothing. */
function profileLines({ profile, ...size }: PausesResult): string[] {
  const totalMs = profile.reduce((sum, { selfMs }) => sum + selfMs, 0)
  return profile
    .filter(({ selfMs }) => selfMs >= totalMs / 100)
    .map(({ part, selfMs, heaviest }) => row([sizeText(size), part, ms(selfMs), heaviest.map(code).join(', ')]))
}

/** The whole reason of each trial that failed, below the tables. */
function failures(rows: readonly PeerRow[]): string {
  const failed = rows.flatMap((size) =>
    (['ours', 'peer'] as const).flatMap((which) => {
      const result = size[which]
      if (result.outcome !== 'failed') return []
      const name = which === 'ours' ? 'flowproxy' : 'kube-proxy'
      return [`${name} at ${sizeText(size)}:\n\n${result.reason.replaceAll(/^/gm, '    ')}\n`]
    }),
  )
  return failed.length === 0 ? '' : `\n## What failed\n\n${failed.join('\n')}`
}

function missing(result: Exclude<TrialResult, Measured>): string {
  if (result.outcome === 'failed') return 'failed, see below'
  const { afterMs, peakBytes, cpuMs } = result
  return `not programmed after ${ms(afterMs)} (CPU ${ms(cpuMs)}, peak memory ${megabytes(peakBytes)})`
}

function startMs(starts: (result: Measured) => readonly ProxyStart[]): (result: Measured) => number {
  return (result) => middle(starts(result), ({ readyMs }) => readyMs)
}

function endpointMs({ endpointChanges }: Measured): number {
  return median(endpointChanges.latenciesMs)
}

function serviceMs({ newServices }: Measured): number {
  return median(newServices.latenciesMs)
}

function rollingMs({ rollingUpdate }: Measured): number {
  return rollingUpdate.totalMs ?? Number.NaN
}

function unseen(changes: ChangeTimes): number {
  return changes.unseen
}

function middle(starts: readonly ProxyStart[], value: (start: ProxyStart) => number): number {
  return median(starts.map(value))
}

/** How many times as long the other took; a dash when one of the two was not measured. */
function ratio(result: Measured, other: TrialResult, value: (result: Measured) => number): string {
  const quotient = other.outcome === 'measured' ? value(other) / value(result) : Number.NaN
  return Number.isFinite(quotient) ? times(quotient) : '-'
}

function ratioAt(results: PeerResults, size: ClusterSize, value: (result: Measured) => number): number | undefined {
  const [ours, peer] = [measuredAt(results, 'ours', size), measuredAt(results, 'peer', size)]
  return ours && peer && value(peer) / value(ours)
}

function pausesAt({ pauses }: PeerResults, size: ClusterSize): PausesResult | undefined {
  return pauses.find(({ services, endpoints }) => services === size.services && endpoints === size.endpoints)
}

function times(value: number): string {
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(value < 1 ? 2 : 1)} x`
}

function sizeText({ services, endpoints }: ClusterSize): string {
  return `${services} x ${endpoints}`
}

function code(name: string): string {
  return `\`${name}\``
}
