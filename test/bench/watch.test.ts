import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeObject } from '../../src/kube/decode.ts'
import {
  control,
  listOf,
  nodesPath,
  openWatch,
  type RawEvent,
  servicesPath,
  slicesPath,
  startServer,
} from './running-server.ts'

const watchList = { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: 'true' }
const summary = (event: RawEvent | undefined): string => `${event?.type} ${event?.object.metadata.name}`

test('a watch from a list tells the changes after it', async (t) => {
  const url = await startServer(t, { services: 4, endpoints: 2 })
  const { metadata } = await listOf(url + slicesPath)
  const watch = await openWatch(t, url + slicesPath, { resourceVersion: metadata.resourceVersion })
  const { address } = await control<{ address: string }>(url, 'POST', 'services/2/endpoints', { action: 'add' })
  const event = await watch.next()
  assert.equal(event?.type, 'MODIFIED')
  const { object, warnings } = decodeObject(event.object)
  assert.deepEqual(warnings, [])
  assert.ok(object?.kind === 'EndpointSlice')
  assert.equal(object.endpoints?.length, 3)
  assert.deepEqual(object.endpoints.at(-1)?.addresses, [address])
  assert.equal(Number(object.metadata.resourceVersion), Number(metadata.resourceVersion) + 1)
})

test('endpoints are added, replaced and removed one at a time', async (t) => {
  const url = await startServer(t, { services: 1, endpoints: 1 })
  const watch = await openWatch(t, url + slicesPath, {})
  const addresses = async (): Promise<unknown> => {
    const event = await watch.next()
    return event?.object.endpoints?.map(({ addresses }) => addresses[0])
  }
  assert.deepEqual(await addresses(), ['100.64.0.0'])
  for (const [action, address, expected] of [
    ['add', '100.64.0.1', ['100.64.0.0', '100.64.0.1']],
    ['replace', '100.64.0.2', ['100.64.0.0', '100.64.0.2']],
    ['remove', '100.64.0.2', ['100.64.0.0']],
    ['remove', '100.64.0.0', []],
  ] as const) {
    const change = await control<{ address: string }>(url, 'POST', 'services/0/endpoints', { action })
    assert.equal(change.address, address)
    assert.deepEqual(await addresses(), expected)
  }
})

test('a Service that is created or deleted is told to the watches of its kind', async (t) => {
  const url = await startServer(t, { services: 2, endpoints: 1 })
  const { metadata } = await listOf(url + servicesPath)
  const services = await openWatch(t, url + servicesPath, { resourceVersion: metadata.resourceVersion })
  const slices = await openWatch(t, url + slicesPath, { resourceVersion: metadata.resourceVersion })
  const { service } = await control<{ service: number }>(url, 'POST', 'services')
  await control(url, 'DELETE', `services/${service}`)
  assert.deepEqual((await services.take(2)).map(summary), ['ADDED app-2', 'DELETED app-2'])
  const [added, deleted] = await slices.take(2)
  assert.deepEqual([added?.type, deleted?.type], ['ADDED', 'DELETED'])
  assert.equal(added?.object.metadata.name, deleted?.object.metadata.name)
  assert.equal((await listOf(url + servicesPath)).items.length, 2)
})

test('a watch shows only what its selectors let through', async (t) => {
  const url = await startServer(t, { services: 3, endpoints: 1 })
  const { metadata } = await listOf(url + slicesPath)
  const query = { resourceVersion: metadata.resourceVersion, labelSelector: 'kubernetes.io/service-name=app-1' }
  const watch = await openWatch(t, url + slicesPath, query)
  for (const service of [0, 2, 1]) await control(url, 'POST', `services/${service}/endpoints`, { action: 'add' })
  assert.match(summary(await watch.next()), /^MODIFIED app-1-/)
})

test('a watch list ends with a bookmark and goes on with changes', async (t) => {
  const url = await startServer(t, { services: 3, endpoints: 1 })
  const watch = await openWatch(t, url + servicesPath, watchList)
  const [bookmark] = (await watch.take(4)).slice(3)
  assert.equal(bookmark?.type, 'BOOKMARK')
  assert.deepEqual(bookmark.object.metadata.annotations, { 'k8s.io/initial-events-end': 'true' })
  assert.equal(bookmark.object.metadata.resourceVersion, (await listOf(url + servicesPath)).metadata.resourceVersion)
  await control(url, 'POST', 'services')
  assert.equal(summary(await watch.next()), 'ADDED app-3')
})

