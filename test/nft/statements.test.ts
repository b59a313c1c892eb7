import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NFT_MSG } from '../../src/nft/constants.ts'
import { dataTypes, IPPROTO } from '../../src/nft/datatypes.ts'
import { accept, drop, type Expr, goto, jump, returnToCaller } from '../../src/nft/expressions.ts'
import type { InetFamily } from '../../src/nft/inet.ts'
import { ruleBody } from '../../src/nft/messages.ts'
import { byType, byTypeof, type Family, type NftSet, type TableContents } from '../../src/nft/objects.ts'
import { renderTable } from '../../src/nft/render.ts'
import {
  ctOriginalDaddr,
  ctOriginalProtoDst,
  daddr,
  dport,
  l4proto,
  numgenRandom,
  saddr,
  sport,
  thDport,
} from '../../src/nft/selectors.ts'
import * as statements from '../../src/nft/statements.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { freshKernel } from './kernel.ts'
import { messagesFromNft, type NftMessage } from './nft-messages.ts'
import { operationsFor } from './parity.ts'
import { plain } from './round-trip.ts'

const {
  inSet,
  verdictMap,
  dnatToMap,
  inPrefix,
  familyIs,
  protocolIs,
  ctLabel,
  setCtLabel,
  ctPacketsOver,
  counter,
  flowAdd,
  ctState,
  ctStates,
  ctStatus,
  ctStatuses,
  hasMark,
  isLocalAddress,
  notInRanges,
  throughInterface,
  updateMap,
  setMark,
  flipMark,
  masqueradeFullyRandom,
  reject,
  verdict,
  registerAt,
  slotOf,
} = statements

const network = Uint8Array.from({ length: 16 }, (_, index) => (index === 0 ? 0xfd : 0))

/** Rules by the builder that they are about: the text that nft compiles, beside what our builder makes. */
type Rules = { readonly [builder: string]: readonly (readonly [nft: string, expressions: readonly Expr[]])[] }

