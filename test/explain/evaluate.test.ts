import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  NFT_CMP_EQ,
  NFT_CMP_GT,
  NFT_CMP_GTE,
  NFT_CMP_LT,
  NFT_CMP_LTE,
  NFT_CMP_NEQ,
  NFT_CT_DIRECTION,
  NFT_CT_LABELS,
  NFT_CT_MARK,
  NFT_CT_PKTS,
  NFT_FIB_RESULT_ADDRTYPE,
  NFT_META_MARK,
  NFT_PAYLOAD_NETWORK_HEADER,
  NFT_PAYLOAD_TRANSPORT_HEADER,
  NFTA_FIB_F_DADDR,
  NFTA_FIB_F_SADDR,
} from '../../src/nft/constants.ts'
import { hostBytes, RTN_LOCAL } from '../../src/nft/datatypes.ts'
import { establishedConnection, newConnection } from '../../src/explain/conntrack.ts'
import { packetHeaders, type Packet } from '../../src/explain/packet.ts'
import { drop, type Expr } from '../../src/nft/expressions.ts'
import {
  ctOriginalDaddr,
  ctOriginalProtoDst,
  daddr,
  iifname,
  l4proto,
  oifname,
  saddr,
  sport,
  thDport,
} from '../../src/nft/selectors.ts'
import {
  ctState,
  ctStatus,
  flipMark,
  flowAdd,
  hasMark,
  inPrefix,
  protocolIs,
  registerAt,
  reject,
  setMark,
  verdict,
} from '../../src/nft/statements.ts'
import { ipv4 } from '../lab/addresses.ts'
import { ip } from '../model/fixtures.ts'
import { at, only, packet, packet6, table, trace } from './fixtures.ts'

const cmp = (value: Uint8Array, op = NFT_CMP_EQ, sreg = 1): Expr => ({ kind: 'cmp', sreg, op, data: { value } })
const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values)
const payload = (base: number, offset: number, len: number): Expr => ({ kind: 'payload', dreg: 1, base, offset, len })
const ct = (key: number, direction?: number): Expr => ({
  kind: 'ct',
  dreg: 1,
  key,
  ...(direction === undefined ? {} : { direction }),
})
const immediate = (value: Uint8Array, dreg = 1): Expr => ({ kind: 'immediate', dreg, data: { value } })

const inet = (chains: Parameters<typeof table>[0]) => table(chains, { family: 'inet' })

/** Whether a rule of the forward hook matches the packet: it drops it then. */
function matches(expressions: readonly Expr[], sent: Packet = packet()): boolean {
  return only(trace(inet({ forward: at('forward', [[...expressions, verdict(drop)]]) }), sent)).verdict === 'drop'
}

const first = packet()
const connection = establishedConnection(newConnection(packetHeaders(first)), { packets: { original: 30, reply: 12 } })
const established = packet({ tracking: { ...connection, mark: 7, labels: bytes(2, ...Array<number>(15).fill(0)) } })