for (const query of [{}, { resourceVersion: '0' }] as const) {
  test(`a watch from ${JSON.stringify(query)} begins with all objects`, async (t) => {
    const url = await startServer(t, { services: 2, endpoints: 1 })
    const watch = await openWatch(t, url + nodesPath, { ...query, fieldSelector: 'metadata.name=node-1' })
    assert.equal(summary(await watch.next()), 'ADDED node-1')
  })
}

test('a slow reader of many objects gets all of them, then what changed meanwhile', async (t) => {
  const url = await startServer(t, { services: 2000, endpoints: 10 })
  const watch = await openWatch(t, url + slicesPath, watchList)
  await control(url, 'POST', 'load', { ratePerSecond: 10_000, changes: 50 })
  const events = await watch.take(2051)
  const { object } = events[2000] ?? {}
  assert.equal(object?.metadata.annotations?.['k8s.io/initial-events-end'], 'true')
  assert.ok(events.slice(0, 2000).every((event) => event?.type === 'ADDED'))
  assert.ok(events.slice(2001).every((event) => event?.type === 'MODIFIED'))
})

test('a watch resumes after the version that the client has seen last', async (t) => {
  const url = await startServer(t, { services: 3, endpoints: 1 })
  const { metadata } = await listOf(url + slicesPath)
  for (const service of [0, 1, 2]) await control(url, 'POST', `services/${service}/endpoints`, { action: 'add' })
  const resourceVersion = `${Number(metadata.resourceVersion) + 1}`
  const watch = await openWatch(t, url + slicesPath, { resourceVersion })
  assert.deepEqual(
    (await watch.take(2)).map((event) => event?.object.metadata.name.slice(0, 5)),
    ['app-1', 'app-2'],
  )
})

test('a watch from a forgotten version is told 410 and ended', async (t) => {
  const url = await startServer(t, { services: 1, endpoints: 1, historyLength: 2 })
  const { metadata } = await listOf(url + slicesPath)
  for (let change = 0; change < 3; change++) {
    await control(url, 'POST', 'services/0/endpoints', { action: 'replace' })
  }
  const watch = await openWatch(t, url + slicesPath, { resourceVersion: metadata.resourceVersion })
  const [event, end] = await watch.take(2)
  assert.deepEqual([event?.type, event?.object.kind, event?.object.code], ['ERROR', 'Status', 410])
  assert.equal(end, undefined)
})

test('a watch with bookmarks learns the latest version from time to time, another does not', async (t) => {
  const url = await startServer(t, { services: 2, endpoints: 1, bookmarkIntervalMs: 20 })
  const { metadata } = await listOf(url + nodesPath)
  const from = { resourceVersion: metadata.resourceVersion }
  const watch = await openWatch(t, url + nodesPath, { ...from, allowWatchBookmarks: 'true' })
  const silent = await openWatch(t, url + servicesPath, from)
  await control(url, 'POST', 'services/0/endpoints', { action: 'add' })
  for (;;) {
    const event = await watch.next()
    assert.equal(event?.type, 'BOOKMARK')
    assert.equal(event.object.kind, 'Node')
    if (Number(event.object.metadata.resourceVersion) === Number(metadata.resourceVersion) + 1) break
  }
  await control(url, 'POST', 'services')
  assert.equal((await silent.next())?.type, 'ADDED')
})

test('a watch ends after its timeoutSeconds, and all end when the server forgets', async (t) => {
  const url = await startServer(t, { services: 1, endpoints: 1 })
  const { metadata } = await listOf(url + servicesPath)
  const from = { resourceVersion: metadata.resourceVersion }
  const timed = await openWatch(t, url + servicesPath, { ...from, timeoutSeconds: '1' })
  const open = await openWatch(t, url + servicesPath, from)
  assert.equal(await timed.next(), undefined)
  await control(url, 'POST', 'expire')
  assert.equal(await open.next(), undefined)
})
