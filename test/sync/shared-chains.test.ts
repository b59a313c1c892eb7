import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EndpointSlice } from '../../src/kube/types.ts'
import { service, slice, sliceEndpoint, type SliceParts } from '../model/fixtures.ts'
import { createProxy, type Proxy } from './proxy.ts'

/** A slice with as many endpoints. */
function sliceOf(count: number, parts: SliceParts = {}): EndpointSlice {
  return slice({ endpoints: Array.from({ length: count }, (_, host) => sliceEndpoint(`10.180.0.${host}`)), ...parts })
}

const till = service({ clusterIPs: ['172.30.0.42'] }, { name: 'till' })
const tillSlice = sliceOf(2, { name: 'till-1', service: 'till' })

/** What all transactions from number `first` on made and deleted of the chains that pick. */
function chainLines(proxy: Proxy, first = 0): string[] {
  return proxy.transactions
    .slice(first)
    .flat()
    .filter((line) => /^\w+ chain .* pick-/.test(line))
    .map((line) => line.replace('chain ip kube-proxy ', ''))
}

describe('the chain that picks one of two endpoints', () => {
  test('is made for its first user only', async () => {
    const proxy = createProxy()
    await proxy.sync(service(), sliceOf(2))
    assert.deepEqual(chainLines(proxy), ['add pick-tcp-2'])
    await proxy.sync(till, tillSlice)
    assert.deepEqual(chainLines(proxy), ['add pick-tcp-2'])
  })

  test('is deleted by the first sync that comes a second after its last user went', async () => {
    const proxy = createProxy()
    await proxy.sync(service(), sliceOf(2))
    await proxy.clock.goTo(500)
    await proxy.sync(sliceOf(3))
    const before = proxy.transactions.length
    await proxy.clock.goTo(1499)
    await proxy.sync()
    assert.deepEqual(chainLines(proxy, before), [])
    await proxy.clock.goTo(1500)
    await proxy.sync()
    assert.deepEqual(chainLines(proxy, before), ['delete pick-tcp-2'])
    await proxy.clock.goTo(9000)
    await proxy.sync()
    assert.deepEqual(chainLines(proxy, before), ['delete pick-tcp-2'])
  })

  test('stays when it is used again within the second', async () => {
    const proxy = createProxy()
    await proxy.sync(service(), sliceOf(2))
    await proxy.sync(sliceOf(3))
    await proxy.clock.goTo(999)
    await proxy.sync(sliceOf(2))
    await proxy.clock.goTo(9000)
    await proxy.sync()
    assert.deepEqual(chainLines(proxy), ['add pick-tcp-2', 'add pick-tcp-3', 'delete pick-tcp-3'])
  })

  test('is made anew when it is wanted again after it was deleted', async () => {
    const proxy = createProxy()
    await proxy.sync(service(), sliceOf(2))
    await proxy.sync(sliceOf(3))
    await proxy.clock.goTo(1000)
    await proxy.sync(sliceOf(2))
    assert.deepEqual(chainLines(proxy), ['add pick-tcp-2', 'add pick-tcp-3', 'delete pick-tcp-2', 'add pick-tcp-2'])
  })

  test('stays as long as another Service uses it', async () => {
    const proxy = createProxy()
    await proxy.sync(service(), sliceOf(2), till, tillSlice)
    await proxy.sync(sliceOf(1))
    await proxy.clock.goTo(9000)
    await proxy.sync()
    assert.deepEqual(chainLines(proxy), ['add pick-tcp-1', 'add pick-tcp-2'].toReversed())
  })
})

test('chains are made in the order of their numbers', async () => {
  const proxy = createProxy()
  const ports = [10, 9, 2].map((count) => ({ name: `p${count}`, port: count, protocol: 'UDP' as const }))
  const slices = ports.map(({ name, port }) => sliceOf(port, { name, ports: [{ name, port, protocol: 'UDP' }] }))
  await proxy.sync(service({ ports }), ...slices)
  assert.deepEqual(chainLines(proxy), ['add pick-udp-2', 'add pick-udp-9', 'add pick-udp-10'])
})
