/* The machine against the kernel: random tables, one packet, and the rules that each says it met. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { tracePacket } from '../../src/explain/machine.ts'
import type { NodeView } from '../../src/explain/node.ts'
import type { Packet } from '../../src/explain/packet.ts'
import { indexTables } from '../../src/explain/ruleset.ts'
import type { Outcome } from '../../src/explain/trace.ts'
import { ipBytes } from '../../src/model/ip.ts'
import { createVethPair } from '../../src/netlink/link.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import { NftConnection } from '../../src/nft/connection.ts'
import { NFT_DYNSET_OP_UPDATE } from '../../src/nft/constants.ts'
import { dataTypes } from '../../src/nft/datatypes.ts'
import { readTable } from '../../src/nft/dump.ts'
import { accept, drop, type Expr, goto, jump, returnToCaller } from '../../src/nft/expressions.ts'
import { intervalElements } from '../../src/nft/intervals.ts'
import { type BaseChain, byType, type NftSet, type SetElement, type TableContents } from '../../src/nft/objects.ts'
import { renderTable } from '../../src/nft/render.ts'
import { removeTable } from '../../src/nft/transaction.ts'
import { ctOriginalDaddr, ctReplySaddr, daddr, l4proto, saddr, thDport } from '../../src/nft/selectors.ts'
import * as statements from '../../src/nft/statements.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { runInNamespace } from '../lab/program.ts'
import { ip } from '../model/fixtures.ts'
import { operationsFor } from '../nft/parity.ts'
import { at, cidr, type ChainParts, regular, table } from './fixtures.ts'

const own = '10.9.0.1'
const second = '10.9.0.3'
const neighbour = '10.9.0.2'
const stranger = '10.8.0.9'
const view: NodeView = {
  addresses: [ip(own), ip(second)],
  routes: [{ to: cidr('0.0.0.0/0'), oifname: 'veth0' }],
}
const port = 5000

/** Everything but its own addresses is behind the node's one interface, also what the neighbour there sends through it. */
const nodeSetUp = `
  ip link set lo up && ip link set veth0 up && ip addr add ${own}/24 dev veth0 && ip addr add ${second}/24 dev veth0
  ip route add default dev veth0 && echo 1 > /proc/sys/net/ipv4/ip_forward`
const neighbourSetUp = `
  ip link set veth1 up && ip addr add ${neighbour}/24 dev veth1 && ip route add default via ${own}`

const { inSet, verdictMap, dnatToMap, inPrefix, setMark, flipMark, hasMark, ctState, ctStatus } = statements
const bytes = (address: string): readonly number[] => [...ipBytes(ip(address))]
const portBytes = [port >> 8, port & 0xff, 0, 0]
const joined = (...parts: readonly (readonly number[])[]): Uint8Array => Uint8Array.from(parts.flat())

const sets: readonly (NftSet & { readonly elements: readonly SetElement[] })[] = [
  {
    name: 'ranges',
    key: byType(dataTypes.ipv4_addr),
    flags: ['interval'],
    elements: intervalElements([{ address: joined(bytes('10.9.0.2')), prefixLength: 31 }]),
  },
  {
    name: 'frontends',
    key: byType(dataTypes.ipv4_addr, dataTypes.inet_proto, dataTypes.inet_service),
    value: 'verdict',
    elements: [
      { key: joined(bytes(own), [17, 0, 0, 0], portBytes), verdict: goto('b') },
      { key: joined(bytes(neighbour), [17, 0, 0, 0], portBytes), verdict: jump('c') },
    ],
  },
  {
    name: 'endpoints',
    key: byType(dataTypes.ipv4_addr, dataTypes.inet_service),
    value: byType(dataTypes.ipv4_addr, dataTypes.inet_service),
    elements: [
      { key: joined(bytes(neighbour), portBytes), value: joined(bytes(second), [0, 53, 0, 0]) },
      { key: joined(bytes(stranger), portBytes), value: joined(bytes(second), [0, 53, 0, 0]) },
      { key: joined(bytes(own), portBytes), value: joined(bytes(neighbour), portBytes) },
      { key: joined(bytes('127.0.0.1'), portBytes), value: joined(bytes(own), portBytes) },
    ],
  },
  {
    name: 'seen',
    key: byType(dataTypes.ipv4_addr, dataTypes.inet_service),
    flags: ['dynamic'],
    size: 2,
    elements: [{ key: joined(bytes('1.2.3.4'), portBytes) }],
  },
]

