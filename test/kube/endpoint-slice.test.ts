import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeObject } from '../../src/kube/decode.ts'
import { formatWarning } from '../../src/kube/types.ts'
import type { EndpointSlice } from '../../src/kube/types.ts'
import { rawSlice } from './fixtures.ts'
import type { Raw } from './fixtures.ts'

function decode(parts: Raw): { object: EndpointSlice; warnings: string[] } {
  const { object, warnings } = decodeObject(rawSlice(parts))
  assert.ok(object?.kind === 'EndpointSlice')
  return { object, warnings: warnings.map(formatWarning) }
}

test('a slice as the API server sends it keeps what we read, and of several addresses the first', () => {
  const { object, warnings } = decode({
    endpoints: [
      {
        addresses: ['10.180.0.1', '10.180.0.2'],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: 'node-1',
        zone: 'zone-a',
        hostname: 'cart-0',
        targetRef: { kind: 'Pod', name: 'cart-0' },
        hints: { forZones: [{ name: 'zone-a' }], forNodes: [{ name: 'node-1' }] },
      },
    ],
  })
  assert.deepEqual(warnings, [])
  assert.deepEqual(JSON.parse(JSON.stringify(object)), {
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', name: 'cart-1', labels: { 'kubernetes.io/service-name': 'cart' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints: [
      {
        addresses: ['10.180.0.1'],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: 'node-1',
        hints: { forZones: [{ name: 'zone-a' }], forNodes: [{ name: 'node-1' }] },
      },
    ],
  })
})

test('ports and endpoints may be null, and so may conditions and hints', () => {
  const nothing = decode({ ports: null, endpoints: null })
  assert.deepEqual([nothing.object.ports, nothing.object.endpoints, nothing.warnings], [[], [], []])
  const conditions = { ready: null, serving: null, terminating: null }
  const { object, warnings } = decode({ endpoints: [{ addresses: ['10.180.0.1'], conditions, hints: null }] })
  assert.deepEqual(warnings, [])
  assert.deepEqual(object.endpoints?.[0]?.conditions, { ready: undefined, serving: undefined, terminating: undefined })
})

test('a port has the name "" and protocol TCP by default, and may have no number', () => {
  assert.deepEqual(decode({ ports: [{ port: 80 }, { name: 'x' }] }).object.ports, [
    { name: '', protocol: 'TCP', port: 80 },
    { name: 'x', protocol: 'TCP', port: undefined },
  ])
})

describe('an address type', () => {
  for (const [addressType, message] of [
    ['FQDN', '"FQDN" is not supported'],
    ['ipv4', '"ipv4" is not supported'],
    [undefined, 'is missing'],
    [4, '4 is not supported'],
  ] as const) {
    test(`${JSON.stringify(addressType)} drops the slice with a warning`, () => {
      const { object, warnings } = decodeObject(rawSlice({ addressType }))
      assert.equal(object, undefined)
      assert.deepEqual(warnings.map(formatWarning), [`EndpointSlice shop/cart-1: addressType: ${message}`])
    })
  }
})

describe('a bad part', () => {
  const good = { addresses: ['10.180.0.9'] }
  const endpoints: [unknown, string][] = [
    [{}, 'endpoints[0].addresses: has no entry'],
    [{ addresses: [] }, 'endpoints[0].addresses: has no entry'],
    [{ addresses: [7] }, 'endpoints[0].addresses[0]: 7 is not a string'],
    ['10.180.0.1', 'endpoints[0]: "10.180.0.1" is not an object'],
  ]
  for (const [endpoint, message] of endpoints) {
    test(`drops its endpoint only: ${message}`, () => {
      const { object, warnings } = decode({ endpoints: [endpoint, good] })
      assert.deepEqual(warnings, [`EndpointSlice shop/cart-1: ${message}`])
      assert.deepEqual(
        object.endpoints?.map(({ addresses }) => addresses[0]),
        ['10.180.0.9'],
      )
    })
  }

  const fields: [Raw, string][] = [
    [{ conditions: { ready: 'yes' } }, 'endpoints[0].conditions.ready: "yes" is not true or false'],
    [{ conditions: [] }, 'endpoints[0].conditions: [] is not an object'],
    [{ nodeName: 7 }, 'endpoints[0].nodeName: 7 is not a string'],
    [{ hints: { forZones: ['zone-a'] } }, 'endpoints[0].hints.forZones[0]: "zone-a" is not an object'],
    [{ hints: { forNodes: [{ name: 7 }] } }, 'endpoints[0].hints.forNodes[0].name: 7 is not a string'],
  ]
  for (const [parts, message] of fields) {
    test(`of an endpoint is left out: ${message}`, () => {
      const { object, warnings } = decode({ endpoints: [{ ...good, ...parts }] })
      assert.deepEqual(warnings, [`EndpointSlice shop/cart-1: ${message}`])
      assert.equal(object.endpoints?.length, 1)
    })
  }

  test('drops its port only', () => {
    const { object, warnings } = decode({
      ports: [{ port: 70_000 }, { port: 80, protocol: 'X' }, { name: 'a', port: 1 }],
    })
    assert.deepEqual(
      object.ports?.map(({ name }) => name),
      ['a'],
    )
    assert.deepEqual(warnings, [
      'EndpointSlice shop/cart-1: ports[0].port: 70000 is not a whole number from 0 to 65535',
      'EndpointSlice shop/cart-1: ports[1].protocol: "X" is not one of TCP, UDP, SCTP',
    ])
  })

  test('is not an address that does not parse: that is for the model to say', () => {
    assert.deepEqual(decode({ endpoints: [{ addresses: ['10.180'] }] }).warnings, [])
  })
})

test('what repeats from endpoint to endpoint is held in memory once', () => {
  const endpoint = (address: string): Raw => ({
    addresses: [address],
    conditions: { ready: true },
    hints: { forZones: [{ name: 'zone-a' }] },
  })
  const [one] = decode({ endpoints: [endpoint('10.180.0.1')] }).object.endpoints ?? []
  const [two] = decode({ endpoints: [endpoint('10.180.0.2')] }).object.endpoints ?? []
  assert.equal(one?.conditions, two?.conditions)
  assert.equal(one?.hints, two?.hints)
})
