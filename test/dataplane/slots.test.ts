import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { assignSlots, keptEndpoints, packSlots, unpackSlots } from '../../src/dataplane/slots.ts'
import { type Endpoint, endpointKey } from '../../src/model/endpoint.ts'
import { endpoint } from '../model/fixtures.ts'

/** Ten addresses with two ports each: small enough that lists overlap. */
const anyEndpoint = fc.record({ host: fc.nat(9), port: fc.constantFrom(80, 8080), isReady: fc.boolean() })
const endpoints = fc
  .uniqueArray(anyEndpoint, { selector: ({ host, port }) => `${host}:${port}`, maxLength: 16 })
  .map((all) => all.map(({ host, port, isReady }) => endpoint(`10.180.0.${host}`, { port, isReady })))

const keys = (endpoints: readonly Endpoint[]): string[] => endpoints.map(endpointKey)

function slotsThatDiffer(before: readonly Endpoint[], after: readonly Endpoint[]): number {
  const [was, is] = [keys(before), keys(after)]
  return is.filter((key, slot) => key !== was[slot]).length
}

test('every wanted endpoint has one slot, in the state in which it is wanted', () => {
  fc.assert(
    fc.property(endpoints, endpoints, (previous, wanted) => {
      const byKey = (a: Endpoint, b: Endpoint): number => (endpointKey(a) < endpointKey(b) ? -1 : 1)
      assert.deepEqual([...assignSlots(keys(previous), wanted)].sort(byKey), [...wanted].sort(byKey))
    }),
  )
})

test('an endpoint that stays keeps its slot as long as there is one of that number', () => {
  fc.assert(
    fc.property(endpoints, endpoints, (previous, wanted) => {
      const slots = keys(assignSlots(keys(previous), wanted))
      const wantedKeys = new Set(keys(wanted))
      for (const [slot, key] of keys(previous).entries()) {
        if (slot < wanted.length && wantedKeys.has(key)) assert.equal(slots[slot], key)
      }
    }),
  )
})

test('an endpoint less changes at most one other slot', () => {
  fc.assert(
    fc.property(endpoints, fc.nat(), (previous, choice) => {
      fc.pre(previous.length > 0)
      const wanted = previous.toSpliced(choice % previous.length, 1)
      assert.ok(slotsThatDiffer(previous, assignSlots(keys(previous), wanted)) <= 1)
    }),
  )
})

test('an endpoint more changes no other slot, wherever it comes in the order', () => {
  fc.assert(
    fc.property(endpoints, fc.nat(16), (previous, place) => {
      const wanted = previous.toSpliced(place, 0, endpoint('10.180.9.9'))
      assert.equal(slotsThatDiffer(previous, assignSlots(keys(previous), wanted)), 1)
    }),
  )
})

test('an endpoint that is replaced leaves its slot to its successor', () => {
  const [a, b, c, d] = ['10.180.0.1', '10.180.0.2', '10.180.0.3', '10.180.0.4'].map((ip) => endpoint(ip)) as [
    Endpoint,
    Endpoint,
    Endpoint,
    Endpoint,
  ]
  assert.deepEqual(assignSlots(keys([a, b, c]), [a, c, d]), [a, d, c])
})

test('an endpoint is kept if its address and port are, whatever else changed of it', () => {
  const [a, b] = [endpoint('10.180.0.1'), endpoint('10.180.0.1', { port: 8080 })]
  assert.equal(keptEndpoints(keys([a]), keys([{ ...a, isReady: false }])), 1)
  assert.equal(keptEndpoints(keys([a, b]), keys([b])), 1)
  assert.equal(keptEndpoints(keys([a]), keys([b])), 0)
  assert.equal(keptEndpoints([], keys([a, b])), 0)
})

test('packed slots are unpacked to the same keys in the same order', () => {
  const sixth = endpoint('fd00:10:180::6', { port: 53 })
  for (const slots of [[], [endpoint('10.180.0.1')], [sixth, endpoint('10.180.0.1')]]) {
    assert.deepEqual(unpackSlots(packSlots(slots)), keys(slots))
  }
})
