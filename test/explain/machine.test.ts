import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { tracePacket } from '../../src/explain/machine.ts'
import { indexTables } from '../../src/explain/ruleset.ts'
import { laterPacket } from '../../src/explain/later-packet.ts'
import type { Packet } from '../../src/explain/packet.ts'
import { NFPROTO_IPV4, NFPROTO_IPV6, NFT_NAT_DNAT, NFT_NAT_SNAT } from '../../src/nft/constants.ts'
import { accept, drop, type Expr } from '../../src/nft/expressions.ts'
import { daddr, iifname, oifname, saddr } from '../../src/nft/selectors.ts'
import {
  ctState,
  ctStatus,
  inPrefix,
  masqueradeFullyRandom,
  NFT_REG_VERDICT,
  registerAt,
  setMark,
  verdict,
} from '../../src/nft/statements.ts'
import { ipBytes } from '../../src/model/ip.ts'
import { ipv4, ipv6 } from '../lab/addresses.ts'
import { ip } from '../model/fixtures.ts'
import { at, type ChainParts, only, packet, packet6, path, regular, table, trace } from './fixtures.ts'

const mark = setMark(1)

/** `dnat to 10.180.0.1:8080`, or `snat to ...` */
function translateTo(address: string, port?: number, type: number = NFT_NAT_DNAT): readonly Expr[] {
  const bytes = ipBytes(ip(address))
  const portRegister = registerAt(8)
  return [
    { kind: 'immediate', dreg: 1, data: { value: bytes } },
    ...(port === undefined
      ? []
      : [{ kind: 'immediate' as const, dreg: portRegister, data: { value: Uint8Array.of(port >> 8, port) } }]),
    {
      kind: 'nat',
      type,
      family: bytes.length === 4 ? NFPROTO_IPV4 : NFPROTO_IPV6,
      addrMin: 1,
      ...(port === undefined ? {} : { protoMin: portRegister }),
    },
  ]
}

const isTo = (address: string): readonly Expr[] => inPrefix(daddr('ip'), 'in', ipBytes(ip(address)), 32)
const isFrom = (address: string): readonly Expr[] => inPrefix(saddr('ip'), 'in', ipBytes(ip(address)), 32)
const through = (selector: typeof iifname, name: string): readonly Expr[] => [
  selector.load(1),
  { kind: 'cmp', sreg: 1, op: 0, data: { value: Buffer.from(name.padEnd(16, '\0')) } },
]
const dropping = [verdict(drop)]
const nat = { type: 'nat', priority: -100 } as const

const everyHook: Record<string, ChainParts> = {
  pre: at('prerouting', [[...ctState('new'), ...mark]]),
  'nat-pre': at('prerouting', [mark], nat),
  in: at('input', [mark]),
  'nat-in': at('input', [mark], nat),
  forward: at('forward', [mark]),
  out: at('output', [mark]),
  'nat-out': at('output', [mark], nat),
  post: at('postrouting', [mark]),
  'nat-post': at('postrouting', [mark], nat),
}
const fromNode: Partial<Packet> = { origin: 'node', source: ip(ipv4.node) }

describe('a packet goes through the hooks of its way:', () => {
  const rows: [title: string, sent: Packet, delivery: string, chains: string][] = [
    ['through the node', packet(), 'forwarded', 'nat-pre pre forward post nat-post'],
    ['to the node', packet({ destination: ip(ipv4.secondNodeIp) }), 'local', 'nat-pre pre in nat-in'],
    ['out of the node', packet(fromNode), 'sent', 'nat-out out post nat-post'],
    // NAT of prerouting and input is settled by then.
    [
      'from the node to itself',
      packet({ ...fromNode, destination: ip('127.0.0.1') }),
      'local',
      'nat-out out post nat-post pre in',
    ],
  ]
  for (const [title, sent, delivery, chains] of rows) {
    test(title, () => {
      const outcome = only(trace(table(everyHook), sent))
      assert.equal(outcome.delivery, delivery)
      assert.deepEqual(
        path(outcome),
        chains.split(' ').map((chain) => `${chain} 0`),
      )
    })
  }

  test('not meeting NAT chains where nothing asks for connection tracking', () => {
    const chains = { n: at('prerouting', [mark], nat), f: at('forward', [mark]) }
    assert.deepEqual(path(only(trace(table(chains)))), ['f 0'])
    const asking = table({ c: regular(ctState('new')) }, { name: 'other' })
    assert.deepEqual(path(only(trace([table(chains), asking]))), ['n 0', 'f 0'])
  })

  test('and says which', () => {
    const outcome = only(trace(table({}), packet({ ...fromNode, destination: ip(ipv4.node) })))
    assert.deepEqual(outcome.hooks, ['output', 'postrouting', 'prerouting', 'input'])
  })
})

