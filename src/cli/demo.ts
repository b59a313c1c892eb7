import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { ManifestAgent } from '../agent/manifest-agent.ts'
import { dataplaneConfig } from '../config/dataplane-flags.ts'
import { createDemoCluster, demoPlan, demoPodCidrs } from '../demo/cluster.ts'
import type { Host } from '../demo/host.ts'
import type { Tally } from '../demo/host-operations.ts'
import type { Network } from '../demo/network.ts'
import { NftConnection } from '../nft/connection.ts'
import { readTable } from '../nft/dump.ts'
import type { SyncReport } from '../sync/syncer.ts'
import { UsageError } from './failure.ts'

type DemoNetwork = Network<keyof typeof demoPlan.pods>

/** The example Services as clients dial them. */
const web = { name: 'shop/web', ipv4: '10.96.0.10', ipv6: 'fd00:10:96::10', port: 80 } as const
const dns = { name: 'kube-system/dns', ipv4: '10.96.0.53', ipv6: 'fd00:10:96::53', port: 53 } as const
const payments = { name: 'shop/payments', ipv4: '10.96.0.99', port: 443 } as const
const unallocatedIp = '10.96.200.1'

const connectionCount = 300

/** Runs the demonstration and prints it. Throws UsageError without root. */
export async function demo(): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new UsageError('the demo needs root, to make network namespaces: sudo npm run demo')
  const startedAt = performance.now()
  say(`flowproxy makes Service addresses work. This demo builds a small cluster on this machine, out of network
namespaces, and sends real connections through it. The host's own network and rules are not touched.`)
  const directory = await exampleManifests()
  await withNetwork((network) => showEverything(network, directory))
  say(`\nDone in ${((performance.now() - startedAt) / 1000).toFixed(1)} s. The namespaces are gone, and the rules with them.
Next: flowproxy render --manifests examples     shows these rules as nft(8) text, without root`)
}

/** A copy of the examples that goes with this process, interrupted or not. */
async function exampleManifests(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'flowproxy-demo-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]))
  }
  await cp(fileURLToPath(new URL('../../examples/', import.meta.url)), directory, { recursive: true })
  return directory
}

async function withNetwork(show: (network: DemoNetwork) => Promise<void>): Promise<void> {
  const { result: network, ms } = await timed(createDemoCluster)
  try {
    step('A cluster of six hosts', ms)
    say(`   node       ${demoPlan.node.addresses.join(', ')}: the rules go here, everybody is linked to it
   client     a pod, ${demoPlan.pods.client.addresses.join(', ')}
   backend-1, backend-2, backend-3   the pods behind the Services
   outside    ${demoPlan.outside.addresses.join(', ')}, not in the cluster`)
    await show(network)
  } finally {
    await network.close()
  }
}

async function showEverything(network: DemoNetwork, directory: string): Promise<void> {
  await startBackends(network)
  const reports = new ReportQueue()
  const agent = new ManifestAgent({
    manifests: directory,
    nodeName: demoPlan.node.name,
    families: ['IPv4', 'IPv6'],
    dataplane: dataplaneConfig({ clusterCidr: demoPodCidrs.join(',') }),
    minSyncPeriodMs: 0,
    retryPeriodMs: 1000,
    log: pino({ level: 'error' }),
    inNamespace: (open) => network.node.namespace.run(open),
    onSync: (report) => reports.push(report),
  })
  try {
    await showProgramming(agent, reports, network)
    await showSpread(network)
    await showSources(network)
    await showDeadEnds(network)
    await showScaling(network, directory, reports)
  } finally {
    await agent.close()
  }
}

async function startBackends({ pods }: DemoNetwork): Promise<void> {
  for (const key of ['backend1', 'backend2', 'backend3'] as const) {
    for (const address of demoPlan.pods[key].addresses) {
      await pods[key].listenTcp(address, 8080)
      await pods[key].listenTcp(address, 5353)
      await pods[key].listenUdp(address, 5353)
    }
  }
}

async function showProgramming(agent: ManifestAgent, reports: ReportQueue, { node }: DemoNetwork): Promise<void> {
  const start = performance.now()
  await agent.start()
  const first = [await reports.next(), await reports.next()]
  step('The Services in examples/, read and programmed into the kernel', performance.now() - start)
  for (const { family, services, endpointsAdded, elementsAdded, commit } of first) {
    say(
      `   ${family}: ${services} Services with ${endpointsAdded} endpoints are ${elementsAdded} map elements, ` +
        `committed in one transaction (${milliseconds(commit.kernelMs)} in the kernel)`,
    )
  }
  const connection = node.namespace.run(() => new NftConnection())
  const table = await readTable(connection, { family: 'ip', name: 'kube-proxy' })
  connection.close()
  const shared = table?.chains.filter(({ name }) => name.startsWith('pick-')).map(({ name }) => name) ?? []
  say(`   No Service has a chain of its own: they share ${shared.join(', ')} (protocol and number of endpoints).`)
}

