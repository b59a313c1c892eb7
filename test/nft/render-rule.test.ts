import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { dataTypes } from '../../src/nft/datatypes.ts'
import { accept, type Expr, expressionLayouts } from '../../src/nft/expressions.ts'
import type { InetFamily } from '../../src/nft/inet.ts'
import { byType, type NftSet } from '../../src/nft/objects.ts'
import { renderTable } from '../../src/nft/render.ts'
import { ruleText } from '../../src/nft/render-rule.ts'
import {
  ctOriginalDaddr,
  ctOriginalProtoDst,
  daddr,
  dport,
  l4proto,
  numgenRandom,
  saddr,
} from '../../src/nft/selectors.ts'
import { dnatToMap, inSet, notInRanges, protocolIs, registerAt, verdict, verdictMap } from '../../src/nft/statements.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { freshKernel } from './kernel.ts'
import { assertParity } from './parity.ts'

/**
 * Rules as nft lists them, at the hook that has all that they need. FAM is `ip` or `ip6`. nft 1.0.6 aborts (register
 * numbers run out) on an `update` that maps an IPv6 address and a port to an IPv6 address, so none such is here.
 */
const rules = {
  output: `
    FAM daddr @addresses accept
    FAM daddr != @addresses accept
    FAM saddr . FAM daddr @pairs
    ct original FAM daddr @addresses
    FAM daddr . meta l4proto . th dport vmap @services
    meta mark set FAM daddr map @marks
    meta l4proto tcp accept
    meta l4proto != tcp accept
    tcp dport 80
    tcp dport != 80
    udp sport 53
    udp dport < 1024
    sctp dport >= 1024
    ct state new tcp dport 80
    FAM daddr @addresses tcp dport 80 accept
    meta l4proto tcp counter packets 0 bytes 0 tcp dport 80
    meta l4proto tcp meta mark set 0x00000005 tcp dport 80
    meta l4proto tcp jump services
    meta mark 0x00000001
    meta mark != 0x00000001 meta mark & 0x000000ff == 0x00000001
    meta mark set meta mark & 0x0000ff00
    meta mark set meta mark & 0x0000ff01 | 0x00000001
    meta mark set ct mark
    ct mark set meta mark
    ct mark 0x00000005 ct mark & 0x000000ff != 0x00000001
    ct state established,related,new
    ct state != new
    ct status dnat
    ct status != assured
    ct direction original
    ct direction reply
    ct label 5
    ct label 1,5
    ct label set 127
    ct packets > 20
    ct original packets > 20 ct reply bytes <= 4294967296
    oifname "eth0"
    oifname != "veth*"
    fib daddr type local accept
    fib saddr type != unicast
    meta mark set numgen inc mod 8
    meta mark set numgen random mod 8 offset 3
    meta mark set jhash FAM saddr mod 8
    meta mark set jhash FAM saddr . tcp sport mod 8 seed 0x5 offset 3
    meta mark set symhash mod 16
    add @recent { FAM saddr }
    update @recent { FAM saddr timeout 1m30s }
    delete @recent { FAM saddr }
    update @affinity { FAM saddr : tcp dport }
    counter packets 12 bytes 3456
    continue
    return`,
  input: `
    iifname "eth0"
    meta l4proto tcp counter packets 0 bytes 0 reject with tcp reset
    reject with tcp reset
    tcp dport 80 reject with tcp reset
    reject
    drop`,
  prerouting: `
    dnat FAM to FAM daddr . tcp dport . numgen random mod 2 map @endpoints
    dnat to FAM daddr map @hosts
    dnat to ADDRESS
    meta l4proto tcp dnat to HOST:80
    meta l4proto udp dnat to HOST:80-90 random,persistent
    meta l4proto udp dnat to :80`,
  postrouting: `
    snat to ADDRESS
    snat to ADDRESS-LATER fully-random
    masquerade
    masquerade random,persistent
    meta l4proto tcp masquerade to :80-90`,
} as const

