import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { formatWarning, triggerTimeAnnotation } from '../../src/kube/types.ts'
import type { EndpointSlice, EndpointSlicePort } from '../../src/kube/types.ts'
import { endpointKey } from '../../src/model/endpoint.ts'
import { EndpointTracker } from '../../src/model/endpoint-tracker.ts'
import { nodeName, slice, sliceEndpoint } from './fixtures.ts'
import type { SliceParts } from './fixtures.ts'

const processStartMs = Date.parse('2024-05-01T10:00:00Z')

function tracker(...slices: EndpointSlice[]): EndpointTracker {
  const endpoints = new EndpointTracker({ family: 'IPv4', nodeName, processStartMs })
  for (const known of slices) endpoints.set(known)
  endpoints.take()
  return endpoints
}

/** A slice of shop/cart with one endpoint. */
function oneEndpoint(parts: SliceParts & { readonly address?: string } = {}): EndpointSlice {
  return slice({ endpoints: [sliceEndpoint(parts.address ?? '10.180.0.1')], ...parts })
}

function keys(endpoints: EndpointTracker, service: 'shop/cart' | 'shop/till' = 'shop/cart'): string[] {
  return [...endpoints.endpoints(service).values()].flat().map(endpointKey)
}

describe('changes', () => {
  test('are visible from when they are taken', () => {
    const endpoints = tracker()
    assert.equal(endpoints.set(oneEndpoint()), true)
    assert.deepEqual(keys(endpoints), [])
    assert.deepEqual(endpoints.take().services, ['shop/cart'])
    assert.deepEqual(keys(endpoints), ['10.180.0.1:8080'])
    assert.equal(endpoints.delete('shop/cart-1'), true)
    assert.deepEqual(keys(endpoints), ['10.180.0.1:8080'])
    assert.deepEqual(endpoints.take().services, ['shop/cart'])
    assert.deepEqual(keys(endpoints), [])
  })

  test('of one slice leave the other slices of the Service as they are', () => {
    const endpoints = tracker(oneEndpoint(), oneEndpoint({ name: 'cart-2', address: '10.180.0.2' }))
    endpoints.set(oneEndpoint({ name: 'cart-2', address: '10.180.0.3' }))
    endpoints.take()
    assert.deepEqual(keys(endpoints), ['10.180.0.1:8080', '10.180.0.3:8080'])
    endpoints.delete('shop/cart-1')
    endpoints.take()
    assert.deepEqual(keys(endpoints), ['10.180.0.3:8080'])
  })

  test('are seen by comparing with what was told last, taken or not', () => {
    const endpoints = tracker()
    assert.equal(endpoints.set(oneEndpoint()), true)
    assert.equal(endpoints.set(oneEndpoint()), false)
    endpoints.take()
    assert.equal(endpoints.set(oneEndpoint()), false)
    assert.equal(endpoints.set(oneEndpoint({ address: '10.180.0.2' })), true)
    assert.equal(endpoints.set(oneEndpoint()), true)
  })

  const meta = { labels: oneEndpoint().metadata.labels }
  const effective: [string, SliceParts][] = [
    ['the resourceVersion', { meta: { ...meta, resourceVersion: '7' } }],
    ['an annotation', { meta: { ...meta, annotations: { [triggerTimeAnnotation]: '2024-05-01T10:00:01Z' } } }],
    ['a port number', { ports: [{ name: 'http', port: 8081 }] }],
  ]
  for (const [what, parts] of effective) {
    test(`of ${what} count`, () => {
      const endpoints = tracker(oneEndpoint())
      assert.equal(endpoints.set(oneEndpoint(parts)), true)
      assert.deepEqual(endpoints.take().services, ['shop/cart'])
    })
  }

  test('are reported for this notification only', () => {
    const endpoints = tracker(oneEndpoint())
    endpoints.set(oneEndpoint({ address: '10.180.0.2' }))
    assert.equal(endpoints.set(slice({ name: 'till-1', service: 'till' })), true)
    assert.equal(endpoints.set(slice({ name: 'till-1', service: 'till' })), false)
  })

  test('are counted: all of them, and those with an effect that were not taken', () => {
    const endpoints = tracker()
    endpoints.set(oneEndpoint())
    endpoints.set(oneEndpoint())
    endpoints.set(oneEndpoint({ address: '10.180.0.2' }))
    assert.deepEqual([endpoints.changesTotal, endpoints.changesPending], [3, 2])
    endpoints.take()
    assert.deepEqual([endpoints.changesTotal, endpoints.changesPending], [3, 0])
  })
})

