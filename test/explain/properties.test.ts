import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { tracePacket } from '../../src/explain/machine.ts'
import type { Packet } from '../../src/explain/packet.ts'
import { indexTables } from '../../src/explain/ruleset.ts'
import { effectText } from '../../src/explain/effect-text.ts'
import { ipFromBytes } from '../../src/model/ip.ts'
import { addressType, dataTypes, IPPROTO } from '../../src/nft/datatypes.ts'
import { accept, drop, type Expr, goto, jump, returnToCaller } from '../../src/nft/expressions.ts'
import { familyBytes, type InetFamily } from '../../src/nft/inet.ts'
import { intervalElements } from '../../src/nft/intervals.ts'
import { type BaseChain, byType, byTypeof, type NftSet, type SetElement } from '../../src/nft/objects.ts'
import {
  ctOriginalDaddr,
  ctOriginalProtoDst,
  daddr,
  dport,
  iifname,
  l4proto,
  metaMark,
  numgenRandom,
  oifname,
  saddr,
  type Selector,
  sport,
  thDport,
} from '../../src/nft/selectors.ts'
import * as statements from '../../src/nft/statements.ts'
import { at, type ChainParts, node, regular, table } from './fixtures.ts'

/** Few enough values for packets and rules to meet. */
const addressOf = (family: InetFamily): fc.Arbitrary<Uint8Array> =>
  fc.integer({ min: 0, max: 3 }).map((host) => {
    const bytes = new Uint8Array(familyBytes(family)).fill(host === 3 ? 0xff : 10)
    bytes[bytes.length - 1] = host
    return bytes
  })
const port = fc.constantFrom(0, 53, 80, 65_535)
const protocol = fc.constantFrom('tcp', 'udp', 'sctp')
const chainNames = ['a', 'b', 'c'] as const

const selectorsOf = (family: InetFamily): readonly Selector[] => [
  saddr(family),
  daddr(family),
  thDport,
  dport('tcp'),
  sport('udp'),
  l4proto,
  metaMark,
  iifname,
  oifname,
  ctOriginalDaddr(family),
  ctOriginalProtoDst,
  numgenRandom(2),
]

/** One rule out of the builders; `targets` are the chains that it may lead to. */
function ruleOf(family: InetFamily, targets: readonly string[]): fc.Arbitrary<readonly Expr[]> {
  const { inSet, verdictMap, dnatToMap, inPrefix, notInRanges, updateMap } = statements
  const source = saddr(family)
  const destination = daddr(family)
  const match: fc.Arbitrary<readonly Expr[]> = fc.oneof(
    fc.constantFrom(...statementsOf()),
    fc
      .record({
        operator: fc.constantFrom('in', 'not in'),
        address: addressOf(family),
        length: fc.integer({ min: 0, max: 8 * familyBytes(family) }),
      })
      .map(({ operator, address, length }) => inPrefix(source, operator, address, length)),
    fc
      .uniqueArray(fc.constantFrom(...selectorsOf(family)), { minLength: 1, maxLength: 4 })
      .map((key) => inSet(key, 'some')),
    fc.constantFrom(
      inSet([destination], 'addresses'),
      inSet([source], 'ranges'),
      notInRanges([source], 'ranges'),
      updateMap('affinity', [source, thDport], [destination, thDport], 1000),
    ),
  )
  const end: fc.Arbitrary<readonly Expr[]> = fc.constantFrom(
    [],
    [],
    [statements.masqueradeFullyRandom],
    [statements.reject(family)],
    dnatToMap(family, [source, thDport], 'affinity'),
    dnatToMap(family, [destination, numgenRandom(2)], 'endpoints'),
    verdictMap([destination, l4proto, thDport], 'verdicts'),
    ...[accept, drop, returnToCaller].map((verdict) => [statements.verdict(verdict)]),
    ...targets.flatMap((name) => [[statements.verdict(jump(name))], [statements.verdict(goto(name))]]),
  )
  return fc.tuple(fc.array(match, { maxLength: 2 }), end).map(([matches, last]) => [...matches.flat(), ...last])
}

function statementsOf(): (readonly Expr[])[] {
  const { ctState, ctStatus, hasMark, setMark, flipMark, protocolIs, isLocalAddress, throughInterface } = statements
  const { ctLabel, setCtLabel, ctPacketsOver, familyIs, flowAdd, counter } = statements
  return [
    ctState('new'),
    ctStatus('dnat'),
    ctLabel(90),
    setCtLabel(90),
    ctPacketsOver(0),
    familyIs('ip'),
    [flowAdd('f'), counter],
    hasMark(1),
    setMark(1),
    flipMark(3),
    protocolIs('tcp'),
    isLocalAddress('saddr'),
    isLocalAddress('daddr'),
    throughInterface('in', 'veth', 'prefix'),
    throughInterface('not in', 'eth0', 'whole'),
  ]
}

