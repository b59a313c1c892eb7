import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServerStatistics } from '../../bench/apiserver/control.ts'
import type { WrittenChange } from '../../bench/apiserver/load.ts'
import { monotonicMs } from '../../bench/monotonic.ts'
import { control, getJson, listOf, openWatch, servicesPath, slicesPath, startServer } from './running-server.ts'

test('a load replaces endpoints at its rate and says when each change was written', async (t) => {
  const url = await startServer(t, { services: 20, endpoints: 2 })
  const { metadata } = await listOf(url + slicesPath)
  const watch = await openWatch(t, url + slicesPath, { resourceVersion: metadata.resourceVersion })
  const startMs = monotonicMs()
  const changes = await control<WrittenChange[]>(url, 'POST', 'load', { ratePerSecond: 100, changes: 30 })
  const endMs = monotonicMs()
  assert.equal(changes.length, 30)
  assert.equal(new Set(changes.map(({ address }) => address)).size, 30)
  assert.ok(new Set(changes.map(({ service }) => service)).size >= 10)
  const times = changes.map(({ writtenAtMs }) => writtenAtMs)
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  )
  assert.ok((times[0] ?? 0) >= startMs && (times.at(-1) ?? 0) <= endMs)
  assert.ok((times.at(-1) ?? 0) - (times[0] ?? 0) >= 280)
  const events = await watch.take(30)
  assert.deepEqual(
    events.map((event) => event?.object.endpoints?.at(-1)?.addresses[0]),
    changes.map(({ address }) => address),
  )
})

test('events are accepted, in whatever encoding, and counted', async (t) => {
  const url = await startServer(t, { services: 1, endpoints: 1 })
  const protobuf = 'application/vnd.kubernetes.protobuf'
  const post = (path: string, method: string, type: string): Promise<Response> =>
    fetch(url + path, { method, headers: { 'Content-Type': type }, body: '{}' })
  const created = await post('/apis/events.k8s.io/v1/namespaces/default/events', 'POST', protobuf)
  assert.deepEqual([created.status, created.headers.get('content-type')], [201, protobuf])
  assert.equal((await post('/api/v1/namespaces/default/events', 'POST', 'application/json')).status, 201)
  const patch = 'application/strategic-merge-patch+json'
  assert.equal((await post('/apis/events.k8s.io/v1/namespaces/default/events/a', 'PATCH', patch)).status, 200)
  const { requests } = await getJson<ServerStatistics>(`${url}/bench/statistics`)
  assert.deepEqual(requests, {
    'create events.events.k8s.io': 1,
    'create events': 1,
    'update events.events.k8s.io': 1,
  })
})

test('the statistics count objects, bytes, requests and open watches', async (t) => {
  const url = await startServer(t, { services: 3, endpoints: 1 })
  const startMs = monotonicMs()
  const bytes = (await (await fetch(url + servicesPath)).arrayBuffer()).byteLength
  const watch = await openWatch(t, url + slicesPath, {})
  await watch.take(3)
  const statistics = await getJson<ServerStatistics>(`${url}/bench/statistics`)
  assert.equal(statistics.objectsSent, 6)
  assert.ok(statistics.bytesSent > bytes)
  assert.deepEqual(statistics.requests, { 'list services': 1, 'watch endpointslices': 1 })
  assert.deepEqual(statistics.watches, { endpointslices: 1 })
  const { 'list services': listedAtMs = 0, 'watch endpointslices': watchedAtMs = 0 } = statistics.requestedAtMs
  assert.ok(startMs < listedAtMs && listedAtMs < watchedAtMs && watchedAtMs < monotonicMs())
  assert.ok(statistics.cpuMs > 0)
})

test('a change that cannot be made is refused', async (t) => {
  const url = await startServer(t, { services: 1, endpoints: 0 })
  for (const [method, path, body, status] of [
    ['POST', 'services/9/endpoints', '{"action":"add"}', 404],
    ['POST', 'services/0/endpoints', '{"action":"remove"}', 404],
    ['POST', 'services/0/endpoints', '{"action":"paint"}', 400],
    ['POST', 'services/0/endpoints', 'no JSON', 400],
    ['POST', 'load', '{"ratePerSecond":0,"changes":1}', 400],
    ['DELETE', 'services/9', null, 404],
    ['GET', 'nothing', null, 404],
  ] as const) {
    const response = await fetch(`${url}/bench/${path}`, { method, body })
    assert.equal(response.status, status, `${method} ${path} ${body}`)
  }
})
