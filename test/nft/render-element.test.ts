import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { dataTypes, hostBytes } from '../../src/nft/datatypes.ts'
import { drop, goto } from '../../src/nft/expressions.ts'
import { byType, byTypeof, type NftSet, type SetElement } from '../../src/nft/objects.ts'
import { declarationText, elementText, elementTexts, setTypeText } from '../../src/nft/render-element.ts'
import { daddr, dport } from '../../src/nft/selectors.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { assertParity } from './parity.ts'

describe('elements are written as nft lists them', needs(root, tool('nft')), () => {
  const sets = {
    'IPv4 addresses': 'set s { type ipv4_addr; elements = { 10.0.0.1, 10.0.0.2 comment "default/web:http" } }',
    'IPv6 addresses': 'set s { type ipv6_addr; elements = { ::, ::1, fd00::1, ::ffff:10.0.0.1, 2001:db8:0:0:1::1 } }',
    'protocols and ports':
      'set s { type inet_proto . inet_service; elements = { tcp . 80, udp . 53, sctp . 65535, icmp . 0 } }',
    marks: 'set s { type mark; elements = { 0x0, 0x4000, 0xffffffff } }',
    'interface names': 'set s { type ifname; elements = { "eth0", "veth-of-15-byte" } }',
    verdicts:
      'map m { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.0.0.1 . tcp . 80 comment "default/web:http" : goto c, 10.0.0.1 . udp . 53 : jump c, 10.0.0.2 . tcp . 80 : drop, 10.0.0.3 . tcp . 1 : accept, 10.0.0.4 . tcp . 1 : return } }',
    'addresses and ports behind slots':
      'map m { typeof ip daddr . tcp dport . numgen random mod 1 : ip daddr . tcp dport; elements = { 10.0.0.1 . 80 . 0 : 10.1.0.1 . 8080, 10.0.0.1 . 80 . 70000 comment "x" : 10.1.0.2 . 8080 } }',
    'IPv6 addresses and ports behind slots':
      'map m { typeof ip6 daddr . tcp dport . numgen random mod 1 : ip6 daddr . tcp dport; elements = { fd00::1 . 80 . 0 : fd01::1 . 8080 } }',
    'prefixes and ranges':
      'set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 11.0.0.1-11.0.0.9, 12.0.0.1, 13.0.0.1-13.0.0.2, 14.0.0.0-14.0.0.3 } }',
    'ranges that touch':
      'set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/24, 10.0.1.0/24, 10.0.2.0-10.0.2.2, 10.0.2.3 } }',
    'the first and the last address':
      'set s { type ipv4_addr; flags interval; elements = { 0.0.0.0, 255.255.255.255 } }',
    'ranges at both ends of the address space':
      'set s { type ipv4_addr; flags interval; elements = { 0.0.0.0/8, 240.0.0.0/4 } }',
    'a range of the whole address space': 'set s { type ipv6_addr; flags interval; elements = { ::/0 } }',
    'IPv6 prefixes and ranges':
      'set s { type ipv6_addr; flags interval; elements = { ::/8, fd00::/8, fe00::1-fe00::9, ffff::/16 } }',
    'port ranges': 'set s { type inet_service; flags interval; elements = { 0, 1-3, 80, 1024-65535 } }',
    'prefixes with values':
      'map m { type ipv4_addr : inet_service; flags interval; elements = { 10.0.0.0/8 comment "private" : 80, 11.0.0.0/8 : 81 } }',
    'prefixes with verdicts':
      'map m { type ipv4_addr : verdict; flags interval; elements = { 10.0.0.0/8 : goto c, 11.0.0.0/8 : drop } }',
    'concatenated prefixes and ranges':
      'set s { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/8 . 80, 11.0.0.1-11.0.0.9 . 80-90, 12.0.0.1 . 443, 0.0.0.0/5 . 0-65535, 240.0.0.0/4 . 65535 } }',
    'concatenated prefixes by packet field':
      'set s { typeof ip daddr . meta l4proto . th dport . ip saddr; flags interval; elements = { 10.96.0.1 . tcp . 80 . 203.0.113.0/25, 10.96.0.1 . udp . 53 . 0.0.0.0/0 } }',
    'concatenated IPv6 prefixes with verdicts':
      'map m { type ipv6_addr . inet_service : verdict; flags interval; elements = { fd00::/8 . 80 comment "x" : goto c, fe00::1-fe00::9 . 80-90 : drop } }',
    'time-outs':
      'set s { type ipv4_addr; timeout 3h; elements = { 10.0.0.1, 10.0.0.2 timeout 90s, 10.0.0.3 timeout 1d2h3m4s comment "x" } }',
    'time-outs of ranges':
      'set s { type ipv4_addr; flags interval; timeout 3h; elements = { 10.0.0.0/8 timeout 90s comment "x", 11.0.0.0/8 } }',
    'time-outs of concatenated ranges':
      'map m { type ipv4_addr . inet_service : verdict; flags interval,timeout; elements = { 10.0.0.0/8 . 80-90 timeout 5m : accept } }',
    'the element for everything else': 'map m { type ipv4_addr : verdict; elements = { 10.0.0.1 : accept, * : drop } }',
    'the element for everything else beside prefixes':
      'map m { type ipv4_addr : verdict; flags interval; elements = { 0.0.0.0/8 : accept, * comment "x" : drop } }',
  }
  for (const [title, set] of Object.entries(sets)) {
    test(title, (t) => assertParity(t, { family: 'inet', name: 't' }, `table inet t {\n ${set}\n chain c {\n }\n}`))
  }
})

