import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { formatWarning } from '../../src/kube/types.ts'
import type { EndpointConditions, EndpointSlice, SliceEndpoint } from '../../src/kube/types.ts'
import { endpointKey, serviceEndpoints, sliceWarnings } from '../../src/model/endpoint.ts'
import type { Endpoint } from '../../src/model/endpoint.ts'
import { endpoint, nodeName, slice, sliceEndpoint } from './fixtures.ts'

function find(slices: EndpointSlice[], portKey: 'tcp:http' | 'tcp:' | 'udp:dns' = 'tcp:http'): readonly Endpoint[] {
  assert.deepEqual(slices.flatMap(sliceWarnings).map(formatWarning), [])
  return serviceEndpoints(slices, 'IPv4', nodeName).get(portKey) ?? []
}

function only(part: Partial<SliceEndpoint>): Endpoint {
  const [found] = find([slice({ endpoints: [sliceEndpoint('10.180.0.1', part)] })])
  assert.ok(found)
  return found
}

function keys(endpoints: readonly Endpoint[]): string[] {
  return endpoints.map(endpointKey)
}

describe('the ports of a slice', () => {
  const endpoints = [sliceEndpoint('10.180.0.1')]

  test('endpoints are found under the name and protocol of each port', () => {
    const ports = [
      { name: 'http', protocol: 'TCP', port: 8080 },
      { name: 'dns', protocol: 'UDP', port: 53 },
      { name: '', port: 9090 },
    ] as const
    const object = slice({ endpoints, ports })
    assert.deepEqual(keys(find([object])), ['10.180.0.1:8080'])
    assert.deepEqual(keys(find([object], 'udp:dns')), ['10.180.0.1:53'])
    assert.deepEqual(keys(find([object], 'tcp:')), ['10.180.0.1:9090'])
  })

  test('a port of the same name with another protocol is another port', () => {
    const object = slice({ endpoints, ports: [{ name: 'http', protocol: 'UDP', port: 8080 }] })
    assert.deepEqual(find([object]), [])
  })

  test('a port without a name or without a number is skipped and reported', () => {
    const ports = [{ port: 8080 }, { name: 'http' }, { name: 'dns', port: 0 }]
    const object = slice({ endpoints, ports })
    assert.equal(serviceEndpoints([object], 'IPv4', nodeName).size, 0)
    assert.deepEqual(sliceWarnings(object).map(formatWarning), [
      'EndpointSlice shop/cart-1: ports[0].name: is missing',
      'EndpointSlice shop/cart-1: ports[1].port: is missing',
      'EndpointSlice shop/cart-1: ports[2].port: is missing',
    ])
  })

  test('a port without endpoints has no list', () => {
    assert.equal(serviceEndpoints([slice()], 'IPv4', nodeName).size, 0)
  })
})

describe('an endpoint', () => {
  const conditions: [EndpointConditions | undefined, [boolean, boolean, boolean]][] = [
    [undefined, [true, true, false]],
    [{}, [true, true, false]],
    [{ ready: false }, [false, true, false]],
    [{ serving: false }, [true, false, false]],
    [{ terminating: true }, [true, true, true]],
    [{ ready: false, serving: true, terminating: true }, [false, true, true]],
  ]
  for (const [given, expected] of conditions) {
    test(`with conditions ${JSON.stringify(given)} is ready, serving, terminating: ${expected.join(', ')}`, () => {
      const { isReady, isServing, isTerminating } = only({ conditions: given })
      assert.deepEqual([isReady, isServing, isTerminating], expected)
    })
  }

  test('is local when it is on this Node, and never when this Node has no name', () => {
    assert.equal(only({ nodeName }).isLocal, true)
    assert.equal(only({ nodeName: 'node-2' }).isLocal, false)
    assert.equal(only({}).isLocal, false)
    const nameless = serviceEndpoints(
      [slice({ endpoints: [sliceEndpoint('10.180.0.1', { nodeName: '' })] })],
      'IPv4',
      '',
    )
    assert.equal(nameless.get('tcp:http')?.[0]?.isLocal, false)
  })

  test('has the names of its hints, and none for an empty list', () => {
    const hints = { forZones: [{ name: 'zone-a' }, { name: 'zone-b' }], forNodes: [{ name: 'node-1' }] }
    assert.deepEqual(only({ hints }).zoneHints, ['zone-a', 'zone-b'])
    assert.deepEqual(only({ hints }).nodeHints, ['node-1'])
    assert.deepEqual(only({ hints: { forZones: [] } }).zoneHints, [])
    assert.deepEqual(only({}).nodeHints, [])
  })

  test('has the first address of its slice entry, whatever kind of address it is', () => {
    const addresses = ['10.180.00.001', '10.180.0.2']
    assert.deepEqual(keys(find([slice({ endpoints: [{ addresses }] })])), ['10.180.0.1:8080'])
    for (const address of ['127.0.0.1', '169.254.1.1', '224.0.0.1', '0.0.0.0']) {
      assert.deepEqual(keys(find([slice({ endpoints: [sliceEndpoint(address)] })])), [`${address}:8080`])
    }
  })

  test('without an address, with a malformed one or one of the other family is skipped and reported', () => {
    const addresses = [[], ['10.180.0'], ['fd00::1'], ['10.180.0.4']]
    const object = slice({ endpoints: addresses.map((addresses) => ({ addresses })) })
    const byPort = serviceEndpoints([object], 'IPv4', nodeName)
    assert.deepEqual(keys(byPort.get('tcp:http') ?? []), ['10.180.0.4:8080'])
    assert.deepEqual(sliceWarnings(object).map(formatWarning), [
      'EndpointSlice shop/cart-1: endpoints[0].addresses: has no entry',
      'EndpointSlice shop/cart-1: endpoints[1].addresses[0]: "10.180.0" is not an IPv4 address',
      'EndpointSlice shop/cart-1: endpoints[2].addresses[0]: "fd00::1" is not an IPv4 address',
    ])
  })

  test('of an IPv6 slice with an IPv4-mapped address is of the wrong family', () => {
    const object = slice({
      addressType: 'IPv6',
      endpoints: [sliceEndpoint('::ffff:10.1.2.3'), sliceEndpoint('fd00::1')],
    })
    const byPort = serviceEndpoints([object], 'IPv6', nodeName)
    assert.deepEqual(keys(byPort.get('tcp:http') ?? []), ['[fd00::1]:8080'])
    assert.equal(sliceWarnings(object).length, 1)
  })
})