function rulesOf(family: InetFamily): Rules {
  const [source, destination] = [saddr(family), daddr(family)]
  const original = ctOriginalDaddr(family)
  const address = family === 'ip' ? Uint8Array.of(10, 64, 3, 1) : new Uint8Array(16).fill(0xfd)
  const text = family === 'ip' ? '10.64.3.1' : Array.from({ length: 8 }, () => 'fdfd').join(':')
  const prefixLengths = family === 'ip' ? [0, 1, 8, 10, 16, 24, 31, 32] : [0, 3, 8, 48, 64, 65, 112, 127, 128]
  return {
    inSet: [
      [`${family} daddr @addresses`, inSet([destination], 'addresses')],
      [`${family} saddr . ${family} daddr @pairs`, inSet([source, destination], 'pairs')],
      [`${family} saddr . ct original ${family} daddr @pairs`, inSet([source, original], 'pairs')],
    ],
    verdictMap: [
      [
        `${family} daddr . meta l4proto . th dport vmap @services`,
        verdictMap([destination, l4proto, thDport], 'services'),
      ],
      ['meta l4proto . th dport vmap @nodeports', verdictMap([l4proto, thDport], 'nodeports')],
    ],
    dnatToMap: (['tcp', 'udp', 'sctp'] as const).map((protocol) => [
      `meta l4proto ${protocol} dnat ${family} to ${family} daddr . ${protocol} dport . numgen random mod 7 map @endpoints-${protocol}`,
      [
        ...protocolIs(protocol),
        ...dnatToMap(family, [destination, dport(protocol), numgenRandom(7)], `endpoints-${protocol}`),
      ],
    ]),
    inPrefix: prefixLengths.flatMap((length) => [
      [`${family} saddr ${text}/${length}`, inPrefix(source, 'in', address, length)] as const,
      [`${family} daddr != ${text}/${length}`, inPrefix(destination, 'not in', address, length)] as const,
      [`ct original ${family} daddr != ${text}/${length}`, inPrefix(original, 'not in', address, length)] as const,
    ]),
    protocolIs: [
      ...(['tcp', 'udp', 'sctp'] as const).map(
        (name) => [`meta l4proto ${name} accept`, [...protocolIs(name), verdict(accept)]] as const,
      ),
      [
        'meta l4proto tcp tcp sport . tcp dport @ports',
        [...protocolIs('tcp'), ...inSet([sport('tcp'), dport('tcp')], 'ports')],
      ],
    ],
    notInRanges: [
      [
        `${family} daddr . meta l4proto . th dport . ${family} saddr != @allowed drop`,
        [...notInRanges([destination, l4proto, thDport, source], 'allowed'), verdict(drop)],
      ],
    ],
    isLocalAddress: [
      ['fib daddr type local', isLocalAddress('daddr')],
      ['fib saddr type local', isLocalAddress('saddr')],
    ],
    throughInterface: [
      ['iifname "br0"', throughInterface('in', 'br0', 'whole')],
      ['iifname != "an-interface-15"', throughInterface('not in', 'an-interface-15', 'whole')],
      ['iifname "veth*"', throughInterface('in', 'veth', 'prefix')],
      ['iifname != "cali*"', throughInterface('not in', 'cali', 'prefix')],
    ],
    updateMap: [
      [
        `meta l4proto tcp update @affinity { ${family} saddr timeout 3h : tcp dport }`,
        [...protocolIs('tcp'), ...updateMap('affinity', [source], [dport('tcp')], 10_800_000)],
      ],
    ],
    ctState: Object.keys(ctStates).map((name) => [`ct state ${name}`, ctState(name as keyof typeof ctStates)]),
    ctStatus: Object.keys(ctStatuses).map((name) => [`ct status ${name}`, ctStatus(name as keyof typeof ctStatuses)]),
    ctLabel: [0, 7, 8, 90, 127].map((bit) => [`ct label ${bit}`, ctLabel(bit)]),
    setCtLabel: [0, 7, 8, 90, 127].map((bit) => [`ct label set ${bit}`, setCtLabel(bit)]),
    ctPacketsOver: [1, 20, 256, 2 ** 31 - 1].map((count) => [`ct packets > ${count}`, ctPacketsOver(count)]),
    counter: [['ct packets > 20 counter', [...ctPacketsOver(20), counter]]],
    hasMark: [
      ['meta mark & 0x00004000 != 0x00000000', hasMark(0x4000)],
      // nft lists the highest bit as a prefix, `meta mark != 0x00000000/1`
      ['meta mark & 0x40000000 != 0x00000000', hasMark(0x40000000)],
    ],
    setMark: [
      ['meta mark set meta mark | 0x00004000', setMark(0x4000)],
      ['meta mark set meta mark | 0x80000001', setMark(0x80000001)],
    ],
    flipMark: [
      ['meta mark set meta mark ^ 0x00004000', flipMark(0x4000)],
      ['meta mark set meta mark ^ 0x80000001', flipMark(0x80000001)],
    ],
    masqueradeFullyRandom: [
      ['masquerade fully-random', [masqueradeFullyRandom]],
      [
        `ct status dnat ${family} saddr . ${family} daddr @pairs masquerade fully-random`,
        [...ctStatus('dnat'), ...inSet([source, destination], 'pairs'), masqueradeFullyRandom],
      ],
    ],
    reject: [['reject', [reject(family)]]],
    verdict: [
      ['accept', [verdict(accept)]],
      ['drop', [verdict(drop)]],
      ['return', [verdict(returnToCaller)]],
      ['jump services', [verdict(jump('services'))]],
      ['goto services', [verdict(goto('services'))]],
    ],
  }
}