const services: NftSet = {
  name: 'services',
  key: byType(dataTypes.ipv4_addr, dataTypes.inet_proto, dataTypes.inet_service),
  value: 'verdict',
}
const webKey = Uint8Array.of(10, 96, 0, 1, 6, 0, 0, 0, 0, 80, 0, 0)

describe('an element', () => {
  const rows: readonly [text: string, element: Partial<SetElement>][] = [
    ['10.96.0.1 . tcp . 80', {}],
    ['10.96.0.1 . tcp . 80 : goto pick-tcp-2', { verdict: goto('pick-tcp-2') }],
    [
      '10.96.0.1 . tcp . 80 timeout 1m30s comment "default/web:http" : drop',
      { timeoutMs: 90_000, comment: 'default/web:http', verdict: drop },
    ],
    ['10.96.0.1 . tcp . 80-90', { keyEnd: Uint8Array.of(10, 96, 0, 1, 6, 0, 0, 0, 0, 90, 0, 0) }],
    ['* : drop', { isCatchAll: true, key: new Uint8Array(), verdict: drop }],
  ]
  for (const [text, element] of rows) {
    test(`is written ${text}`, () => assert.equal(elementText(services, { key: webKey, ...element }), text))
  }

  test('leaves out the default time-out of its set, and the time left', () => {
    const set = { ...services, timeoutMs: 90_000 }
    assert.equal(elementText(set, { key: webKey, timeoutMs: 90_000, expiresMs: 5 }), '10.96.0.1 . tcp . 80')
  })

  test('has no value where its set has none', () => {
    const set: NftSet = { name: 's', key: services.key }
    assert.equal(elementText(set, { key: webKey, value: Uint8Array.of(1) }), '10.96.0.1 . tcp . 80')
  })
})

test('slots are sorted by their numbers', () => {
  const set: NftSet = { name: 'slots', key: byType(dataTypes.integer) }
  const elements = [256, 3, 70_000, 0].map((slot) => ({ key: hostBytes(slot) }))
  assert.deepEqual(elementTexts(set, elements), ['0', '3', '256', '70000'])
})

test('a declaration names data types or packet fields', () => {
  assert.equal(declarationText(services), 'type ipv4_addr . inet_proto . inet_service : verdict')
  const endpoint = byTypeof(daddr('ip6'), dport('sctp'))
  assert.equal(
    declarationText({ name: 'm', key: endpoint, value: endpoint }),
    'typeof ip6 daddr . sctp dport : ip6 daddr . sctp dport',
  )
  assert.equal(setTypeText('verdict'), 'verdict')
})