describe('destination NAT', () => {
  test('decides where the packet goes', () => {
    const toNode = only(trace(table({ n: at('prerouting', [translateTo(ipv4.node, 8080)], nat) })))
    assert.deepEqual(
      [toNode.delivery, toNode.destination, toNode.isTranslated],
      ['local', { address: ipv4.node, port: 8080 }, true],
    )
    const sent = packet({ destination: ip(ipv4.node) })
    const away = only(trace(table({ n: at('prerouting', [translateTo(ipv4.otherPod)], nat) }), sent))
    assert.deepEqual([away.delivery, away.destination], ['forwarded', { address: ipv4.otherPod, port: 80 }])
  })

  test('to the same destination is none', () => {
    const outcome = only(trace(table({ n: at('prerouting', [translateTo('192.0.2.7', 80)], nat) })))
    assert.equal(outcome.isTranslated, false)
  })

  test('works for IPv6', () => {
    const rules = { n: at('prerouting', [translateTo(ipv6.otherPod, 8080)], nat) }
    const outcome = only(trace(table(rules, { family: 'ip6' }), packet6()))
    assert.deepEqual(outcome.destination, { address: ipv6.otherPod, port: 8080 })
  })

  test('of one family does nothing to the other', () => {
    const rules = { n: at('prerouting', [translateTo(ipv6.otherPod, 8080)], nat) }
    assert.equal(only(trace(table(rules, { family: 'inet' }))).isTranslated, false)
  })

  test('is seen by chains behind it, and not by those before', () => {
    const chains = {
      before: at('prerouting', [[...isTo('192.0.2.7'), ...mark]], { priority: -110 }),
      n: at('prerouting', [translateTo(ipv4.otherPod)], nat),
      behind: at('prerouting', [[...isTo(ipv4.otherPod), ...ctStatus('dnat'), ...mark]], { priority: -90 }),
    }
    assert.deepEqual(path(only(trace(table(chains)))), ['before 0', 'n 0', 'behind 0'])
  })

  test('happens at the priority of NAT, whatever that of the chain is', () => {
    const chains = {
      n: at('prerouting', [translateTo(ipv4.otherPod)], { type: 'nat', priority: 50 }),
      f: at('prerouting', [[...isTo(ipv4.otherPod), ...mark]], { priority: -90 }),
    }
    assert.deepEqual(path(only(trace(table(chains)))), ['n 0', 'f 0'])
  })

  test('is decided once: the chains of one hook are asked in turn, accept decides nothing', () => {
    const chains = {
      third: at('prerouting', [translateTo(ipv4.node)], { type: 'nat', priority: -80 }),
      second: at('prerouting', [translateTo(ipv4.otherPod)], { type: 'nat', priority: -90 }),
      first: at('prerouting', [[verdict(accept)], dropping], nat),
    }
    assert.deepEqual(path(only(trace(table(chains)))), ['first 0', 'second 0'])
  })

  test('is not done to packets without a connection', () => {
    const rules = table({ n: at('prerouting', [translateTo(ipv4.otherPod)], nat) })
    assert.equal(only(trace(rules, packet({ tracking: 'untracked' }))).isTranslated, false)
  })

  test('in the output hook leads to the new destination, while later chains there see the old interface', () => {
    const chains = {
      n: at('output', [translateTo(ipv4.pod)], nat),
      out: at('output', [[...isTo(ipv4.pod), ...through(oifname, 'eth0'), ...mark]]),
      post: at('postrouting', [[...through(oifname, 'veth-pod'), ...mark]]),
    }
    const outcome = only(trace(table(chains), packet(fromNode)))
    assert.deepEqual(path(outcome), ['n 0', 'out 0', 'post 0'])
    assert.equal(outcome.delivery, 'sent')
  })

  test('of the node to one of its addresses goes over lo, as a new connection and with its mark', () => {
    const chains = {
      n: at('output', [translateTo(ipv4.secondNodeIp, 8080)], nat),
      out: at('output', [mark]),
      post: at('postrouting', [[...through(oifname, 'lo'), ...mark]]),
      raw: at('prerouting', [[...ctState('new'), ...through(iifname, 'lo'), ...mark]], { priority: -300 }),
      in: at('input', [[...ctState('new'), ...ctStatus('dnat'), ...ctStatus('confirmed'), ...mark]]),
    }
    const outcome = only(trace(table(chains), packet(fromNode)))
    assert.deepEqual(path(outcome), ['n 0', 'out 0', 'post 0', 'raw 0', 'in 0'])
    assert.equal(outcome.mark, 1)
  })
})

