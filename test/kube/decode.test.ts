import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { decodeObject, decodeObjects } from '../../src/kube/decode.ts'
import { formatWarning, objectKey } from '../../src/kube/types.ts'
import { rawService, rawSlice } from './fixtures.ts'

function warnings(raw: unknown): string[] {
  return decodeObject(raw).warnings.map(formatWarning)
}

function names(raw: unknown): string[] {
  return decodeObjects(raw).flatMap(({ object }) => (object === undefined ? [] : [objectKey(object.metadata)]))
}

describe('kinds', () => {
  const unknown: [unknown, string, string][] = [
    [
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { namespace: 'shop', name: 'web' } },
      'Deployment shop/web: kind: apps/v1 Deployment is not read by a service proxy',
      'apps/v1 Deployment',
    ],
    [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
      'Namespace shop: kind: v1 Namespace is not read by a service proxy',
      'v1 Namespace',
    ],
    [
      { ...rawService(), apiVersion: 'serving.knative.dev/v1' },
      'Service shop/cart: kind: serving.knative.dev/v1 Service is not read by a service proxy',
      'serving.knative.dev/v1 Service',
    ],
    [
      { ...rawSlice(), apiVersion: 'discovery.k8s.io/v1beta1' },
      'EndpointSlice shop/cart-1: kind: discovery.k8s.io/v1beta1 EndpointSlice is not read by a service proxy',
      'discovery.k8s.io/v1beta1 EndpointSlice',
    ],
    [
      { metadata: { name: 'cart' } },
      '(no kind) cart: kind: (no apiVersion) (no kind) is not read by a service proxy',
      '(no apiVersion) (no kind)',
    ],
    [{ kind: 'toString' }, '(no name)', '(no apiVersion) toString'],
  ]
  for (const [raw, message, unknownKind] of unknown) {
    test(`${unknownKind} is left out with a warning that names it`, () => {
      const decoded = decodeObject(raw)
      assert.equal(decoded.object, undefined)
      assert.equal(decoded.unknownKind, unknownKind)
      assert.ok(warnings(raw).join().includes(message), warnings(raw).join())
    })
  }

  for (const raw of [null, undefined, 7, 'Service', [], [rawService()], true]) {
    test(`${JSON.stringify(raw)} is not an object`, () => {
      assert.equal(decodeObject(raw).object, undefined)
      assert.equal(decodeObject(raw).warnings.length, 1)
    })
  }
})

describe('lists', () => {
  test('of any kinds give their items, as kubectl prints them', () => {
    const items = [rawService(), rawSlice(), { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } }]
    assert.deepEqual(names({ apiVersion: 'v1', kind: 'List', items }), ['shop/cart', 'shop/cart-1', '/node-1'])
  })

  test('of one kind give their items, which need not repeat the kind', () => {
    const { apiVersion: _, kind: __, ...service } = rawService()
    const { apiVersion: ___, kind: ____, ...slice } = rawSlice()
    assert.deepEqual(names({ apiVersion: 'v1', kind: 'ServiceList', items: [service, rawService()] }), [
      'shop/cart',
      'shop/cart',
    ])
    assert.deepEqual(names({ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSliceList', items: [slice] }), [
      'shop/cart-1',
    ])
  })

  test('may be empty, and are reported when they are no lists', () => {
    assert.deepEqual(decodeObjects({ apiVersion: 'v1', kind: 'List' }), [])
    assert.deepEqual(decodeObjects({ apiVersion: 'v1', kind: 'List', items: [] }), [])
    const [result] = decodeObjects({ apiVersion: 'v1', kind: 'ServiceList', items: {} })
    assert.deepEqual(result?.warnings.map(formatWarning), ['ServiceList: items: {} is not an array'])
  })

  test('in a list are not read', () => {
    const inner = { apiVersion: 'v1', kind: 'List', items: [rawService()] }
    const [result] = decodeObjects({ apiVersion: 'v1', kind: 'List', items: [inner] })
    assert.equal(result?.unknownKind, 'v1 List')
  })

  test('with a bad item give the others', () => {
    const items = [null, rawService({}, { name: '' }), rawSlice()]
    assert.deepEqual(names({ apiVersion: 'v1', kind: 'List', items }), ['shop/cart-1'])
  })
})

test('any JSON at any place of an object is left out with a warning, or used, but never thrown at', () => {
  const places = fc.constantFrom(
    'metadata',
    'spec',
    'status',
    'ports',
    'endpoints',
    'addressType',
    'clusterIPs',
    'labels',
  )
  const part = fc.dictionary(places, fc.jsonValue())
  fc.assert(
    fc.property(part, part, part, (top, spec, metadata) => {
      for (const raw of [
        { ...rawService(spec, metadata), ...top },
        { ...rawSlice(spec, metadata), ...top },
        { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1', ...metadata }, spec, ...top },
        { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name: 'cidrs' }, spec, ...top },
      ]) {
        const { object, warnings } = decodeObject(raw)
        assert.ok(object !== undefined || warnings.length > 0)
      }
    }),
  )
})
