import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatWarning } from '../../src/kube/types.ts'
import { ServiceTracker } from '../../src/model/service-tracker.ts'
import { service } from './fixtures.ts'

/** Knows shop/cart with port http, and nothing is pending. */
function tracker(): ServiceTracker {
  const services = new ServiceTracker('IPv4')
  services.set(service())
  services.take()
  return services
}

const port = (number: number): Parameters<typeof service>[0] => ({ ports: [{ name: 'http', port: number }] })

test('a new Service is pending until it is taken, and visible from then on', () => {
  const services = new ServiceTracker('IPv4')
  assert.equal(services.set(service()), true)
  assert.deepEqual([...services.keys()], [])
  assert.deepEqual(services.ports('shop/cart'), [])
  assert.deepEqual(services.take().services, ['shop/cart'])
  assert.deepEqual([...services.keys()], ['shop/cart'])
  assert.equal(services.ports('shop/cart')[0]?.port, 80)
  assert.deepEqual(services.take().services, [])
})

test('a deleted Service is visible until the deletion is taken', () => {
  const services = tracker()
  assert.equal(services.delete('shop/cart'), true)
  assert.equal(services.ports('shop/cart').length, 1)
  assert.deepEqual(services.take().services, ['shop/cart'])
  assert.deepEqual([...services.keys()], [])
})

test('a change and its undoing leave nothing pending', () => {
  const services = tracker()
  assert.equal(services.set(service(port(81))), true)
  assert.equal(services.changesPending, 1)
  assert.equal(services.set(service(port(80))), false)
  assert.equal(services.changesPending, 0)
  assert.deepEqual(services.take().services, [])
})

test('a Service that comes and goes leaves nothing pending', () => {
  const services = new ServiceTracker('IPv4')
  services.set(service())
  assert.equal(services.delete('shop/cart'), false)
  assert.equal(services.delete('shop/unknown'), false)
})

test('what no rule depends on is no change', () => {
  const services = tracker()
  assert.equal(services.set(service()), false)
  assert.equal(services.set(service({}, { resourceVersion: '7', annotations: { a: 'b' } })), false)
  assert.equal(services.set(service({ healthCheckNodePort: 30000, externalTrafficPolicy: 'Local' })), false)
})

test('a notification without effect still says that another Service is pending', () => {
  const services = tracker()
  services.set(service({}, { name: 'other' }))
  assert.equal(services.set(service()), true)
  assert.equal(services.delete('shop/unknown'), true)
  assert.equal(services.changesPending, 1)
})

test('every notification is counted', () => {
  const services = tracker()
  services.set(service())
  services.delete('shop/unknown')
  services.set(service({ type: 'ExternalName' }))
  assert.equal(services.changesTotal, 4)
})

test('a Service that becomes an ExternalName is as good as deleted', () => {
  const services = tracker()
  assert.equal(services.set(service({ type: 'ExternalName' })), true)
  services.take()
  assert.deepEqual([...services.keys()], [])
})

test('a port that changes its number keeps its name; one that changes its name is another port', () => {
  const services = tracker()
  services.set(service(port(81)))
  services.take()
  assert.deepEqual(
    services.ports('shop/cart').map(({ portName, port }) => [portName, port]),
    [['http', 81]],
  )
  services.set(service({ ports: [{ name: 'web', port: 81 }] }))
  services.take()
  assert.deepEqual(
    services.ports('shop/cart').map(({ portName, port }) => [portName, port]),
    [['web', 81]],
  )
})

test('a warning is given once, and again when it changes', () => {
  const services = tracker()
  const warnings = (): string[] => services.take().warnings.map(formatWarning)
  const bad = (text: string): boolean => services.set(service({ externalIPs: [text] }))
  assert.equal(bad('1.2.3'), false)
  assert.deepEqual(warnings(), ['Service shop/cart: spec.externalIPs[0]: "1.2.3" is not an IP address'])
  bad('1.2.3')
  assert.deepEqual(warnings(), [])
  bad('1.2.4')
  assert.deepEqual(warnings(), ['Service shop/cart: spec.externalIPs[0]: "1.2.4" is not an IP address'])
  services.set(service())
  assert.deepEqual(warnings(), [])
  bad('1.2.4')
  assert.equal(warnings().length, 1)
})
