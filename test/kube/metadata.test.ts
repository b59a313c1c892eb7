import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeObject } from '../../src/kube/decode.ts'
import { formatWarning } from '../../src/kube/types.ts'
import type { ObjectMeta } from '../../src/kube/types.ts'
import { rawService, rawSlice } from './fixtures.ts'
import type { Raw } from './fixtures.ts'

function metadata(raw: Raw): ObjectMeta {
  const { object, warnings } = decodeObject(raw)
  assert.deepEqual(warnings, [])
  assert.ok(object)
  return object.metadata
}

function refused(raw: Raw): string[] {
  const { object, warnings } = decodeObject(raw)
  assert.equal(object, undefined)
  return warnings.map(formatWarning)
}

describe('names', () => {
  test('of 253 characters are accepted', () => {
    const name = 'a'.repeat(253)
    assert.equal(metadata(rawService({}, { name })).name, name)
  })

  test('of 254 characters are refused, and cut in the warning', () => {
    const [warning] = refused(rawService({}, { name: 'a'.repeat(254) }))
    assert.match(warning ?? '', /metadata\.name: "a+… is longer than 253 characters$/)
  })

  test('may be missing for the namespace only, which is then default', () => {
    assert.equal(metadata(rawService({}, { namespace: undefined })).namespace, 'default')
    assert.deepEqual(refused(rawService({}, { name: undefined })), [
      'Service shop/(no name): metadata.name: is missing',
    ])
    assert.deepEqual(refused(rawService({}, { name: '' })), ['Service shop/(no name): metadata.name: is missing'])
    assert.deepEqual(refused({ apiVersion: 'v1', kind: 'Service' }), [
      'Service default/(no name): metadata.name: is missing',
    ])
  })

  for (const name of ['Cart', 'cart/1', 'cart 1', '-cart', 'cart.', 'a\nb', 7, {}, ['cart']]) {
    test(`${JSON.stringify(name)} is not a name`, () => {
      assert.match(refused(rawService({}, { name })).join(), /metadata\.name: .* is not a DNS name$/)
      assert.match(refused(rawService({}, { namespace: name })).join(), /metadata\.namespace: .* is not a DNS name$/)
    })
  }

  test('of kinds without a namespace have none, whatever is written', () => {
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { namespace: 'shop', name: 'node-1' } }
    assert.equal(metadata(node).namespace, '')
  })
})

test('only the labels and annotations that we read are kept', () => {
  const kept = metadata(
    rawSlice(
      {},
      {
        labels: { app: 'cart', 'kubernetes.io/service-name': 'cart' },
        annotations: { note: 'x', 'endpoints.kubernetes.io/last-change-trigger-time': '2024-05-01T10:00:00Z' },
        resourceVersion: '7',
        uid: 'x',
      },
    ),
  )
  assert.deepEqual(kept.labels, { 'kubernetes.io/service-name': 'cart' })
  assert.deepEqual(kept.annotations, { 'endpoints.kubernetes.io/last-change-trigger-time': '2024-05-01T10:00:00Z' })
  assert.equal(kept.resourceVersion, '7')
  assert.equal(metadata(rawService({}, { labels: { app: 'cart' } })).labels, undefined)
  const annotations = { 'flowproxy.dev/fastpath': 'off' }
  assert.deepEqual(metadata(rawService({}, { annotations: { note: 'x', ...annotations } })).annotations, annotations)
})

const times = [
  ['2024-05-01T10:00:00Z', '2024-05-01T10:00:00Z'],
  ['2024-05-01T12:00:00.75+02:00', '2024-05-01T10:00:00Z'],
] as const

for (const [written, kept] of times) {
  test(`the creation time ${written} is kept as ${kept}`, () => {
    assert.equal(metadata(rawService({}, { creationTimestamp: written })).creationTimestamp, kept)
  })
}

test('a bad creation time is left out with a warning; null is no time', () => {
  const { object, warnings } = decodeObject(rawService({}, { creationTimestamp: 'yesterday' }))
  assert.equal(object?.metadata.creationTimestamp, undefined)
  assert.deepEqual(warnings.map(formatWarning), [
    'Service shop/cart: metadata.creationTimestamp: "yesterday" is not an RFC 3339 time',
  ])
  assert.equal(metadata(rawService({}, { creationTimestamp: null })).creationTimestamp, undefined)
})