async function showSpread({ pods: { client } }: DemoNetwork): Promise<void> {
  step(`${connectionCount} connections from the client pod to each Service, and who answered`)
  const rows = [
    { name: web.name, address: web.ipv4, port: web.port, protocol: 'tcp' },
    { name: web.name, address: web.ipv6, port: web.port, protocol: 'tcp' },
    { name: dns.name, address: dns.ipv4, port: dns.port, protocol: 'udp' },
    { name: dns.name, address: dns.ipv6, port: dns.port, protocol: 'udp' },
    { name: dns.name, address: dns.ipv4, port: dns.port, protocol: 'tcp' },
  ] as const
  for (const { name, address, port, protocol } of rows) {
    const tally = await client.connectMany(address, port, connectionCount, { protocol })
    say(`   ${name.padEnd(16)} ${dialled(address, port, protocol).padEnd(24)} ${tallyText(tally)}`)
  }
}

async function showSources({ pods: { client, backend1 }, outside }: DemoNetwork): Promise<void> {
  step('Whom the backends see')
  const cases: readonly (readonly [Host, string])[] = [
    [client, 'a pod keeps its address'],
    [outside, "from outside it is the node's, so that answers come back through it"],
    [backend1, "a backend that reaches itself sees the node's too"],
  ]
  for (const [host, remark] of cases) {
    const outcome = await untilAnsweredBy(host, host === backend1 ? backend1.name : undefined)
    say(`   ${host.name.padEnd(10)} is seen as ${outcome.padEnd(14)} ${remark}`)
  }
}

async function showDeadEnds({ pods: { client } }: DemoNetwork): Promise<void> {
  step('Addresses that lead nowhere say so')
  const cases = [
    [payments.ipv4, payments.port, 'a Service without endpoints'],
    [web.ipv4, 81, 'a port that the Service does not have'],
    [unallocatedIp, 80, 'a cluster IP that no Service has: dropped'],
  ] as const
  for (const [address, port, remark] of cases) {
    const { result, ms } = await timed(() => client.connectTcp(address, port, { timeoutMs: 400 }))
    say(
      `   ${dialled(address, port, 'tcp').padEnd(24)} ${result.outcome} after ${milliseconds(ms).padEnd(8)} ${remark}`,
    )
  }
}

/** Takes the last endpoint of the web Service out of its manifest and puts it back. */
async function showScaling({ pods: { client } }: DemoNetwork, directory: string, reports: ReportQueue): Promise<void> {
  step('Scaling shop/web by editing its manifest')
  const file = join(directory, 'web.yaml')
  const three = await readFile(file, 'utf8')
  const two = three
    .split('\n')
    .filter((line) => !line.includes('10.244.1.13') && !line.includes('fd00:10:244:1::13'))
    .join('\n')
  const open = await client.openTcp(web.ipv4, web.port)
  for (const [text, remark] of [
    [two, '3 -> 2 endpoints'],
    [three, '2 -> 3 endpoints'],
  ] as const) {
    reports.clear()
    const start = performance.now()
    await writeFile(file, text)
    const { commit, elementsAdded, elementsRemoved } = await reports.next()
    const ms = performance.now() - start
    await reports.next()
    const tally = await client.connectMany(web.ipv4, web.port, connectionCount)
    say(
      `   ${remark}: ${milliseconds(ms)} from the write to the kernel (${milliseconds(commit.kernelMs)} of it there), ` +
        `${elementsAdded + elementsRemoved} elements sent. Then: ${tallyText(tally)}`,
    )
  }
  const again = await open.ask()
  say(`   A connection that was open all the time: ${again.outcome === 'answered' ? 'still answers' : again.outcome}`)
  await open.close()
}

/** The source address that the web Service sees; with `server`, as soon as that backend happens to be picked. */
async function untilAnsweredBy(host: Host, server: string | undefined): Promise<string> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const outcome = await host.connectTcp(web.ipv4, web.port)
    if (outcome.outcome !== 'answered') return outcome.outcome
    if (server === undefined || outcome.server === server) return outcome.peer.address
  }
  return 'never'
}

/** The reports of syncs that went well, in order, for whoever waits for the next one. */
class ReportQueue {
  readonly #reports: SyncReport[] = []
  readonly #arrival = new EventTarget()

  push(report: SyncReport): void {
    this.#reports.push(report)
    this.#arrival.dispatchEvent(new Event('report'))
  }

  clear(): void {
    this.#reports.length = 0
  }

  async next(): Promise<SyncReport> {
    for (;;) {
      const report = this.#reports.shift()
      if (report !== undefined) return report
      await once(this.#arrival, 'report', { signal: AbortSignal.timeout(10_000) })
    }
  }
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const start = performance.now()
  return { result: await work(), ms: performance.now() - start }
}

function tallyText({ servers, failures }: Tally): string {
  const parts = [...Object.entries(servers).sort(([a], [b]) => a.localeCompare(b)), ...Object.entries(failures)]
  return parts.map(([name, count]) => `${name} ${count}`).join('  ')
}

function dialled(address: string, port: number, protocol: string): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}/${protocol}`
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`
}

function step(title: string, ms?: number): void {
  say(`\n-- ${title}${ms === undefined ? '' : ` (${milliseconds(ms)})`}`)
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