const remember: readonly Expr[] = [
  daddr('ip').load(1),
  thDport.load(9),
  { kind: 'dynset', set: 'seen', op: NFT_DYNSET_OP_UPDATE, sregKey: 1 },
]
const hash: readonly Expr[] = [
  saddr('ip').load(1),
  daddr('ip').load(9),
  { kind: 'hash', dreg: 1, sreg: 1, len: 8, modulus: 2, seed: 7, offset: 0, type: 0 },
  { kind: 'cmp', sreg: 1, op: 0, data: { value: Uint8Array.of(1, 0, 0, 0) } },
]

const matches: readonly (readonly Expr[])[] = [
  [],
  ctState('new'),
  ctState('invalid'),
  ctStatus('dnat'),
  ctStatus('snat'),
  ctStatus('confirmed'),
  statements.ctLabel(90),
  statements.setCtLabel(90),
  statements.ctLabel(3),
  statements.setCtLabel(3),
  statements.ctPacketsOver(0),
  statements.ctPacketsOver(1),
  hasMark(1),
  setMark(1),
  flipMark(3),
  statements.isLocalAddress('saddr'),
  statements.isLocalAddress('daddr'),
  statements.throughInterface('in', 'lo', 'whole'),
  statements.throughInterface('not in', 'v', 'prefix'),
  outThrough('lo'),
  outThrough('veth0'),
  inSet([daddr('ip')], 'ranges'),
  inSet([saddr('ip')], 'ranges'),
  statements.notInRanges([daddr('ip')], 'ranges'),
  inPrefix(daddr('ip'), 'in', joined(bytes('10.0.0.0')), 9),
  inPrefix(saddr('ip'), 'not in', joined(bytes('127.0.0.0')), 8),
  inPrefix(ctOriginalDaddr('ip'), 'in', joined(bytes(neighbour)), 32),
  inPrefix(ctReplySaddr('ip'), 'in', joined(bytes(own)), 32),
  remember,
  hash,
]

const counter: Expr = { kind: 'counter' }
const target = (name: string): readonly (readonly Expr[])[] => [
  [statements.verdict(jump(name))],
  [statements.verdict(goto(name))],
]
const verdicts: readonly (readonly Expr[])[] = [
  [],
  [],
  [],
  [statements.verdict(returnToCaller)],
  [statements.verdict(accept)],
  [statements.verdict(drop)],
]

/** A rule that counts the packets that its matches let through; only UDP, so that answers of ICMP are not counted. */
const rules = (ends: readonly (readonly Expr[])[]): fc.Arbitrary<(readonly Expr[])[]> =>
  fc.array(
    fc
      .tuple(fc.array(fc.constantFrom(...matches), { maxLength: 2 }), fc.constantFrom(...ends))
      .map(([match, end]) => [...statements.protocolIs('udp'), ...match.flat(), counter, ...end]),
    { maxLength: 3 },
  )

const nested = [...target('a'), ...target('b'), ...target('c')]
const lookups = [verdictMap([daddr('ip'), l4proto, thDport], 'frontends')]
const dnat = dnatToMap('ip', [daddr('ip'), thDport], 'endpoints')
const filterHooks = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const

const baseChain: fc.Arbitrary<ChainParts> = fc.oneof(
  fc
    .record({
      hook: fc.constantFrom(...filterHooks),
      priority: fc.constantFrom(-300, -110, -90, 0, 0, 90, 110),
      policy: fc.constantFrom('accept', 'accept', 'accept', 'drop'),
      rules: rules([...verdicts, ...nested, ...lookups]),
    })
    .map(({ rules, hook, ...base }) => at(hook, rules, base)),
  natChain(['output', 'prerouting'], [...verdicts, ...nested, dnat, dnat]),
  natChain(['postrouting'], [...verdicts, ...nested, [statements.masqueradeFullyRandom]]),
  natChain(['input'], [...verdicts, ...nested]),
)

function natChain(hooks: readonly BaseChain['hook'][], ends: readonly (readonly Expr[])[]): fc.Arbitrary<ChainParts> {
  return fc
    .record({ hook: fc.constantFrom(...hooks), priority: fc.constantFrom(-100, 0, 100), rules: rules(ends) })
    .map(({ hook, priority, rules }) => at(hook, rules, { type: 'nat', priority }))
}

