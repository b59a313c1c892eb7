import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { dataTypes } from '../../src/nft/datatypes.ts'
import { encodeElements } from '../../src/nft/elements.ts'
import { accept, goto } from '../../src/nft/expressions.ts'
import { byType, type NftSet, type TableRef } from '../../src/nft/objects.ts'
import { operationText } from '../../src/nft/render-operation.ts'
import { daddr, l4proto, thDport } from '../../src/nft/selectors.ts'
import { inSet, verdict, verdictMap } from '../../src/nft/statements.ts'
import type { Operation } from '../../src/nft/transaction.ts'

const table: TableRef = { family: 'ip', name: 'kube-proxy' }
const services: NftSet = {
  name: 'service-ips',
  key: byType(dataTypes.ipv4_addr, dataTypes.inet_proto, dataTypes.inet_service),
  value: 'verdict',
}
const clusterIps: NftSet = { name: 'cluster-ips', key: byType(dataTypes.ipv4_addr) }
const flowtable = { name: 'fast', priority: 0, devices: ['eth0'] }
const rule = { chain: 'services', expressions: [...inSet([daddr('ip')], 'cluster-ips'), verdict(accept)] }

function elements(count: number): Uint8Array {
  const keys = Array.from({ length: count }, (_, index) => Uint8Array.of(10, 96, 0, index))
  return encodeElements(keys.map((key) => ({ key })))
}

const web = encodeElements([
  { key: Uint8Array.of(10, 96, 0, 1, 6, 0, 0, 0, 0, 80, 0, 0), verdict: goto('pick-tcp-2'), comment: 'default/web' },
])

const rows: readonly [text: string, operation: Operation][] = [
  ['add table ip kube-proxy', { verb: 'add', object: 'table', table }],
  ['destroy table ip kube-proxy', { verb: 'destroy', object: 'table', table }],
  ['add chain ip kube-proxy services', { verb: 'add', object: 'chain', table, chain: { name: 'services' } }],
  [
    'create chain ip kube-proxy input { type filter hook input priority -10; }',
    {
      verb: 'create',
      object: 'chain',
      table,
      chain: { name: 'input', base: { type: 'filter', hook: 'input', priority: -10 } },
    },
  ],
  ['flush chain ip kube-proxy services', { verb: 'flush', object: 'chain', table, name: 'services' }],
  ['add rule ip kube-proxy services ip daddr @cluster-ips accept', { verb: 'add', object: 'rule', table, rule }],
  [
    'insert rule ip kube-proxy services ip daddr . meta l4proto . th dport vmap @service-ips',
    {
      verb: 'insert',
      object: 'rule',
      table,
      rule: { chain: 'services', expressions: verdictMap([daddr('ip'), l4proto, thDport], 'service-ips') },
    },
  ],
  [
    'delete rule ip kube-proxy services handle 7',
    { verb: 'delete', object: 'rule', table, chain: 'services', handle: 7 },
  ],
  [
    'add map ip kube-proxy service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }',
    { verb: 'add', object: 'set', table, set: services },
  ],
  ['delete set ip kube-proxy cluster-ips', { verb: 'delete', object: 'set', table, set: clusterIps }],
  ['flush map ip kube-proxy service-ips', { verb: 'flush', object: 'set', table, set: services }],
  [
    'add element ip kube-proxy service-ips { 10.96.0.1 . tcp . 80 comment "default/web" : goto pick-tcp-2 }',
    { verb: 'add', object: 'element', table, set: services, elements: web },
  ],
  [
    'delete element ip kube-proxy cluster-ips { 10.96.0.0, 10.96.0.1, 10.96.0.2 }',
    { verb: 'delete', object: 'element', table, set: clusterIps, elements: elements(3) },
  ],
  [
    'add element ip kube-proxy cluster-ips { 10.96.0.0, 10.96.0.1, 10.96.0.2, ... 97 more }',
    { verb: 'add', object: 'element', table, set: clusterIps, elements: elements(100) },
  ],
  ['add flowtable ip kube-proxy fast', { verb: 'add', object: 'flowtable', table, flowtable }],
  [
    'delete flowtable ip kube-proxy fast { devices = { "eth0" }; }',
    { verb: 'delete', object: 'flowtable-devices', table, flowtable: 'fast', devices: ['eth0'] },
  ],
  [
    'add flowtable ip kube-proxy fast { devices = { "v0", "v1", "v2", ... 2 more }; }',
    { verb: 'add', object: 'flowtable-devices', table, flowtable: 'fast', devices: ['v0', 'v1', 'v2', 'v3', 'v4'] },
  ],
]

describe('an operation is written as the nft command', () => {
  for (const [text, operation] of rows) test(text, () => assert.equal(operationText(operation), text))

  test('and of a rule that replaces another with the handle of that', () => {
    const operation: Operation = { verb: 'replace', object: 'rule', table, rule: { ...rule, handle: 7 } }
    assert.equal(operationText(operation), 'replace rule ip kube-proxy services handle 7 ip daddr @cluster-ips accept')
  })
})
