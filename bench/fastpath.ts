/*
 * What the fast path saves, in rounds that take turns: off, threshold 20, threshold 1. To be run in the guest of
 * test/guest with instructions for a clock (docs/performance.md): then a nanosecond is an instruction.
 *
 * - small packets: the kernel's packet generator sends 64-byte UDP packets of one flow through the router to a server
 *   that throws them away, so that all the work is generator, router and device;
 * - bulk: a TCP connection to an echo server; client, server and router share the processor;
 * - short connections: connect, 100 bytes there and back, close.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { clusterIp, service, servicePort } from '../test/guest/lab/cluster.ts'
import { openTcp, openUdp } from '../test/guest/lab/flows.ts'
import { addresses, client, one, router } from '../test/guest/lab/lab.ts'
import { Proxy } from '../test/guest/lab/proxy.ts'
import { nft, slowPackets } from '../test/guest/lab/watch.ts'
import { runInNamespace } from '../test/lab/program.ts'

const thresholds = [0, 20, 1] as const
const rounds = 3
const smallPackets = 20_000
const bulkBytes = 1_000_000
const bulkTransfers = 10
const shortConnections = 100

type Result = { readonly units: number; readonly nanoseconds: number; readonly slowPackets: number }

/** Nanoseconds and slow-path packets that some work takes. */
async function measured(units: number, work: () => Promise<void>): Promise<Result> {
  const packetsBefore = slowPackets(router.namespace)
  const begin = process.hrtime.bigint()
  await work()
  const nanoseconds = Number(process.hrtime.bigint() - begin)
  return { units, nanoseconds, slowPackets: slowPackets(router.namespace) - packetsBefore }
}

async function small(): Promise<Result> {
  const flow = await openUdp(client.namespace, clusterIp('IPv4', 1), servicePort)
  await flow.exchange(20)
  nft(
    one.namespace,
    'table ip drain { chain prerouting { type filter hook prerouting priority -300; udp dport 8080 drop; } }',
  )
  configureGenerator(flow.localPort)
  const result = await measured(smallPackets, async () => {
    client.namespace.run(() =>
      writeFileSync('/proc/net/pktgen/pgctrl'.replace('/proc', '/proc/thread-self'), 'start\n'),
    )
  })
  nft(one.namespace, 'delete table ip drain')
  await flow.close()
  return result
}

function configureGenerator(port: number): void {
  const mac = /link\/ether (\S+)/.exec(runInNamespace(router.namespace, 'ip', ['link', 'show', 'eth0']).stdout)?.[1]
  const tell = (file: string, ...lines: readonly string[]): void =>
    client.namespace.run(() => {
      for (const line of lines) writeFileSync(`/proc/thread-self/net/pktgen/${file}`, `${line}\n`)
    })
  tell('kpktgend_0', 'rem_device_all', 'add_device eth0')
  tell(
    'eth0',
    `count ${smallPackets}`,
    'pkt_size 64',
    'delay 0',
    'clone_skb 0',
    `dst_mac ${mac}`,
    `src_min ${addresses.IPv4.client}`,
    `src_max ${addresses.IPv4.client}`,
    `dst ${clusterIp('IPv4', 1)}`,
    `udp_src_min ${port}`,
    `udp_src_max ${port}`,
    `udp_dst_min ${servicePort}`,
    `udp_dst_max ${servicePort}`,
  )
}

async function bulk(): Promise<Result> {
  const flow = await openTcp(client.namespace, clusterIp('IPv4', 1), servicePort)
  await flow.exchange(20)
  const result = await measured(bulkTransfers * bulkBytes, () => flow.exchange(bulkTransfers, bulkBytes))
  await flow.close()
  return result
}

async function short(): Promise<Result> {
  return measured(shortConnections, async () => {
    for (let connection = 0; connection < shortConnections; connection++) {
      const flow = await openTcp(client.namespace, clusterIp('IPv4', 1), servicePort)
      await flow.exchange(1)
      flow.end()
      await flow.ending(5000)
      await flow.close()
    }
  })
}

// The guest has its modules in the first process's root.
runInNamespace(client.namespace, 'chroot', ['/proc/1/root', '/bin/busybox', 'modprobe', 'pktgen'])
const workloads = { small, bulk, short }
process.stdout.write(readFileSync('/proc/version', 'utf8'))
for (let round = 0; round < rounds; round++) {
  for (const threshold of thresholds) {
    const proxy = await Proxy.start([`--fastpath-packet-threshold=${threshold}`], service(1, ['one']))
    if (threshold > 0) await proxy.logged(/fast path is active/)
    for (const [name, work] of Object.entries(workloads)) {
      const { units, nanoseconds, slowPackets } = await work()
      const perUnit = (nanoseconds / units).toFixed(name === 'bulk' ? 3 : 0)
      process.stdout.write(
        `round ${round} threshold ${threshold} ${name}: ${perUnit} per unit, ${slowPackets} slow packets\n`,
      )
    }
    await proxy.kill()
  }
}
process.exit(0)
