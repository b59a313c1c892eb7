import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeObject, formatWarning, objectKey } from '../../src/kube/types.ts'

test('an object is named by kind, namespace and name, and without a namespace if it has none', () => {
  assert.equal(describeObject('Service', { namespace: 'shop', name: 'cart' }), 'Service shop/cart')
  assert.equal(describeObject('Node', { namespace: '', name: 'node-1' }), 'Node node-1')
  assert.equal(objectKey({ namespace: 'shop', name: 'cart' }), 'shop/cart')
})

test('a warning is one line: object, field, message', () => {
  const warning = { object: 'Service shop/cart', field: 'spec.ports[0].port', message: 'is missing' }
  assert.equal(formatWarning(warning), 'Service shop/cart: spec.ports[0].port: is missing')
})