describe('removals', () => {
  test('of an unknown slice are no change', () => {
    assert.equal(tracker().delete('shop/cart-1'), false)
  })

  test('of a slice that was not taken yet are a change', () => {
    const endpoints = tracker()
    endpoints.set(oneEndpoint())
    assert.equal(endpoints.delete('shop/cart-1'), true)
    assert.equal(endpoints.delete('shop/cart-1'), false)
    assert.deepEqual(endpoints.take().services, ['shop/cart'])
    assert.deepEqual(keys(endpoints), [])
  })

  test('are undone by the slice coming back', () => {
    const endpoints = tracker(oneEndpoint())
    endpoints.delete('shop/cart-1')
    assert.equal(endpoints.set(oneEndpoint()), true)
    endpoints.take()
    assert.deepEqual(keys(endpoints), ['10.180.0.1:8080'])
  })
})

describe('the Service of a slice', () => {
  test('need not exist, and is the one that the label names in the namespace of the slice', () => {
    const endpoints = tracker(oneEndpoint({ service: 'till' }))
    assert.deepEqual(keys(endpoints, 'shop/till'), ['10.180.0.1:8080'])
  })

  test('is given up when the label names another one', () => {
    const endpoints = tracker(oneEndpoint())
    endpoints.set(oneEndpoint({ service: 'till' }))
    assert.deepEqual(new Set(endpoints.take().services), new Set(['shop/cart', 'shop/till']))
    assert.deepEqual(keys(endpoints), [])
    assert.deepEqual(keys(endpoints, 'shop/till'), ['10.180.0.1:8080'])
    endpoints.delete('shop/cart-1')
    endpoints.take()
    assert.deepEqual(keys(endpoints, 'shop/till'), [])
  })

  const unlabelled = [undefined, {}, { 'kubernetes.io/service-name': '' }]
  for (const labels of unlabelled) {
    test(`is missing with labels ${JSON.stringify(labels)}: the slice is reported and dropped`, () => {
      const endpoints = tracker(oneEndpoint())
      assert.equal(endpoints.set(oneEndpoint({ meta: { name: 'cart-2', labels } })), false)
      assert.equal(endpoints.changesTotal, 1)
      assert.deepEqual(endpoints.take().warnings.map(formatWarning), [
        'EndpointSlice shop/cart-2: metadata.labels[kubernetes.io/service-name]: is missing; the slice belongs to no Service',
      ])
      assert.equal(endpoints.set(oneEndpoint({ meta: { labels } })), true)
      endpoints.take()
      assert.deepEqual(keys(endpoints), [])
    })
  }
})

test('slices of the other family are neither counted nor reported', () => {
  const endpoints = tracker()
  assert.equal(endpoints.set(slice({ addressType: 'IPv6', endpoints: [sliceEndpoint('fd00::1')] })), false)
  assert.equal(endpoints.delete('shop/cart-1'), false)
  assert.equal(endpoints.changesTotal, 0)
  assert.deepEqual(endpoints.take().warnings, [])
})

test('the warnings of a slice are given when it changes, not when another slice of the Service does', () => {
  const endpoints = tracker()
  endpoints.set(oneEndpoint({ address: '10.180.0' }))
  assert.equal(endpoints.take().warnings.length, 1)
  endpoints.set(oneEndpoint({ name: 'cart-2' }))
  assert.deepEqual(endpoints.take().warnings, [])
  endpoints.set(oneEndpoint({ address: '10.180.1' }))
  assert.deepEqual(endpoints.take().warnings.map(formatWarning), [
    'EndpointSlice shop/cart-1: endpoints[0].addresses[0]: "10.180.1" is not an IPv4 address',
  ])
})