/** Only a table of both families has use for this. */
const inetRules: Rules = {
  familyIs: [
    ['meta nfproto ipv4 accept', [...familyIs('ip'), verdict(accept)]],
    ['meta nfproto ipv6 counter', [...familyIs('ip6'), counter]],
    ['ip daddr @addresses return', [...familyIs('ip'), ...inSet([daddr('ip')], 'addresses'), verdict(returnToCaller)]],
    ['ip6 saddr fd00::/8 drop', [...familyIs('ip6'), ...inPrefix(saddr('ip6'), 'in', network, 8), verdict(drop)]],
    [
      'meta nfproto ipv4 ct original ip daddr @addresses',
      [...familyIs('ip'), ...inSet([ctOriginalDaddr('ip')], 'addresses')],
    ],
    [
      'meta nfproto ipv4 tcp dport . tcp sport @ports',
      [...familyIs('ip'), ...protocolIs('tcp'), ...inSet([dport('tcp'), sport('tcp')], 'ports')],
    ],
  ],
}

for (const family of ['ip', 'ip6', 'inet'] as const) {
  describe(
    `the nft program makes the same bytecode and the same text, family ${family}`,
    needs(root, tool('nft')),
    () => {
      for (const [builder, rows] of Object.entries(family === 'inet' ? inetRules : rulesOf(family))) {
        test(builder, async (t) => {
          const contents = tableOf(
            family,
            builder,
            rows.map(([, expressions]) => expressions),
          )
          const [theirs, ours] = [freshKernel(t), freshKernel(t)]
          const empty = renderTable({ ...contents, rules: [] })
          theirs.load(empty)
          theirs.load(rows.map(([nft]) => `add rule ${family} t ${chainOf(builder)} ${nft}\n`).join(''))
          await ours.connection.commit(operationsFor(contents))
          assert.equal(ours.bytecode(), theirs.bytecode())
          assert.equal(renderTable(contents), theirs.listing())
          assert.equal(ours.listing(), theirs.listing())
        })
      }
    },
  )
}

test(
  'an update of an IPv6 address and port needs more registers than nft has, but the kernel takes it',
  needs(root, tool('nft')),
  async (t) => {
    const kernel = freshKernel(t)
    const key = [saddr('ip6'), ctOriginalDaddr('ip6'), ctOriginalProtoDst]
    const value = [daddr('ip6'), dport('tcp')]
    const affinity: NftSet = {
      name: 'affinity',
      key: byTypeof(...key.slice(0, 2), dport('tcp')),
      value: byTypeof(...value),
      flags: ['dynamic'],
      timeoutMs: 1000,
      size: 9,
    }
    const expressions = [...protocolIs('tcp'), ...updateMap('affinity', key, value, 10_800_000)]
    const contents = { ...tableOf('ip6', 'updateMap', [expressions]), sets: [affinity] }
    const stored = expressions.map((expr) => (expr.kind === 'dynset' ? { ...expr, flags: 0 } : expr))
    await kernel.connection.commit(operationsFor(contents))
    assert.deepEqual(plain((await kernel.read(contents.table)).rules[0]?.expressions), plain(stored))
    const update =
      'update @affinity { ip6 saddr . ct original ip6 daddr . ct original proto-dst timeout 3h : ip6 daddr . tcp dport }'
    assert.ok(renderTable(contents).includes(`meta l4proto tcp ${update}\n`))
    assert.ok(kernel.listing().includes(`\t${update}\n`))
  },
)

/** What the nft program sends can be seen on a kernel too that refuses it. */
const offloadRules: Rules = {
  flowAdd: [
    ['flow add @fast', [flowAdd('fast')]],
    ['ct packets > 20 flow add @fast counter', [...ctPacketsOver(20), flowAdd('fast'), counter]],
  ],
}