function setsOf(family: InetFamily): readonly (NftSet & { readonly elements: readonly SetElement[] })[] {
  const address = addressType(family)
  const bytes = (host: number): Uint8Array => {
    const value = new Uint8Array(familyBytes(family)).fill(10)
    value[value.length - 1] = host
    return value
  }
  const joined = (...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array =>
    Uint8Array.from(parts.flatMap((part) => [...part]))
  return [
    { name: 'some', key: byType(address), elements: [] },
    { name: 'addresses', key: byType(address), elements: [{ key: bytes(0) }, { key: bytes(1) }] },
    {
      name: 'ranges',
      key: byType(address),
      flags: ['interval'],
      elements: intervalElements([{ address: bytes(0), prefixLength: familyBytes(family) * 8 - 1 }]),
    },
    {
      name: 'affinity',
      key: byType(address, dataTypes.inet_service),
      value: byType(address, dataTypes.inet_service),
      flags: ['dynamic', 'timeout'],
      size: 2,
      elements: [],
    },
    {
      name: 'endpoints',
      key: byTypeof(daddr(family), numgenRandom(1)),
      value: byType(address, dataTypes.inet_service),
      elements: [0, 1].map((slot) => ({
        key: joined(bytes(0), [slot, 0, 0, 0]),
        value: joined(bytes(2), [0, 53, 0, 0]),
      })),
    },
    {
      name: 'verdicts',
      key: byType(address, dataTypes.inet_proto, dataTypes.inet_service),
      value: 'verdict',
      elements: [
        { key: joined(bytes(1), [IPPROTO.tcp, 0, 0, 0], [0, 80, 0, 0]), verdict: goto('c'), comment: 'shop/web' },
        { key: new Uint8Array(), isCatchAll: true, verdict: returnToCaller },
      ],
    },
  ]
}

const hooks = [
  'prerouting',
  'input',
  'forward',
  'output',
  'postrouting',
] as const satisfies readonly BaseChain['hook'][]

function chainsOf(family: InetFamily): fc.Arbitrary<Record<string, ChainParts>> {
  const rules = (targets: readonly string[]) => fc.array(ruleOf(family, targets), { maxLength: 3 })
  const base = fc.record({
    hook: fc.constantFrom(...hooks),
    type: fc.constantFrom('filter', 'nat'),
    priority: fc.constantFrom(-300, -100, 0, 100),
    policy: fc.constantFrom('accept', 'accept', 'drop'),
    rules: rules(chainNames),
  })
  return fc
    .record({
      bases: fc.array(base, { minLength: 1, maxLength: 4 }),
      a: rules(['b', 'c']),
      b: rules(['c']),
      c: rules([]),
    })
    .map(({ bases, a, b, c }) => ({
      a: regular(...a),
      b: regular(...b),
      c: regular(...c),
      ...Object.fromEntries(
        bases.map(({ hook, rules, type, ...parts }, index) => [
          `base-${index}`,
          at(hook, rules, { ...parts, type: hook === 'forward' ? 'filter' : type }),
        ]),
      ),
    }))
}

function packetOf(family: InetFamily): fc.Arbitrary<Packet> {
  return fc.record(
    {
      origin: fc.constantFrom('network', 'node'),
      protocol,
      source: addressOf(family).map(ipFromBytes),
      sourcePort: port,
      destination: addressOf(family).map(ipFromBytes),
      destinationPort: port,
      iifname: fc.constantFrom('eth0', 'veth-pod'),
      mark: fc.integer({ min: 0, max: 3 }),
      tracking: fc.constantFrom('invalid', 'untracked'),
    },
    { requiredKeys: ['origin', 'protocol', 'source', 'sourcePort', 'destination', 'destinationPort'] },
  )
}

for (const family of ['ip', 'ip6'] as const) {
  test(`whatever our builders make, every packet of ${family} comes to ends that add up to one`, () => {
    fc.assert(
      fc.property(chainsOf(family), packetOf(family), fc.boolean(), (chains, packet, showsMismatches) => {
        const ruleset = indexTables([table(chains, { family, sets: setsOf(family) })])
        const outcomes = tracePacket(ruleset, packet, node, { showsMismatches })
        const total = outcomes.reduce((sum, { probability }) => sum + probability, 0)
        assert.ok(Math.abs(total - 1) < 1e-9, `${total}`)
        for (const { verdict, delivery, steps } of outcomes) {
          assert.equal(delivery !== undefined, verdict === 'pass')
          for (const step of steps) if ('effects' in step) step.effects.forEach(effectText)
        }
        assert.deepEqual(tracePacket(ruleset, packet, node, { showsMismatches }), outcomes)
      }),
      { numRuns: 500 },
    )
  })
}