describe('an expression matches what the kernel says it does:', () => {
  const network = NFT_PAYLOAD_NETWORK_HEADER
  const transport = NFT_PAYLOAD_TRANSPORT_HEADER
  const rows: [title: string, isMatching: boolean, expressions: readonly Expr[], sent?: Packet][] = [
    ['payload reads an address', true, [daddr('ip').load(1), cmp(bytes(192, 0, 2, 7))]],
    ['payload reads an IPv6 address', true, [saddr('ip6').load(1), cmp(bytes(0xfd, 0, 0, 0x10))], packet6()],
    ['payload reads a part of an address', true, [payload(network, 17, 2), cmp(bytes(0, 2))]],
    ['payload reads ports', true, [sport('tcp').load(1), cmp(bytes(0x9c, 0x40))]],
    ['payload reads version and header length', true, [payload(network, 0, 1), cmp(bytes(0x45))]],
    ['payload reads from one header into the next', true, [payload(network, 18, 4), cmp(bytes(2, 7, 0x9c, 0x40))]],
    ['payload reads to the last byte', true, [payload(transport, 19, 1), cmp(bytes(0))]],
    ['payload past the end does not match', false, [payload(transport, 19, 2), cmp(bytes(0))]],
    [
      'payload pads with zeros',
      true,
      [immediate(bytes(9, 9, 9, 9)), payload(network, 16, 1), cmp(bytes(192, 0, 0, 0))],
    ],
    [
      'payload reads the length of UDP',
      true,
      [payload(transport, 4, 2), cmp(bytes(0, 8))],
      packet({ protocol: 'udp' }),
    ],
    ['meta reads the protocol', true, [l4proto.load(1), cmp(bytes(132))], packet({ protocol: 'sctp' })],
    ['meta reads the protocol of IPv6', true, protocolIs('udp'), packet6({ protocol: 'udp' })],
    ['meta reads the mark', true, hasMark(0x4000), packet({ mark: 0x4001 })],
    ['meta reads no mark', false, hasMark(0x4000), packet({ mark: 1 })],
    ['meta sets bits of the mark', true, [...setMark(0x4000), ...hasMark(0x4000)], packet({ mark: 1 })],
    ['meta flips bits of the mark', false, [...flipMark(0x4000), ...hasMark(0x4000)], packet({ mark: 0x4001 })],
    [
      'meta reads the incoming interface',
      true,
      [iifname.load(1), cmp(Buffer.from('veth'))],
      packet({ iifname: 'veth1' }),
    ],
    ['an interface name ends', false, [iifname.load(1), cmp(Buffer.from('veth\0'))], packet({ iifname: 'veth1' })],
    ['meta reads the outgoing interface', true, [oifname.load(1), cmp(Buffer.from('eth0\0\0\0\0\0\0\0\0\0\0\0\0'))]],
    ['meta reads the family', true, [{ kind: 'meta', dreg: 1, key: 15 }, cmp(bytes(10))], packet6()],
    ['cmp: equal', true, [immediate(bytes(5)), cmp(bytes(5))]],
    ['cmp: not equal', false, [immediate(bytes(5)), cmp(bytes(5), NFT_CMP_NEQ)]],
    ['cmp: less', true, [immediate(bytes(5)), cmp(bytes(6), NFT_CMP_LT)]],
    ['cmp: not less', false, [immediate(bytes(5)), cmp(bytes(5), NFT_CMP_LT)]],
    ['cmp: less or equal', true, [immediate(bytes(5)), cmp(bytes(5), NFT_CMP_LTE)]],
    ['cmp: greater', true, [immediate(bytes(5)), cmp(bytes(4), NFT_CMP_GT)]],
    ['cmp: greater or equal', false, [immediate(bytes(5)), cmp(bytes(6), NFT_CMP_GTE)]],
    ['cmp goes by bytes', true, [immediate(hostBytes(256)), cmp(hostBytes(1), NFT_CMP_LT)]],
    ['bitwise: a prefix', true, inPrefix(saddr('ip'), 'in', bytes(10, 0, 0, 0), 12)],
    ['bitwise: not in a prefix', false, inPrefix(saddr('ip'), 'not in', bytes(10, 0, 0, 0), 12)],
    [
      'byteorder turns words round',
      true,
      [
        immediate(bytes(1, 2, 3, 4, 5, 6, 7, 8)),
        { kind: 'byteorder', sreg: 1, dreg: 1, op: 1, len: 8, size: 4 },
        cmp(bytes(4, 3, 2, 1, 8, 7, 6, 5)),
      ],
    ],
    [
      'byteorder leaves what is no whole word',
      true,
      [immediate(bytes(9)), { kind: 'byteorder', sreg: 1, dreg: 1, op: 1, len: 1, size: 2 }, cmp(bytes(9))],
    ],
    [
      'the older number of a register is the same register',
      true,
      [immediate(bytes(1, 2, 3, 4), registerAt(4)), cmp(bytes(1, 2, 3, 4), NFT_CMP_EQ, 12)],
    ],
    ['ct state of a first packet', true, ctState('new')],
    ['ct state of a later packet', false, ctState('new'), established],
    ['ct state established', true, ctState('established'), established],
    ['ct state related', true, ctState('related'), packet({ tracking: { ...connection, state: 'related' } })],
    ['ct state invalid', true, ctState('invalid'), packet({ tracking: 'invalid' })],
    ['ct state untracked', true, ctState('untracked'), packet({ tracking: 'untracked' })],
    ['ct status before an answer', false, ctStatus('seen-reply')],
    ['ct status after an answer', true, ctStatus('seen-reply'), established],
    ['nothing of a packet without a connection', false, [ct(NFT_CT_MARK)], packet({ tracking: 'invalid' })],
    ['ct mark', true, [ct(NFT_CT_MARK), cmp(hostBytes(7))], established],
    ['ct label', true, [ct(NFT_CT_LABELS), cmp(bytes(2))], established],
    ['ct direction', true, [ct(NFT_CT_DIRECTION), cmp(bytes(0))], established],
    ['ct packets', true, [ct(NFT_CT_PKTS), cmp(bytes(42, 0, 0, 0, 0, 0, 0, 0))], established],
    ['ct original packets', true, [ct(NFT_CT_PKTS, 0), cmp(bytes(30, 0))], established],
    ['ct reply packets', true, [ct(NFT_CT_PKTS, 1), cmp(bytes(12, 0))], established],
    ['ct original daddr', true, [ctOriginalDaddr('ip').load(1), cmp(bytes(192, 0, 2, 7))]],
    ['ct original daddr of the other family', false, [ctOriginalDaddr('ip6').load(1)]],
    ['ct original proto-dst', true, [ctOriginalProtoDst.load(1), cmp(bytes(0, 80))]],
    [
      'ct mark is set',
      true,
      [immediate(hostBytes(9)), { kind: 'ct', key: NFT_CT_MARK, sreg: 1 }, ct(NFT_CT_MARK), cmp(hostBytes(9))],
    ],
    [
      'ct labels are added',
      true,
      [
        immediate(bytes(4, ...Array<number>(15).fill(0))),
        { kind: 'ct', key: NFT_CT_LABELS, sreg: 1 },
        ct(NFT_CT_LABELS),
        cmp(bytes(6)),
      ],
      established,
    ],
    ['fib: the source is the node', true, fib(NFTA_FIB_F_SADDR), packet({ source: ip(ipv4.secondNodeIp) })],
    ['fib: the source is 127.0.0.1', true, fib(NFTA_FIB_F_SADDR), packet({ source: ip('127.0.0.1') })],
    ['fib: the source is a pod', false, fib(NFTA_FIB_F_SADDR)],
    ['fib: the destination is not the node', false, fib(NFTA_FIB_F_DADDR)],
    ['fib: multicast', true, fib(NFTA_FIB_F_DADDR, 5), packet({ destination: ip('224.0.0.1') })],
    ['counter matches', true, [{ kind: 'counter' }]],
    ['what only logs matches', true, [{ kind: 'unknown', name: 'log', bytes: bytes() }]],
    ['a flow that has just begun is not offloaded', false, [flowAdd('f')]],
    ['an established flow is offloaded', true, [flowAdd('f')], established],
    ['an offloaded flow is not offloaded again', false, [flowAdd('f'), flowAdd('f')], established],
    ['SCTP is never offloaded', false, [flowAdd('f')], { ...established, protocol: 'sctp' }],
    ['a port of any protocol', true, [thDport.load(1), cmp(bytes(0, 80))], packet({ protocol: 'sctp' })],
  ]
  for (const [title, isMatching, expressions, sent] of rows) {
    test(title, () => assert.equal(matches(expressions, sent), isMatching))
  }
})

