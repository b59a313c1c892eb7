import assert from 'node:assert/strict'
import { test } from 'node:test'
import { selectors } from '../../src/kube/selectors.ts'
import { decodeObjects } from '../../src/kube/decode.ts'
import {
  control,
  getJson,
  listOf,
  nodesPath,
  type RawList,
  type RawObject,
  serviceCidrsPath,
  servicesPath,
  slicesPath,
  startServer,
} from './running-server.ts'

const names = ({ items }: RawList): string[] => items.map(({ metadata }) => metadata.name)

for (const isMixed of [false, true]) {
  test(`every object of a ${isMixed ? 'mixed' : 'plain'} cluster decodes without a warning`, async (t) => {
    const url = await startServer(t, { services: 40, endpoints: 3, isMixed })
    for (const [path, count] of [
      [servicesPath, 40],
      [slicesPath, 40],
      [nodesPath, 100],
      [serviceCidrsPath, 1],
    ] as const) {
      const decoded = decodeObjects(await listOf(url + path))
      assert.deepEqual(
        decoded.flatMap(({ warnings }) => warnings),
        [],
      )
      assert.equal(decoded.filter(({ object }) => object !== undefined).length, count, path)
    }
  })
}

test('a mixed cluster has Services of all kinds, and no two share a node port', async (t) => {
  const url = await startServer(t, { services: 200, endpoints: 1, isMixed: true })
  const services = decodeObjects(await listOf(url + servicesPath)).flatMap(({ object }) =>
    object?.kind === 'Service' ? [object.spec] : [],
  )
  const count = (isCounted: (spec: (typeof services)[number]) => boolean): number => services.filter(isCounted).length
  assert.equal(
    count(({ type }) => type === 'NodePort'),
    40,
  )
  assert.equal(
    count(({ type, externalTrafficPolicy }) => type === 'LoadBalancer' && externalTrafficPolicy === 'Local'),
    30,
  )
  assert.equal(
    count(({ sessionAffinity }) => sessionAffinity === 'ClientIP'),
    10,
  )
  const ports = services.flatMap(({ ports = [], healthCheckNodePort }) => [ports[0]?.nodePort, healthCheckNodePort])
  const used = ports.filter((port) => port !== undefined && port !== 0)
  assert.equal(new Set(used).size, 100)
})

test('a Service of 250 endpoints has three slices of 100, 100 and 50', async (t) => {
  const url = await startServer(t, { services: 2, endpoints: 250 })
  const { items } = await listOf(url + slicesPath)
  assert.deepEqual(
    items.map(({ endpoints }) => endpoints?.length),
    [100, 100, 50, 100, 100, 50],
  )
  const addresses = items.flatMap(({ endpoints = [] }) => endpoints.map(({ addresses }) => addresses[0]))
  assert.equal(new Set(addresses).size, 500)
  assert.equal(new Set(items.map(({ metadata }) => metadata.name)).size, 6)
})

test('the selectors that a proxy sends let all objects through', async (t) => {
  const url = await startServer(t, { services: 5, endpoints: 1 })
  assert.equal((await listOf(url + servicesPath, selectors.Service)).items.length, 5)
  assert.equal((await listOf(url + slicesPath, selectors.EndpointSlice)).items.length, 5)
  assert.deepEqual(names(await listOf(url + nodesPath, { fieldSelector: 'metadata.name=node-7' })), ['node-7'])
})

test('selectors leave out what they do not select', async (t) => {
  const url = await startServer(t, { services: 5, endpoints: 1 })
  for (const [query, expected] of [
    [{ labelSelector: 'app.kubernetes.io/instance=app-3' }, ['app-3']],
    [{ labelSelector: 'app.kubernetes.io/instance in (app-1, app-2),helm.sh/chart' }, ['app-1', 'app-2']],
    [{ labelSelector: 'app.kubernetes.io/instance notin (app-1,app-2,app-3)' }, ['app-0', 'app-4']],
    [{ labelSelector: 'app.kubernetes.io/instance!=app-3' }, ['app-0', 'app-1', 'app-2', 'app-4']],
    [{ labelSelector: '!helm.sh/chart' }, []],
    [{ fieldSelector: 'metadata.namespace=bench,spec.clusterIP=10.96.0.1' }, ['app-0']],
    [{ fieldSelector: 'spec.type!=ClusterIP' }, []],
  ] as const) {
    assert.deepEqual(names(await listOf(url + servicesPath, query)), expected, JSON.stringify(query))
  }
})