describe('the nft program sends the same expressions', needs(root, tool('nft')), () => {
  for (const [builder, rows] of Object.entries(offloadRules)) {
    test(builder, () => {
      const rules = rows.map(([nft]) => `${nft}\n`).join('')
      const flowtable = 'flowtable fast { hook ingress priority 0; devices = { "lo" }; }'
      const sent = messagesFromNft(`table inet t {\n${flowtable}\nchain c {\n${rules}}\n}`)
      assert.deepEqual(
        sent.filter(({ type }) => type === NFT_MSG.NEWRULE).map((message) => expressionsIn(message)),
        rows.map(([, expressions]) => plain(expressions)),
      )
    })
  }
})

test('every builder of statements is compared with the nft program', () => {
  const others = ['NFT_REG_VERDICT', 'registerAt', 'slotOf', 'ctStates', 'ctStatuses']
  const builders = { ...rulesOf('ip'), ...inetRules, ...offloadRules }
  assert.deepEqual([...Object.keys(builders), ...others].toSorted(), Object.keys(statements).toSorted())
})

describe('registers', () => {
  test('begin at a slot of four bytes, every fourth of them under its older number', () => {
    const numbers = Array.from({ length: 16 }, (_, slot) => registerAt(slot))
    assert.deepEqual(numbers, [1, 9, 10, 11, 2, 13, 14, 15, 3, 17, 18, 19, 4, 21, 22, 23])
  })

  test('say which slot they begin at', () => {
    assert.deepEqual(
      Array.from({ length: 16 }, (_, slot) => slotOf(registerAt(slot))),
      Array.from({ length: 16 }, (_, slot) => slot),
    )
  })

  test('have two numbers where the older ones begin', () => {
    assert.deepEqual([1, 2, 3, 4].map(slotOf), [8, 12, 16, 20].map(slotOf))
  })
})

/** A counter that nft sends says nothing: it begins at 0. */
function expressionsIn({ body }: NftMessage): readonly Expr[] {
  const { expressions = [] } = ruleBody.read(body, 0, body.length).attributes
  return plain(expressions.map((expr) => (expr.kind === 'counter' ? counter : expr)))
}

/** A table with the sets that the rules use, and the rules in a chain where the kernel accepts them. */
function tableOf(family: Family, builder: string, rules: readonly (readonly Expr[])[]): TableContents {
  const name = chainOf(builder)
  const hooks = { nat: 'prerouting', source: 'postrouting', filter: 'input' } as const
  const hook = hooks[name]
  const type = name === 'filter' ? 'filter' : 'nat'
  return {
    table: { family, name: 't' },
    flowtables: [],
    sets: setsOf(family === 'inet' ? 'ip' : family),
    chains: [{ name: 'services' }, { name, base: { type, hook, priority: 0 } }],
    rules: rules.map((expressions) => ({ chain: name, expressions })),
    elements: new Map(),
  }
}

function chainOf(builder: string): 'nat' | 'source' | 'filter' {
  if (builder === 'dnatToMap') return 'nat'
  return builder === 'masqueradeFullyRandom' ? 'source' : 'filter'
}

function setsOf(family: InetFamily): NftSet[] {
  const address = family === 'ip' ? dataTypes.ipv4_addr : dataTypes.ipv6_addr
  const { inet_proto, inet_service } = dataTypes
  return [
    { name: 'addresses', key: byType(address) },
    { name: 'pairs', key: byType(address, address) },
    { name: 'allowed', key: byType(address, inet_proto, inet_service, address), flags: ['interval'] },
    { name: 'affinity', key: byType(address), value: byType(inet_service), flags: ['dynamic', 'timeout'], size: 100 },
    { name: 'ports', key: byType(inet_service, inet_service) },
    { name: 'services', key: byType(address, inet_proto, inet_service), value: 'verdict' },
    { name: 'nodeports', key: byType(inet_proto, inet_service), value: 'verdict' },
    ...(Object.keys(IPPROTO) as (keyof typeof IPPROTO)[]).map((protocol): NftSet => ({
      name: `endpoints-${protocol}`,
      key: byTypeof(daddr(family), dport(protocol), numgenRandom(1)),
      value: byTypeof(daddr(family), dport(protocol)),
    })),
  ]
}