describe('trigger times', () => {
  function at(time: string, parts: SliceParts = {}): EndpointSlice {
    const meta = { labels: oneEndpoint(parts).metadata.labels, annotations: { [triggerTimeAnnotation]: time } }
    return oneEndpoint({ ...parts, meta })
  }

  test('are remembered per Service for changes after the start of the process', () => {
    const endpoints = tracker()
    endpoints.set(at('2024-05-01T10:00:01.5Z'))
    endpoints.set(at('2024-05-01T10:00:02.123456789Z'))
    endpoints.set(at('2024-05-01T09:59:59Z', { name: 'cart-2' }))
    endpoints.set(at('2024-05-01T10:00:00Z', { name: 'cart-3' }))
    const expected = new Map([['shop/cart', [processStartMs + 1_500, processStartMs + 2_123]]])
    assert.deepEqual(endpoints.take().triggerTimes, expected)
    assert.equal(endpoints.take().triggerTimes.size, 0)
  })

  test('of a notification without effect are not remembered', () => {
    const endpoints = tracker(at('2024-05-01T10:00:01Z'))
    endpoints.set(at('2024-05-01T10:00:01Z'))
    assert.equal(endpoints.take().triggerTimes.size, 0)
  })

  test('are forgotten when a slice of the Service is removed', () => {
    const endpoints = tracker(oneEndpoint({ name: 'cart-2' }))
    endpoints.set(at('2024-05-01T10:00:01Z'))
    endpoints.delete('shop/cart-2')
    assert.equal(endpoints.take().triggerTimes.size, 0)
  })

  for (const text of ['yesterday', '2024-05-01', '2024-05-01T25:00:00Z', '']) {
    test(`that read ${JSON.stringify(text)} are reported and left out`, () => {
      const endpoints = tracker()
      assert.equal(endpoints.set(at(text)), true)
      const { triggerTimes, warnings } = endpoints.take()
      assert.equal(triggerTimes.size, 0)
      assert.deepEqual(
        warnings.map(({ field }) => field),
        [`metadata.annotations[${triggerTimeAnnotation}]`],
      )
    })
  }
})

describe('conntrack clean-up', () => {
  const udp: EndpointSlicePort[] = [{ name: 'dns', protocol: 'UDP', port: 53 }]
  const tcp: EndpointSlicePort[] = [
    { name: 'http', protocol: 'TCP', port: 80 },
    { name: 'sig', protocol: 'SCTP', port: 9 },
  ]
  const empty = (ports: EndpointSlicePort[]): EndpointSlice => slice({ ports })
  const full = (ports: EndpointSlicePort[], address?: string): EndpointSlice =>
    oneEndpoint(address === undefined ? { ports } : { ports, address })

  const transitions: [string, EndpointSlice[], EndpointSlice, boolean][] = [
    ['the first endpoints appear', [], full(udp), true],
    ['the first endpoints appear in a known slice', [empty(udp)], full(udp), true],
    ['the last endpoints disappear', [full(udp)], empty(udp), true],
    ['an address changes', [full(udp)], full(udp, '10.180.0.2'), true],
    ['a port changes its name', [full(udp)], full([{ ...udp[0], name: 'dns-udp' }]), true],
    ['a port changes its number', [full(udp)], full([{ ...udp[0], port: 5353 }]), true],
    ['a UDP port becomes a TCP port', [full(udp)], full(tcp), true],
    ['nothing changes', [full(udp)], full(udp), false],
    ['a port without endpoints appears', [], empty(udp), false],
    ['only TCP and SCTP endpoints change', [full(tcp)], full(tcp, '10.180.0.2'), false],
  ]
  for (const [title, known, next, isNeeded] of transitions) {
    test(`is ${isNeeded ? '' : 'not '}needed when ${title}`, () => {
      const endpoints = tracker(...known)
      endpoints.set(next)
      assert.equal(endpoints.take().isConntrackCleanupNeeded, isNeeded)
    })
  }

  test('is needed when a slice with a UDP port is removed, not when nothing happened', () => {
    const endpoints = tracker(full(udp))
    assert.equal(endpoints.take().isConntrackCleanupNeeded, false)
    endpoints.delete('shop/cart-1')
    assert.equal(endpoints.take().isConntrackCleanupNeeded, true)
  })

  test('is not needed for the UDP ports of a Service that did not change', () => {
    const endpoints = tracker(full(udp))
    endpoints.set(oneEndpoint({ name: 'till-1', service: 'till' }))
    assert.equal(endpoints.take().isConntrackCleanupNeeded, false)
  })
})