test('pages together are the list, under one resource version', async (t) => {
  const url = await startServer(t, { services: 7, endpoints: 1 })
  const whole = await listOf(url + servicesPath)
  const pages: RawList[] = []
  for (let token: string | undefined = ''; token !== undefined; token = pages.at(-1)?.metadata.continue) {
    pages.push(await listOf(url + servicesPath, { limit: '3', ...(token !== '' && { continue: token }) }))
  }
  assert.deepEqual(
    pages.map(({ items }) => items.length),
    [3, 3, 1],
  )
  assert.deepEqual(pages.flatMap(names), names(whole))
  assert.deepEqual(new Set(pages.map(({ metadata }) => metadata.resourceVersion)).size, 1)
})

test('with resourceVersion 0 there are no pages', async (t) => {
  const url = await startServer(t, { services: 7, endpoints: 1 })
  const list = await listOf(url + servicesPath, { limit: '3', resourceVersion: '0' })
  assert.equal(list.items.length, 7)
  assert.equal(list.metadata.continue, undefined)
})

test('a page after the history was forgotten is 410', async (t) => {
  const url = await startServer(t, { services: 7, endpoints: 1 })
  const { metadata } = await listOf(url + servicesPath, { limit: '3' })
  await control(url, 'POST', 'services/0/endpoints', { action: 'add' })
  await control(url, 'POST', 'expire')
  const response = await fetch(`${url}${servicesPath}?limit=3&continue=${metadata.continue}`)
  assert.equal(response.status, 410)
  assert.equal(((await response.json()) as { reason: string }).reason, 'Expired')
})

test('a list larger than a socket takes at once arrives whole', async (t) => {
  const url = await startServer(t, { services: 3000, endpoints: 1 })
  const { items } = await listOf(url + slicesPath)
  assert.equal(items.length, 3000)
  assert.equal(new Set(items.map(({ metadata }) => metadata.resourceVersion)).size, 3000)
})

test('one object and one namespace can be asked for', async (t) => {
  const url = await startServer(t, { services: 3, endpoints: 1 })
  const service = await getJson<RawObject>(`${url}/api/v1/namespaces/bench/services/app-2`)
  assert.equal(service.kind, 'Service')
  assert.equal(service.metadata.name, 'app-2')
  assert.equal((await listOf(`${url}/api/v1/namespaces/other/services`)).items.length, 0)
})

test('what there is not, or cannot be understood, is a Status', async (t) => {
  const url = await startServer(t, { services: 3, endpoints: 1 })
  for (const [path, code, reason] of [
    ['/api/v1/pods', 404, 'NotFound'],
    ['/apis/apps/v1/services', 404, 'NotFound'],
    ['/api/v1/namespaces/bench/services/none', 404, 'NotFound'],
    [`${servicesPath}?labelSelector=a%26b`, 400, 'BadRequest'],
    [`${servicesPath}?limit=few`, 400, 'BadRequest'],
    [`${servicesPath}?resourceVersion=999999`, 504, 'Timeout'],
    [`${servicesPath}?watch=1&sendInitialEvents=true`, 400, 'BadRequest'],
  ] as const) {
    const response = await fetch(url + path)
    const { kind, code: bodyCode, reason: bodyReason } = (await response.json()) as Record<string, unknown>
    assert.deepEqual([response.status, kind, bodyCode, bodyReason], [code, 'Status', code, reason], path)
  }
})

test('a client can find out what the server has', async (t) => {
  const url = await startServer(t, { services: 1, endpoints: 1 })
  const { groups } = await getJson<{ groups: readonly { name: string }[] }>(`${url}/apis`)
  assert.ok(groups.some(({ name }) => name === 'discovery.k8s.io'))
  const { resources } = await getJson<{ resources: readonly { name: string }[] }>(`${url}/api/v1`)
  assert.deepEqual(
    resources.map(({ name }) => name),
    ['services', 'nodes', 'events'],
  )
  assert.equal((await getJson<{ minor: string }>(`${url}/version`)).minor, '36')
  assert.equal(await (await fetch(`${url}/healthz`)).text(), 'ok')
})