const tables: fc.Arbitrary<TableContents> = fc
  .record({
    bases: fc.array(baseChain, { minLength: 1, maxLength: 6 }),
    a: rules([...verdicts, ...target('b'), ...target('c')]),
    b: rules([...verdicts, ...target('c')]),
    c: rules(verdicts),
  })
  .map(({ bases, a, b, c }) =>
    table(
      {
        a: regular(...a),
        b: regular(...b),
        c: regular(...c),
        // Connection tracking is on from the first packet; that of the table before may still be being turned off.
        tracking: regular(ctState('new')),
        ...Object.fromEntries(bases.map((chain, index) => [`base-${index}`, chain])),
      },
      { sets },
    ),
  )
  // What a failure shows.
  .map((contents) => Object.assign(contents, { [fc.toStringMethod]: () => `\n${renderTable(contents)}` }))

describe('the machine meets the rules that the kernel meets', needs(root, tool('ip'), tool('bash')), () => {
  let node: NetworkNamespace
  let outside: NetworkNamespace
  let connection: NftConnection
  let nextSourcePort = 20_000

  before(async () => {
    node = NetworkNamespace.create()
    outside = NetworkNamespace.create()
    connection = node.run(() => new NftConnection())
    const links = node.run(() => new NetlinkSocket(NETLINK_ROUTE))
    await createVethPair(links, { name: 'veth0', peer: { name: 'veth1', namespaceFd: outside.fd } })
    links.close()
    shell(node, nodeSetUp)
    shell(outside, neighbourSetUp)
  })

  after(() => {
    connection.close()
    node.close()
    outside.close()
  })

  const flows: [source: string, destination: string][] = [
    [own, neighbour],
    [own, own],
    ['127.0.0.1', '127.0.0.1'],
    [neighbour, own],
    [neighbour, stranger],
  ]
  for (const [source, destination] of flows) {
    test(`for a packet from ${source} to ${destination}`, async () => {
      await fc.assert(
        fc.asyncProperty(tables, async (contents) => {
          await connection.commit([...removeTable(contents.table), ...operationsFor(contents)])
          const loaded = await readTable(connection, contents.table)
          assert.ok(loaded)
          const sourcePort = nextSourcePort++
          runInNamespace(source === neighbour ? outside : node, 'bash', ['-c', sendFrom(sourcePort, destination)])
          const counted = await readTable(connection, contents.table)
          const packet: Packet = {
            ...(source === neighbour ? { origin: 'network', iifname: 'veth0' } : { origin: 'node' }),
            protocol: 'udp',
            source: ip(source),
            sourcePort,
            destination: ip(destination),
            destinationPort: port,
          }
          const outcomes = tracePacket(indexTables([loaded]), packet, view, { showsMismatches: true })
          assert.equal(outcomes.length, 1)
          assert.deepEqual(machineCounts(outcomes), kernelCounts(counted))
        }),
        { numRuns: 100 },
      )
    })
  }
})

function shell(namespace: NetworkNamespace, script: string): void {
  const { status, stderr } = runInNamespace(namespace, 'bash', ['-ec', script])
  assert.equal(status, 0, stderr)
}

/** Every packet begins a connection: the kernel has only one source port to choose from. */
function sendFrom(sourcePort: number, destination: string): string {
  const range = '/proc/sys/net/ipv4/ip_local_port_range'
  return `echo ${sourcePort} ${sourcePort} > ${range} && echo > /dev/udp/${destination}/${port}`
}

/** `chain index: count` of every rule whose counter was reached. */
function kernelCounts(contents: TableContents | undefined): Record<string, number> {
  const counts: Record<string, number> = {}
  const indexes = new Map<string, number>()
  for (const { chain, expressions } of contents?.rules ?? []) {
    const index = indexes.get(chain) ?? 0
    indexes.set(chain, index + 1)
    const packets = expressions.find((expr) => expr.kind === 'counter')?.packets ?? 0
    if (packets > 0) counts[`${chain} ${index}`] = packets
  }
  return counts
}

function machineCounts(outcomes: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const step of outcomes.flatMap(({ steps }) => steps)) {
    if (step.kind !== 'rule' && !(step.kind === 'mismatch' && step.until.includes('counter'))) continue
    const name = `${step.chain} ${step.index}`
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

function outThrough(name: string): readonly Expr[] {
  return [
    { kind: 'meta', dreg: 1, key: 7 },
    { kind: 'cmp', sreg: 1, op: 0, data: { value: Buffer.from(name.padEnd(16, '\0')) } },
  ]
}