const words = {
  ip: { FAM: 'ip', ADDRESS: '10.1.2.3', HOST: '10.1.2.3', LATER: '10.1.2.9' },
  ip6: { FAM: 'ip6', ADDRESS: 'fd00::1', HOST: '[fd00::1]', LATER: 'fd00::9' },
} as const satisfies Record<InetFamily, object>

for (const family of ['ip', 'ip6'] as const) {
  describe(`rules of family ${family} are written as nft lists them`, needs(root, tool('nft')), () => {
    for (const [hook, text] of Object.entries(rules)) {
      test(`at the hook ${hook}`, async (t) => {
        const own = text.replaceAll(/FAM|ADDRESS|HOST|LATER/g, (word) => words[family][word as 'FAM'])
        await assertParity(t, { family, name: 't' }, tableText(family, hook as keyof typeof rules, own))
      })
    }
  })
}

const inetRules = `
    meta nfproto ipv4
    meta nfproto ipv6 accept
    meta nfproto != ipv4 accept
    meta nfproto ipv4 tcp dport 80
    meta nfproto ipv4 ct original ip daddr @addresses
    meta nfproto ipv4 counter packets 0 bytes 0 ip saddr 10.1.2.3
    ip saddr 10.1.2.3 accept
    ip daddr @addresses return
    ip6 saddr != fd00::1 accept
    ip saddr 10.0.0.0/8 meta l4proto tcp
    ip saddr . ip daddr @pairs
    ip protocol tcp
    ip saddr @addresses ip daddr @addresses counter packets 0 bytes 0 ip saddr @addresses
    iifname "eth0" ip saddr @addresses tcp dport 80 return
    meta l4proto udp ip6 saddr fd00::1
    ct label 90 ct state established iifname "eth0" ct packets > 20 counter packets 0 bytes 0`

test('rules of both families are written as nft lists them', needs(root, tool('nft')), async (t) => {
  const text = tableText('ip', 'output', inetRules).replace('table ip t', 'table inet t')
  await assertParity(t, { family: 'inet', name: 't' }, text)
})

describe('a rule that nft cannot list so that it loads again', needs(root, tool('nft')), () => {
  const rows = {
    'a port of conntrack keeps the match on its protocol': 'meta l4proto tcp ct original proto-dst 5 tcp dport 80',
    'an update with a port of conntrack keeps the match on its protocol':
      'meta l4proto tcp update @recorded { ip saddr . ct original ip daddr . ct original proto-dst : ip daddr . tcp dport }',
    'adjacent ports that nft loads at once are bytes of the header': 'meta l4proto udp @th,0,32 0x00350035 accept',
    'an address range is two comparisons': 'ip daddr >= 10.1.2.3 ip daddr <= 10.1.3.4',
  }
  for (const [title, rule] of Object.entries(rows)) {
    test(title, async (t) => {
      const [original, reloaded] = [freshKernel(t), freshKernel(t)]
      original.load(tableText('ip', 'output', rule))
      const rendered = renderTable(await original.read({ family: 'ip', name: 't' }))
      assert.ok(rendered.includes(`\t\t${rule}\n`), rendered)
      reloaded.load(rendered)
      assert.equal(reloaded.bytecode(), original.bytecode())
    })
  }
})

