import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { apiResources } from '../../src/kube/api-resource.ts'
import { DeliveredObjects } from '../../src/kube/delivered-objects.ts'
import type { Changes } from '../../src/kube/delivered-objects.ts'
import { isWatched } from '../../src/kube/selectors.ts'
import { formatWarning } from '../../src/kube/types.ts'
import { rawSlice } from './fixtures.ts'
import { service, showEvent } from './following.ts'

const { Service, EndpointSlice } = apiResources('node-1')

/** What is told when these are set, in the form of `showEvent`, then the warnings. */
function told(run: (changes: Changes) => void): string[] {
  const changes: Changes = { events: [], warnings: [] }
  run(changes)
  return [...changes.events.map(showEvent), ...changes.warnings.map(formatWarning)]
}

describe('delivered objects', () => {
  test('are told again only in another version', () => {
    const objects = new DeliveredObjects(Service, isWatched)
    const set = (version: string) => told((changes) => objects.set(service('cart', version), changes))
    assert.deepEqual(set('7'), ['cart@7'])
    assert.deepEqual(set('7'), [])
    assert.deepEqual(set('6'), ['cart@6'])
    assert.deepEqual(set('9007199254740993'), ['cart@9007199254740993'])
    assert.deepEqual(set('opaque'), ['cart@opaque'])
    assert.deepEqual(set('opaque'), ['cart@opaque'])
    assert.equal(objects.size, 1)
  })

  test('are deleted at the end of a list in which they are missing, also those it has only as unwanted', () => {
    const objects = new DeliveredObjects(Service, isWatched)
    told((changes) => ['cart', 'till', 'gone'].forEach((name) => objects.set(service(name, '1'), changes)))
    objects.beginList()
    const label = { labels: { 'service.kubernetes.io/service-proxy-name': 'x' } }
    assert.deepEqual(
      told((changes) => {
        objects.set(service('cart', '1'), changes)
        objects.set(service('till', '2', {}, label), changes)
      }),
      ['-till'],
    )
    assert.deepEqual([...objects.endList()].map(showEvent), ['-gone'])
    assert.equal(objects.size, 1)
  })

  test('that come and go while a list is read are told once', () => {
    const objects = new DeliveredObjects(Service, isWatched)
    told((changes) => objects.set(service('cart', '1'), changes))
    objects.beginList()
    assert.deepEqual(
      told((changes) => objects.delete(service('cart', '2'), changes)),
      ['-cart'],
    )
    assert.deepEqual([...objects.endList()], [])
  })

  test('that become useless are deleted, and each useless version is warned of once', () => {
    const objects = new DeliveredObjects(EndpointSlice, isWatched)
    const slice = (version: string, addressType: string) =>
      told((changes) => objects.set(rawSlice({ addressType }, { resourceVersion: version }), changes))
    const warning = 'EndpointSlice shop/cart-1: addressType: "FQDN" is not supported'
    assert.deepEqual(slice('1', 'IPv4'), ['cart-1@1'])
    assert.deepEqual(slice('2', 'FQDN'), ['-cart-1', warning])
    assert.deepEqual(slice('2', 'FQDN'), [])
    assert.deepEqual(slice('3', 'FQDN'), [warning])
    assert.deepEqual(slice('4', 'IPv4'), ['cart-1@4'])
    assert.deepEqual(
      told((changes) => objects.set(service('cart', '5'), changes)),
      ['Service shop/cart: kind: is not EndpointSlice'],
    )
  })

  test('of a list get their kind from it', () => {
    const objects = new DeliveredObjects(Service, isWatched)
    const { kind, apiVersion, ...item } = service('cart', '7')
    assert.deepEqual([kind, apiVersion], ['Service', 'v1'])
    assert.deepEqual(
      told((changes) => objects.set(item, changes)),
      ['cart@7'],
    )
  })

  test('in two namespaces are two', () => {
    const objects = new DeliveredObjects(Service, isWatched)
    told((changes) => {
      objects.set(service('cart', '1', {}, { namespace: 'a' }), changes)
      objects.set(service('cart', '1', {}, { namespace: 'b' }), changes)
    })
    assert.equal(objects.size, 2)
    assert.deepEqual(
      told((changes) => objects.delete(service('cart', '1', {}, { namespace: 'b' }), changes)),
      ['-cart'],
    )
    assert.equal(objects.size, 1)
  })
})
