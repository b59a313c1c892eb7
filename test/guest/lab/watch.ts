/* What the router's kernel says of a connection, asked without our own netlink code. */
import { readFileSync, writeFileSync } from 'node:fs'
import { runInNamespace } from '../../lab/program.ts'
import type { NetworkNamespace } from '../../../src/netlink/namespace.ts'
import type { Flow } from './flows.ts'

/**
 * A chain behind all others counts what the rules still see. Where no rule needs connections the kernel stops
 * tracking and translating them, those that run too: the other chains stand for rules of other programs.
 */
export function watchSlowPath(router: NetworkNamespace): void {
  nft(
    router,
    `table inet watch {
       chain forward {
         type filter hook forward priority 2147483647; policy accept
         meta l4proto { tcp, udp } counter
       }
       chain prerouting { type nat hook prerouting priority 0; ct state established accept; }
       chain postrouting { type nat hook postrouting priority 0; }
     }`,
  )
}

/** TCP and UDP packets that went through the forward hook since `watchSlowPath`. */
export function slowPackets(router: NetworkNamespace): number {
  const { stdout, stderr } = runInNamespace(router, 'nft', ['list', 'chain', 'inet', 'watch', 'forward'])
  const packets = /counter packets (\d+)/.exec(stdout)?.[1]
  if (packets === undefined) throw new Error(`no counter in ${stdout}${stderr}`)
  return Number(packets)
}

/** Loads rules. Throws with what nft said. */
export function nft(namespace: NetworkNamespace, rules: string): void {
  const { status, stderr } = runInNamespace(namespace, 'nft', ['-f', '-'], rules)
  if (status !== 0) throw new Error(`nft: ${stderr}`)
}

export function nftList(namespace: NetworkNamespace, ...what: readonly string[]): string {
  return runInNamespace(namespace, 'nft', ['list', ...what]).stdout
}

/** A connection as /proc/net/nf_conntrack has it; undefined when there is none. */
export type TrackedConnection = {
  readonly isOffloaded: boolean
  /** Of both directions; undefined where nothing is counted. */
  readonly packets: number | undefined
  readonly text: string
}

export function tracked(router: NetworkNamespace, flow: Flow): TrackedConnection | undefined {
  const wanted = new RegExp(`^\\S+ +\\d+ ${flow.protocol} .*? sport=${flow.localPort} dport=${flow.dialledPort} `)
  // An entry is left out of the listing when others before it vanish meanwhile.
  let text: string | undefined
  for (let attempt = 0; attempt < 3 && text === undefined; attempt++)
    text = conntrackLines(router).find((line) => wanted.test(line))
  if (text === undefined) return undefined
  const packets = Array.from(text.matchAll(/ packets=(\d+)/g), ([, count]) => Number(count))
  return {
    isOffloaded: text.includes('[OFFLOAD]'),
    packets: packets.length === 0 ? undefined : packets.reduce((sum, count) => sum + count),
    text,
  }
}

/** All connections, one a line. */
export function conntrackLines(router: NetworkNamespace): readonly string[] {
  return readIn(router, '/proc/thread-self/net/nf_conntrack').split('\n').filter(Boolean)
}

/** A file of /proc that shows the namespace of whoever reads it. */
export function readIn(namespace: NetworkNamespace, path: string): string {
  let text = ''
  namespace.run(() => {
    text = readFileSync(path, 'utf8')
  })
  return text
}

export function sysctl(namespace: NetworkNamespace, name: string, value?: string): string {
  const path = `/proc/sys/${name.replaceAll('.', '/')}`
  if (value !== undefined) namespace.run(() => writeFileSync(path, value))
  return readIn(namespace, path).trim()
}
