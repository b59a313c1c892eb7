import { machineText, megabytes, median, ms, percent, percentile, row } from './figures.ts'
import { loadRatePerSecond, type Scenario, type ScenarioResult, settleSeconds, type StartResult } from './scenario.ts'

export type Measured = { readonly scenario: Scenario; readonly result: ScenarioResult }

/** What must hold, for the sizes and pauses that it was promised for. */
const budgets: readonly Budget[] = [
  {
    name: 'start to programmed at 45000 x 1',
    size: '45000 x 1',
    value: ({ coldStarts }) => median(coldStarts.map(({ programmedMs }) => programmedMs)),
    limit: 5000,
    show: ms,
  },
  {
    name: 'start to the first request at the API server',
    size: '45000 x 1',
    value: ({ coldStarts }) => median(coldStarts.map(({ firstRequestMs }) => firstRequestMs)),
    limit: 300,
    show: ms,
  },
  { name: 'resident memory at 45000 x 1', size: '45000 x 1', value: steadyBytes, limit: 250e6, show: megabytes },
  { name: 'resident memory at 5000 x 50', size: '5000 x 50', value: steadyBytes, limit: 450e6, show: megabytes },
  {
    name: 'one endpoint at 45000 x 1, p50',
    size: '45000 x 1',
    value: ({ singleChanges }) => median(singleChanges?.latenciesMs ?? []),
    limit: 25,
    show: ms,
  },
  { name: 'CPU when idle at 45000 x 1', size: '45000 x 1', value: idlePercent, limit: 0.5, show: percent },
  { name: 'CPU when idle at 5000 x 50', size: '5000 x 50', value: idlePercent, limit: 0.5, show: percent },
]

type Budget = {
  readonly name: string
  readonly size: string
  readonly value: (result: ScenarioResult) => number
  readonly limit: number
  readonly show: (value: number) => string
}

/** The results as Markdown. */
export function agentReport(measured: readonly Measured[]): string {
  const runs = Math.max(...measured.map(({ result }) => result.coldStarts.length))
  return `# The whole program, measured from outside

Each size is one process of the program and a simulated API server (bench/apiserver: real HTTP, objects of the size that
an API server sends) in a network namespace of their own, on the same machine: what the API server and the observer
compute comes on top. Starts: medians of up to ${runs}. Machine: ${machineText()}.
Made by \`npm run bench:agent\`.

## Start

From the start of the process until the kernel has all Services. \`first request\` is the first for objects at the API
server; \`first answer\` and \`longest answer\` are those of /livez, asked every 20 ms: the latter is how long the event
loop was blocked. Peak memory includes child processes. \`again\` is a start with the table of the run before in place.

| Services x endpoints | | programmed | CPU until then | first request | first answer | longest answer | peak memory | API server's CPU |
|---|---|---|---|---|---|---|---|---|
${measured.flatMap(startLines).join('\n')}

## At rest

After a start the program gives back the memory that only the start needed: what that costs is the CPU time of the first
${settleSeconds} seconds.

| Services x endpoints | CPU of the first ${settleSeconds} s | then resident memory | CPU of one core | over |
|---|---|---|---|---|
${measured.flatMap(idleLines).join('\n')}

## Changes

From the write of the watch event to the kernel's notification of the commit. \`single\`: one endpoint added or removed,
each after the one before is in force. \`load\`: ${loadRatePerSecond} endpoints replaced a second; with a pause between two syncs (minSyncPeriod) most
of the time is that pause.

| Services x endpoints | minSyncPeriod | | changes | p50 | p99 | longest | unseen | CPU of one core | resident memory |
|---|---|---|---|---|---|---|---|---|---|
${measured.flatMap(changeLines).join('\n')}

## Budgets

| | measured | budget | |
|---|---|---|---|
${measured.flatMap(budgetLines).join('\n')}
`
}

/** Of whole scenarios, as are idle and budget lines: the start is the same with a longer pause. */
function startLines({ scenario, result }: Measured): string[] {
  if (!isWhole(scenario)) return []
  const line = (name: string, starts: readonly StartResult[]): string[] => {
    if (starts.length === 0) return []
    const middle = (value: (start: StartResult) => number): number => median(starts.map(value))
    const cells = [
      sizeText(scenario),
      name,
      ms(middle(({ programmedMs }) => programmedMs)),
      ms(middle(({ cpuMs }) => cpuMs)),
      ms(middle(({ firstRequestMs }) => firstRequestMs)),
      ms(middle(({ firstAnswerMs }) => firstAnswerMs)),
      ms(middle(({ longestAnswerMs }) => longestAnswerMs)),
      megabytes(middle(({ peakBytes }) => peakBytes)),
      ms(middle(({ serverCpuMs }) => serverCpuMs)),
    ]
    return [row(cells)]
  }
  return [...line('cold', result.coldStarts), ...line('again', result.restarts)]
}

function idleLines({ scenario, result: { idle } }: Measured): string[] {
  if (idle === undefined) return []
  return [
    row([
      sizeText(scenario),
      ms(idle.settlingCpuMs),
      megabytes(idle.residentBytes),
      percent(idle.cpuPercent),
      `${scenario.idleSeconds} s`,
    ]),
  ]
}

function changeLines({ scenario, result: { singleChanges, load } }: Measured): string[] {
  const size = [sizeText(scenario), scenario.minSyncPeriod]
  const times = (latenciesMs: readonly number[], unseen: number): (string | number)[] => [
    latenciesMs.length + unseen,
    ms(percentile(latenciesMs, 50)),
    ms(percentile(latenciesMs, 99)),
    ms(percentile(latenciesMs, 100)),
    unseen,
  ]
  const lines: string[] = []
  if (singleChanges !== undefined) {
    lines.push(row([...size, 'single', ...times(singleChanges.latenciesMs, singleChanges.unseen), '-', '-']))
  }
  if (load !== undefined) {
    const { latenciesMs, unseen, cpuPercent, residentBytes } = load
    lines.push(row([...size, 'load', ...times(latenciesMs, unseen), percent(cpuPercent), megabytes(residentBytes)]))
  }
  return lines
}

function budgetLines({ scenario, result }: Measured): string[] {
  if (!isWhole(scenario)) return []
  return budgets
    .filter(({ size }) => size === sizeText(scenario))
    .map(({ name, value, limit, show }) => {
      const measured = value(result)
      return row([name, show(measured), show(limit), measured <= limit ? 'met' : '**missed**'])
    })
}

/** Not only the load. */
function isWhole({ idleSeconds }: Scenario): boolean {
  return idleSeconds > 0
}

function steadyBytes({ idle }: ScenarioResult): number {
  return idle?.residentBytes ?? Number.NaN
}

function idlePercent({ idle }: ScenarioResult): number {
  return idle?.cpuPercent ?? Number.NaN
}

function sizeText({ services, endpoints }: Scenario): string {
  return `${services} x ${endpoints}`
}