describe('a rule alone', () => {
  const services: NftSet = {
    name: 'services',
    key: byType(dataTypes.ipv4_addr, dataTypes.inet_proto, dataTypes.inet_service),
    value: 'verdict',
  }
  const protocolPort = [daddr('ip'), dport('tcp')]
  const rows: readonly [text: string, expressions: readonly Expr[]][] = [
    ['ip saddr . ip daddr @pairs accept', [...inSet([saddr('ip'), daddr('ip')], 'pairs'), verdict(accept)]],
    [
      'ip daddr @a ip saddr . ip daddr vmap @b',
      [...inSet([daddr('ip')], 'a'), ...verdictMap([saddr('ip'), daddr('ip')], 'b')],
    ],
    [
      'dnat ip to ip daddr . tcp dport . numgen random mod 2 map @e',
      [...protocolIs('tcp'), ...dnatToMap('ip', [...protocolPort, numgenRandom(2)], 'e')],
    ],
    ['dnat ip6 to ip6 daddr map @e', dnatToMap('ip6', [daddr('ip6')], 'e')],
    [
      'meta l4proto tcp update @a { ip6 saddr . ct original ip6 daddr . ct original proto-dst timeout 3h : ip6 daddr . tcp dport }',
      [
        ...protocolIs('tcp'),
        saddr('ip6').load(registerAt(0)),
        ctOriginalDaddr('ip6').load(registerAt(4)),
        ctOriginalProtoDst.load(registerAt(8)),
        daddr('ip6').load(registerAt(10)),
        dport('tcp').load(registerAt(14)),
        { kind: 'dynset', set: 'a', op: 1, sregKey: registerAt(0), sregData: registerAt(10), timeout: 10_800_000 },
      ],
    ],
    [
      'ip daddr . meta l4proto . ip saddr != @allowed accept',
      [...notInRanges([daddr('ip'), l4proto, saddr('ip')], 'allowed'), verdict(accept)],
    ],
    ['flow add @fast', [{ kind: 'flow_offload', table: 'fast' }]],
    ['<limit> accept', [{ kind: 'unknown', name: 'limit', bytes: new Uint8Array() }, verdict(accept)]],
    ['<register slot 3> @services', [{ kind: 'lookup', set: 'services', sreg: registerAt(3) }]],
  ]
  for (const [text, expressions] of rows) {
    test(`without the declarations of its sets reads ${text}`, () => {
      assert.equal(
        ruleText({ chain: 'c', expressions }, () => undefined),
        text,
      )
    })
  }

  test('shows of a key no more than its set has parts', () => {
    const expressions = verdictMap([daddr('ip')], 'services')
    const declared = { ...services, key: byType(dataTypes.ipv4_addr) }
    assert.equal(
      ruleText({ chain: 'c', expressions }, () => declared),
      'ip daddr vmap @services',
    )
  })

  test('ends with its comment', () => {
    assert.equal(
      ruleText({ chain: 'c', expressions: [verdict(accept)], comment: 'say "hi"' }, () => undefined),
      `accept comment "say 'hi'"`,
    )
  })
})

test('every kind of expression that this kernel has is among the rules', () => {
  const inText: Readonly<Record<Exclude<keyof typeof expressionLayouts, 'flow_offload'>, string>> = {
    payload: 'FAM daddr',
    meta: 'meta mark',
    cmp: 'tcp dport 80',
    lookup: '@addresses',
    numgen: 'numgen',
    nat: 'dnat',
    masq: 'masquerade',
    ct: 'ct state',
    bitwise: ' & ',
    byteorder: 'ct packets >',
    immediate: 'accept',
    reject: 'reject',
    fib: 'fib',
    dynset: 'update',
    counter: 'counter',
    hash: 'jhash',
  }
  const all = Object.values(rules).join('\n')
  for (const [kind, text] of Object.entries(inText)) assert.ok(all.includes(text), kind)
})

function tableText(family: InetFamily, hook: keyof typeof rules, lines: string): string {
  const type = hook === 'input' || hook === 'output' ? 'filter' : 'nat'
  const address = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
  return `table ${family} t {
    set addresses { type ${address}; }
    set pairs { type ${address} . ${address}; }
    set recent { type ${address}; size 65535; flags dynamic,timeout; }
    map affinity { type ${address} : inet_service; size 65535; flags dynamic; }
    map recorded { type ${address} . ${address} . inet_service : ${address} . inet_service; size 65535; flags dynamic; }
    map services { type ${address} . inet_proto . inet_service : verdict; }
    map marks { type ${address} : mark; }
    map hosts { type ${address} : ${address}; }
    map endpoints {
      typeof ${family} daddr . tcp dport . numgen random mod 1 : ${family} daddr . tcp dport
    }
    chain services { }
    chain rules {
      type ${type} hook ${hook} priority 0; policy accept;
      ${lines}
    }
  }`
}