describe('the slices of a Service', () => {
  test('are put together; those of the other family are passed over', () => {
    const one = slice({ name: 'cart-1', endpoints: [sliceEndpoint('10.180.0.1')] })
    const two = slice({ name: 'cart-2', endpoints: [sliceEndpoint('10.180.0.2')] })
    const other = slice({ name: 'cart-3', addressType: 'IPv6', endpoints: [sliceEndpoint('fd00::1')] })
    assert.deepEqual(keys(find([two, other, one])), ['10.180.0.1:8080', '10.180.0.2:8080'])
  })

  test('endpoints are in the byte order of address and port', () => {
    const ports = [{ name: 'http', port: 11 }]
    const addresses = ['10.2.2.2', '10.1.1.1', '10.2.2.22', '10.1.1.11']
    const object = slice({ ports, endpoints: addresses.map((address) => sliceEndpoint(address)) })
    assert.deepEqual(keys(find([object])), ['10.1.1.11:11', '10.1.1.1:11', '10.2.2.22:11', '10.2.2.2:11'])
  })

  const terminating = { ready: false, serving: true, terminating: true }
  const running = { ready: true }
  const duplicates: [string, EndpointConditions[], number][] = [
    ['a running endpoint wins over a terminating one after it', [running, terminating], 0],
    ['a running endpoint wins over a terminating one before it', [terminating, running], 1],
    ['the last of the running ones wins', [running, running, terminating], 1],
    ['the first of the terminating ones wins', [terminating, terminating], 0],
  ]
  for (const [title, conditions, winner] of duplicates) {
    test(`of several entries with one address, ${title}`, () => {
      const slices = conditions.map((conditions, index) =>
        slice({
          name: `cart-${index}`,
          endpoints: [sliceEndpoint('10.180.0.1', { conditions, nodeName: `node-${index}` })],
        }),
      )
      for (const visited of [slices, slices.toReversed()]) {
        assert.deepEqual(
          find(visited).map((endpoint) => endpoint.nodeName),
          [`node-${winner}`],
        )
      }
    })
  }

  test('the same address with two ports is two endpoints', () => {
    const endpoints = [sliceEndpoint('10.180.0.1')]
    const one = slice({ name: 'cart-1', endpoints })
    const two = slice({ name: 'cart-2', endpoints, ports: [{ name: 'http', port: 8081 }] })
    assert.deepEqual(keys(find([one, two])), ['10.180.0.1:8080', '10.180.0.1:8081'])
  })

  test('each key occurs once, in order, and terminating only if no entry for it is running', () => {
    const entry = fc.record({ address: fc.nat(20), isTerminating: fc.boolean() })
    fc.assert(
      fc.property(fc.array(fc.array(entry, { maxLength: 15 }), { maxLength: 4 }), (lists) => {
        const slices = lists.map((list, index) =>
          slice({
            name: `cart-${index}`,
            endpoints: list.map(({ address, isTerminating }) =>
              sliceEndpoint(`10.180.0.${address}`, { conditions: { terminating: isTerminating } }),
            ),
          }),
        )
        const found = find(slices)
        const expected = new Map<string, boolean>()
        for (const { address, isTerminating } of lists.flat()) {
          const key = `10.180.0.${address}:8080`
          expected.set(key, (expected.get(key) ?? true) && isTerminating)
        }
        assert.deepEqual(keys(found), [...expected.keys()].sort())
        for (const one of found) assert.equal(one.isTerminating, expected.get(endpointKey(one)))
      }),
    )
  })
})

test('the key of an endpoint has brackets around an IPv6 address', () => {
  assert.equal(endpointKey(endpoint('10.180.0.1')), '10.180.0.1:80')
  assert.equal(endpointKey(endpoint('fd00:10:180::1')), '[fd00:10:180::1]:80')
})
