import { median, ms, percentile, row } from '../agent/figures.ts'
import type { ClientRound } from './client.ts'
import { connectionsPerSecond, latencyRatio, rateRatio, type Ratio, type Rounds } from './comparison.ts'

/** One number of Services. A ruleset that could not be made has no rounds. */
export type DatapathRow = {
  readonly services: number
  readonly rounds: Rounds
  /** In the kernel, for each new connection. */
  readonly instructions?: { readonly ours: number; readonly peer: number }
}

export type DatapathResults = {
  readonly madeAt: string
  readonly machine: string
  readonly peerVersion: string
  /** Why instructions were not counted. */
  readonly notCounted?: string
  readonly rows: readonly DatapathRow[]
}

/** The results as Markdown. */
export function datapathReport({ madeAt, machine, peerVersion, notCounted, rows }: DatapathResults): string {
  return `# New connections through a cluster IP

Made by \`npm run bench:datapath\` on ${madeAt}. Machine: ${machine}.
kube-proxy: ${peerVersion}, nftables mode.

For each proxy a client and a server in network namespaces of their own, joined by a veth pair. The proxy programs the
client's namespace from the simulated API server and is stopped, its rules stay. The client opens connections to one cluster IP
after the other and resets them. Rounds alternate between the two, so that noise of the machine meets both; a ratio is that
of two rounds in a row, flowproxy to kube-proxy: their median, and its 95 % confidence interval by order statistics.

| Services | | connections each second | ratio | established p50 | ratio | p99 | rounds | connections |
|---|---|---|---|---|---|---|---|---|
${rows.flatMap(lines).join('\n')}

${rows.map(verdict).join('\n')}

## Instructions

${instructions(rows, notCounted)}
`
}

function lines({ services, rounds }: DatapathRow): string[] {
  const line = (name: string, own: readonly ClientRound[], rate: string, latency: string): string => {
    if (own.length === 0) return row([services, name, 'not measured: its rules were not made'])
    const latenciesMs = own.flatMap((round) => round.latenciesMs)
    const perSecond = median(own.map(connectionsPerSecond)).toFixed(0)
    const [p50, p99] = [50, 99].map((percent) => microseconds(percentile(latenciesMs, percent)))
    return row([services, name, perSecond, rate, p50 ?? '', latency, p99 ?? '', own.length, latenciesMs.length])
  }
  return [
    line('flowproxy', rounds.ours, ratioText(rateRatio(rounds)), ratioText(latencyRatio(rounds))),
    line('kube-proxy', rounds.peer, '-', '-'),
  ]
}

/** Slower is said when the whole interval says so. */
function verdict({ services, rounds }: DatapathRow): string {
  const { median, low, high } = latencyRatio(rounds)
  if (Number.isNaN(median)) return `- ${services} Services: not compared.`
  const word = low > 1 ? '**slower**' : high < 1 ? 'faster' : 'no slower, as far as these rounds can tell'
  return `- ${services} Services: new connections are ${word} with flowproxy.`
}

function instructions(rows: readonly DatapathRow[], notCounted: string | undefined): string {
  if (notCounted !== undefined) return `Not counted: ${notCounted}.`
  const lines = rows.flatMap(({ services, instructions }) =>
    instructions === undefined ? [] : [row([services, instructions.ours.toFixed(0), instructions.peer.toFixed(0)])],
  )
  return `The client's in the kernel for each new connection, its four packets and its system calls.

| Services | flowproxy | kube-proxy |
|---|---|---|
${lines.join('\n')}`
}

function ratioText({ median, low, high }: Ratio): string {
  if (Number.isNaN(median)) return '-'
  return `${median.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`
}

function microseconds(value: number): string {
  return value < 1 ? `${(value * 1000).toFixed(1)} µs` : ms(value)
}