describe('what cannot be understood ends the way with "unknown":', () => {
  const rows: [title: string, reason: RegExp, expressions: readonly Expr[]][] = [
    ['an expression of another program', /quota/, [{ kind: 'unknown', name: 'quota', bytes: bytes() }]],
    ['a meta key', /meta key 24/, [{ kind: 'meta', dreg: 1, key: 24 }]],
    ['a ct key', /ct key 17/, [ct(17)]],
    ['a shift', /bitwise/, [{ kind: 'bitwise', sreg: 1, dreg: 1, len: 4, mask: {}, xor: {}, op: 1 }]],
    ['a route', /routing/, [{ kind: 'fib', dreg: 1, result: 1, flags: NFTA_FIB_F_DADDR }]],
    ['a header below the network', /header 0/, [payload(0, 0, 6)]],
    ['a set that is not there', /no set nowhere/, [{ kind: 'lookup', set: 'nowhere', sreg: 1 }]],
    ['a chain that is not there', /no chain nowhere/, [verdict({ code: -3, chain: 'nowhere' })]],
    ['a register that is not there', /register 24/, [immediate(bytes(1), 24)]],
    ['translation in a filter chain', /NAT chain/, [{ kind: 'nat', type: 1, family: 2, addrMin: 1 }]],
    ['masquerading in a filter chain', /NAT chain/, [{ kind: 'masq' }]],
  ]
  for (const [title, reason, expressions] of rows) {
    test(title, () => {
      const outcome = only(trace(table({ forward: at('forward', [expressions, [verdict(drop)]]) })))
      assert.equal(outcome.verdict, 'unknown')
      const step = outcome.steps.at(-1)
      assert.match(step?.kind === 'not understood' ? step.reason : '', reason)
    })
  }
})

test('a packet is rejected', () => {
  assert.equal(only(trace(table({ forward: at('forward', [[reject('ip')]]) }))).verdict, 'reject')
})

test('a rewritten payload is what later rules see, and where the packet goes', () => {
  const rules = [
    [immediate(bytes(10, 0, 0, 9)), { kind: 'payload', base: NFT_PAYLOAD_NETWORK_HEADER, offset: 16, len: 4, sreg: 1 }],
  ] as const satisfies readonly (readonly Expr[])[]
  assert.equal(only(trace(table({ raw: at('prerouting', rules) }))).destination.address, '10.0.0.9')
})

test('the mark is part of the outcome', () => {
  const rules = [[immediate(hostBytes(0x12345678)), { kind: 'meta', key: NFT_META_MARK, sreg: 1 }]] as const
  assert.equal(only(trace(table({ forward: at('forward', rules) }))).mark, 0x12345678)
})

function fib(flags: number, type = RTN_LOCAL): readonly Expr[] {
  return [{ kind: 'fib', dreg: 1, result: NFT_FIB_RESULT_ADDRTYPE, flags }, cmp(hostBytes(type))]
}
