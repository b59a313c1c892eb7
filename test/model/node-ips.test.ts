import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseIp } from '../../src/model/ip.ts'
import { nodeIps } from '../../src/model/node-ips.ts'

describe('the addresses of a Node', () => {
  const cases: [internalIps: string[], bindAddress: string, primary: string, ipv4: string, ipv6: string][] = [
    [[], '10.0.0.1', 'IPv4', '10.0.0.1', '::1'],
    [[], 'fd00:4321::2', 'IPv6', '127.0.0.1', 'fd00:4321::2'],
    [[], '', 'IPv4', '127.0.0.1', '::1'],
    [[], '0.0.0.0', 'IPv4', '127.0.0.1', '::1'],
    [['192.168.1.1'], '0.0.0.0', 'IPv4', '192.168.1.1', '::1'],
    [['192.168.1.1'], '::', 'IPv4', '192.168.1.1', '::1'],
    [['fd00:1234::1'], '0.0.0.0', 'IPv6', '127.0.0.1', 'fd00:1234::1'],
    [['fd00:1234::1'], '::', 'IPv6', '127.0.0.1', 'fd00:1234::1'],
    [['90.90.90.90', '2001:db8::2'], '::', 'IPv4', '90.90.90.90', '2001:db8::2'],
    [['2001:db8::2', '90.90.90.90'], '0.0.0.0', 'IPv6', '90.90.90.90', '2001:db8::2'],
    [['2001:db8::2', '90.90.90.90'], '80.80.80.80', 'IPv4', '80.80.80.80', '2001:db8::2'],
    [['90.90.90.90', '2001:db8::2'], '2001:db8::555', 'IPv6', '90.90.90.90', '2001:db8::555'],
    [['2001:db8::2', '90.90.90.90'], '127.0.0.1', 'IPv4', '127.0.0.1', '2001:db8::2'],
    [['90.90.90.90', '2001:db8::2'], '::1', 'IPv6', '90.90.90.90', '::1'],
  ]
  for (const [internalIps, bindAddress, primary, IPv4, IPv6] of cases) {
    test(`${internalIps.join(', ') || 'none'}, bound to ${bindAddress || 'nothing'}: ${primary} first, ${IPv4} and ${IPv6}`, () => {
      const nodeAddresses = internalIps.map((address) => ({ type: 'InternalIP', address }))
      assert.deepEqual(nodeIps({ bindAddress: parseIp(bindAddress), nodeAddresses }), { primary, ips: { IPv4, IPv6 } })
    })
  }

  test('are internal ones before external ones; names are none', () => {
    const nodeAddresses = [
      { type: 'Hostname', address: '10.9.9.9' },
      { type: 'ExternalIP', address: '203.0.113.1' },
      { type: 'ExternalIP', address: '2001:db8::7' },
      { type: 'InternalDNS', address: 'node-1.example' },
      { type: 'InternalIP', address: 'unknown' },
      { type: 'InternalIP', address: '10.0.0.1' },
      { type: 'InternalIP', address: '10.0.0.2' },
    ]
    assert.deepEqual(nodeIps({ nodeAddresses }), { primary: 'IPv4', ips: { IPv4: '10.0.0.1', IPv6: '2001:db8::7' } })
  })
})