describe('source NAT', () => {
  const masquerading = table({ n: at('postrouting', [[masqueradeFullyRandom]], nat) })

  test('gives the main address of the node and a port that nobody knows', () => {
    const outcome = only(trace(masquerading))
    assert.deepEqual(outcome.source, { address: ipv4.node, port: undefined })
    assert.equal(outcome.isMasqueraded, true)
    assert.equal(outcome.isTranslated, false)
  })

  test('keeps the port unless it is asked for a random one', () => {
    const outcome = only(trace(table({ n: at('postrouting', [[{ kind: 'masq' }]], nat) })))
    assert.deepEqual(outcome.source, { address: ipv4.node, port: 40_000 })
  })

  test('drops where the node has no address of the family', () => {
    const rules = table({ n: at('postrouting', [[masqueradeFullyRandom]], nat) }, { family: 'ip6' })
    const onlyIpv4 = { addresses: [ip(ipv4.node)] }
    assert.equal(only(tracePacket(indexTables([rules]), packet6(), onlyIpv4)).verdict, 'drop')
  })

  test('to an address of its own', () => {
    const outcome = only(trace(table({ n: at('postrouting', [translateTo('192.0.2.99', 7, NFT_NAT_SNAT)], nat) })))
    assert.deepEqual(outcome.source, { address: '192.0.2.99', port: 7 })
    assert.equal(outcome.isMasqueraded, false)
  })

  test('is seen by chains behind it', () => {
    const chains = {
      n: at('postrouting', [[masqueradeFullyRandom]], nat),
      before: at('postrouting', [[...isFrom(ipv4.pod), ...mark]], { priority: 99 }),
      behind: at('postrouting', [[...isFrom(ipv4.node), ...ctStatus('snat'), ...mark]], { priority: 101 }),
    }
    assert.deepEqual(path(only(trace(table(chains)))), ['before 0', 'n 0', 'behind 0'])
  })
})

describe('conntrack', () => {
  const tables = table({
    raw: at('prerouting', [[...ctState('invalid'), ...mark]], { priority: -300 }),
    dnat: at('prerouting', [translateTo(ipv4.otherPod, 8080)], nat),
    masquerade: at('postrouting', [[masqueradeFullyRandom]], nat),
    out: at('output', [[...ctState('invalid'), ...mark]], { priority: -300 }),
  })
  const first = packet()

  test('has not seen a packet at the priorities before it', () => {
    assert.deepEqual(path(only(trace(tables))), ['raw 0', 'dnat 0', 'masquerade 0'])
  })

  test('translates later packets as the first one, without asking the rules', () => {
    const later = laterPacket(first, only(trace(tables)), {})
    const outcome = only(trace(tables, later))
    assert.deepEqual(path(outcome), ['raw 0'])
    assert.deepEqual(outcome.destination, { address: ipv4.otherPod, port: 8080 })
    assert.deepEqual(outcome.source, { address: ipv4.node, port: undefined })
  })

  test('translates answers back', () => {
    const answer = laterPacket(first, only(trace(tables)), { direction: 'reply' })
    assert.deepEqual([answer?.source, answer?.destination], [ipv4.otherPod, ipv4.node])
    const outcome = only(trace(tables, answer))
    assert.deepEqual(outcome.source, { address: '192.0.2.7', port: 80 })
    assert.deepEqual(outcome.destination, { address: ipv4.pod, port: 40_000 })
    assert.equal(outcome.delivery, 'forwarded')
  })

  test('translates answers of the node back', () => {
    const local = table({ n: at('prerouting', [translateTo(ipv4.node, 8080)], nat) })
    const answer = laterPacket(first, only(trace(local)), { direction: 'reply' })
    assert.equal(answer?.origin, 'node')
    const outcome = only(trace(local, answer))
    assert.deepEqual(outcome.source, { address: '192.0.2.7', port: 80 })
    assert.equal(outcome.delivery, 'sent')
  })
})

test('a packet between two families is refused', () => {
  assert.throws(() => trace(table({}), packet({ source: ip(ipv6.pod) })), RangeError)
})

test('a verdict of another program is not understood', () => {
  const queue: Expr = { kind: 'immediate', dreg: NFT_REG_VERDICT, data: { verdict: { code: 3 } } }
  assert.equal(only(trace(table({ f: at('forward', [[queue]]) }))).verdict, 'unknown')
})
