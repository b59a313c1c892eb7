import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Link } from '../../src/netlink/link.ts'
import { type DeviceRules, planDevices, servedInterfaces } from '../../src/sync/fastpath-devices.ts'
import { link } from './fastpath-kernel.ts'

const rules: DeviceRules = { patterns: [], hasTunnelOffload: false, refused: new Map() }
const lo = link('lo', { index: 1, isLoopback: true })
const eth0 = link('eth0', { index: 2 })
const eth1 = link('eth1', { index: 3, isUp: false, hasCarrier: false })
const br0 = link('br0', { index: 4, kind: 'bridge' })
const bond0 = link('bond0', { index: 5, kind: 'bond' })
const veth = link('veth1', { index: 10, kind: 'veth', lowerIndex: 11 })
const peer = link('veth2', { index: 11, kind: 'veth', lowerIndex: 10 })

type Row = {
  readonly links: readonly Link[]
  readonly rules?: Partial<DeviceRules>
  /** Each interface of the rule with what it needs below. */
  readonly interfaces: Readonly<Record<string, readonly string[]>>
  readonly leftOut?: Readonly<Record<string, RegExp>>
}

const table: Readonly<Record<string, Row>> = {
  'a network card takes part, loopback never': { links: [lo, eth0], interfaces: { eth0: [] } },
  'what is down does not take part': { links: [eth0, eth1], interfaces: { eth0: [] } },
  'a link without carrier takes part: its state may be unknown': {
    links: [link('wg0', { kind: 'wireguard', hasCarrier: false })],
    interfaces: { wg0: [] },
  },
  'the other end of a veth is not below it': { links: [veth, peer], interfaces: { veth1: [], veth2: [] } },
  'a dummy does not take part, whatever its name': {
    links: [link('kube-ipvs0', { kind: 'dummy' }), link('dummy0', { kind: 'dummy' })],
    interfaces: {},
    leftOut: { 'kube-ipvs0': /dummy/, dummy0: /dummy/ },
  },
  'a bridge needs its ports, up or down, which are no interfaces of their own': {
    links: [br0, { ...veth, masterIndex: 4 }, { ...eth1, masterIndex: 4 }],
    interfaces: { br0: ['veth1', 'eth1'] },
  },
  'a bond needs the cards in it': {
    links: [bond0, { ...eth0, masterIndex: 5 }, { ...eth1, masterIndex: 5 }],
    interfaces: { bond0: ['eth0', 'eth1'] },
  },
  'a VLAN on a bridge on a bond needs all of them': {
    links: [
      link('br0.7', { kind: 'vlan', lowerIndex: 4 }),
      br0,
      { ...bond0, masterIndex: 4 },
      { ...eth0, masterIndex: 5 },
    ],
    interfaces: { 'br0.7': ['br0', 'bond0', 'eth0'], br0: ['bond0', 'eth0'] },
  },
  'a link of a VRF takes part, and so does the VRF': {
    links: [link('red', { index: 20, kind: 'vrf' }), { ...eth0, masterIndex: 20 }],
    interfaces: { red: [], eth0: [] },
  },
  'a VXLAN needs the link that it is bound to': {
    links: [link('vxlan', { kind: 'vxlan', lowerIndex: 2 }), eth0],
    interfaces: { vxlan: ['eth0'], eth0: [] },
  },
  'a tunnel that is bound to none needs all that it may stand on': {
    links: [link('wg0', { kind: 'wireguard' }), eth0, { ...eth1, isUp: true }, veth, lo],
    interfaces: { wg0: ['eth0', 'eth1'], eth0: [], eth1: [], veth1: [] },
  },
  'a link below in another namespace is nobody here': {
    links: [link('vlan7', { kind: 'vlan' }), eth0],
    interfaces: { vlan7: [], eth0: [] },
  },
  'IPIP without a fixed end takes part on kernels that offload the tunnel itself': {
    links: [link('tunl0', { kind: 'ipip' })],
    interfaces: { tunl0: [] },
  },
  'IPIP without a fixed end does not on those that offload through the link below': {
    links: [link('tunl0', { kind: 'ipip' }), link('to-peer', { kind: 'ipip', hasRemote: true }), eth0],
    rules: { hasTunnelOffload: true },
    interfaces: { 'to-peer': ['eth0'], eth0: [] },
    leftOut: { tunl0: /without a fixed remote end/ },
  },
  'patterns choose among those that qualify': {
    links: [eth0, eth1, veth, peer],
    rules: { patterns: ['eth*', 'veth1'] },
    interfaces: { eth0: [], veth1: [] },
    leftOut: { eth1: /down/ },
  },
  'an exclusion says so': {
    links: [eth0, veth],
    rules: { patterns: ['!veth*'] },
    interfaces: { eth0: [] },
    leftOut: { veth1: /excluded by !veth\*/ },
  },
  'an excluded link is still below others': {
    links: [link('eth0.7', { kind: 'vlan', lowerIndex: 2 }), eth0],
    rules: { patterns: ['!eth0'] },
    interfaces: { 'eth0.7': ['eth0'] },
    leftOut: { eth0: /excluded/ },
  },
  'a pattern that names loopback or a dummy changes nothing about them': {
    links: [lo, link('dummy0', { kind: 'dummy' })],
    rules: { patterns: ['dummy0', 'lo'] },
    interfaces: {},
    leftOut: { dummy0: /dummy/ },
  },
  'what the kernel refuses stays out, with all that stands on it': {
    links: [link('eth0.7', { kind: 'vlan', lowerIndex: 2 }), eth0, veth],
    rules: { refused: new Map([['eth0', 'EOPNOTSUPP']]) },
    interfaces: { veth1: [] },
    leftOut: { eth0: /does not take it: EOPNOTSUPP/, 'eth0.7': /of eth0 below it/ },
  },
  'loops between links do no harm': {
    links: [
      link('a', { index: 30, kind: 'vlan', lowerIndex: 31 }),
      link('b', { index: 31, kind: 'vlan', lowerIndex: 30 }),
    ],
    interfaces: { a: ['b'], b: ['a'] },
  },
}

describe('of the links of a machine', () => {
  for (const [title, { links, rules: own, interfaces, leftOut = {} }] of Object.entries(table)) {
    test(title, () => {
      const plan = planDevices(links, { ...rules, ...own })
      const wanted = Object.entries(interfaces).map(([name, below]) => [name, [name, ...below]])
      assert.deepEqual(Object.fromEntries(plan.interfaces), Object.fromEntries(wanted))
      assert.deepEqual([...plan.devices].sort(), [...new Set(wanted.flat(2))].sort())
      assert.deepEqual([...plan.leftOut.keys()].sort(), Object.keys(leftOut).sort())
      for (const [name, reason] of Object.entries(leftOut)) assert.match(plan.leftOut.get(name) ?? '', reason)
      assert.equal(plan.devices.has('lo'), false)
    })
  }

  test('an interface is served when all that it needs is a member', () => {
    const plan = planDevices([br0, { ...veth, masterIndex: 4 }, { ...peer, masterIndex: 4 }, eth0], rules)
    assert.deepEqual(servedInterfaces(plan, new Set(['br0', 'veth1', 'eth0'])), ['eth0'])
    assert.deepEqual(servedInterfaces(plan, new Set(['br0', 'veth1', 'veth2', 'eth0'])), ['br0', 'eth0'])
  })
})
