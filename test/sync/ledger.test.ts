import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EndpointSlice, KubeObject, Service, SliceEndpoint } from '../../src/kube/types.ts'
import { nodeName, service, slice, sliceEndpoint } from '../model/fixtures.ts'
import { createProxy, type Proxy, serviceCidr } from './proxy.ts'

/** As many ready endpoints on other Nodes, from number `first` on. */
function remote(count: number, first = 0): SliceEndpoint[] {
  return Array.from({ length: count }, (_, index) =>
    sliceEndpoint(`10.180.${(first + index) >> 8}.${(first + index) & 255}`),
  )
}

/** The lines of the last transaction that are about one set. */
function linesOf(proxy: Proxy, set: string): string[] {
  return proxy.lastLines().filter((line) => line.split(' ')[1] === set)
}

const isElementLine = (line: string): boolean => !/^\w+ (table|chain|rule|set|map) /.test(line)

describe('an endpoint of a hundred', () => {
  const all = remote(100)
  const changes: readonly [title: string, after: readonly SliceEndpoint[], atMost: number][] = [
    ['that comes first is at most three elements', [sliceEndpoint('10.179.0.1'), ...all], 3],
    ['that comes last is at most three elements', [...all, sliceEndpoint('10.190.0.1')], 3],
    ['and first goes is at most five elements', all.slice(1), 5],
    ['and last goes is at most five elements', all.slice(0, -1), 5],
    ['in the middle that goes is at most five elements', all.toSpliced(50, 1), 5],
    ['that is replaced by another is two elements', all.toSpliced(50, 1, sliceEndpoint('10.190.0.1')), 2],
    ['whose order alone changes is no element', all.toReversed(), 0],
  ]
  for (const [title, after, atMost] of changes) {
    test(title, async () => {
      const proxy = createProxy()
      await proxy.sync(service(), slice({ endpoints: all }))
      const { elementsAdded, elementsRemoved } = await proxy.sync(slice({ endpoints: after }))
      const sent = elementsAdded + elementsRemoved
      assert.ok(sent <= atMost, `${sent} elements`)
      assert.equal(proxy.lastLines().filter(isElementLine).length, sent)
    })
  }

  test('is counted when it comes, stays or goes', async () => {
    const proxy = createProxy()
    const first = await proxy.sync(service(), slice({ endpoints: all }))
    assert.deepEqual([first.endpointsAdded, first.endpointsRemoved], [100, 0])
    const second = await proxy.sync(slice({ endpoints: remote(98, 5) }))
    assert.deepEqual([second.endpointsAdded, second.endpointsRemoved], [3, 5])
  })
})

describe('two Services with one cluster IP and port', () => {
  const old = service({}, { name: 'old', creationTimestamp: '2026-01-01T00:00:00Z' })
  const young = service({}, { name: 'young', creationTimestamp: '2026-02-01T00:00:00Z' })
  const slices = [
    slice({ name: 'old-1', service: 'old', endpoints: [sliceEndpoint('10.180.0.1')] }),
    slice({ name: 'young-1', service: 'young', endpoints: [sliceEndpoint('10.180.0.2')] }),
  ]
  const servedByOld = ['add service-ips 172.30.0.41 . tcp . 80 comment "shop/old:http" : goto pick-tcp-1']
  const servedByYoung = ['add service-ips 172.30.0.41 . tcp . 80 comment "shop/young:http" : goto pick-tcp-1']

  for (const [order, ...services] of [
    ['the older first', old, young],
    ['the younger first', young, old],
  ] as const) {
    test(`are served as the older one says and the younger is reported (${order})`, async () => {
      const proxy = createProxy()
      const { warnings } = await proxy.sync(...services, ...slices)
      assert.deepEqual(linesOf(proxy, 'service-ips'), servedByOld)
      assert.deepEqual(linesOf(proxy, 'endpoints-tcp'), ['add endpoints-tcp 172.30.0.41 . 80 . 0 : 10.180.0.1 . 8080'])
      assert.deepEqual(warnings, [
        {
          object: 'Service shop/young',
          field: 'spec.clusterIP',
          message:
            '172.30.0.41:80/tcp belongs to Service shop/old already, which comes first; it is not served from here',
        },
      ])
    })
  }

  test('are served as the older one says also when it comes later', async () => {
    const proxy = createProxy()
    await proxy.sync(young, ...slices)
    const { warnings } = await proxy.sync(old)
    assert.deepEqual(linesOf(proxy, 'service-ips'), [servedByYoung[0]?.replace('add', 'delete'), ...servedByOld])
    assert.equal(warnings[0]?.object, 'Service shop/young')
  })

  const winnerGoes: readonly [title: string, change: (proxy: Proxy) => void][] = [
    ['is deleted', (proxy) => proxy.delete(old)],
    ['gets another cluster IP', (proxy) => proxy.set(service({ clusterIPs: ['172.30.0.42'] }, old.metadata))],
    ['gets another port', (proxy) => proxy.set(service({ ports: [{ name: 'http', port: 81 }] }, old.metadata))],
    [
      'is made anew, younger',
      (proxy) => proxy.set(service({}, { ...old.metadata, creationTimestamp: '2026-03-01T00:00:00Z' })),
    ],
  ]
  for (const [title, change] of winnerGoes) {
    test(`are served as the other one says in the same change in which the older ${title}`, async () => {
      const proxy = createProxy()
      await proxy.sync(old, young, ...slices)
      change(proxy)
      await proxy.sync()
      const atFrontend = linesOf(proxy, 'service-ips').filter((line) => line.includes('172.30.0.41 . tcp . 80 '))
      assert.deepEqual(atFrontend, [servedByOld[0]?.replace('add', 'delete'), ...servedByYoung])
    })
  }

  test('are no conflict any more when the younger goes', async () => {
    const proxy = createProxy()
    await proxy.sync(old, young, ...slices)
    proxy.delete(young)
    const { warnings } = await proxy.sync()
    assert.deepEqual(warnings, [])
    assert.deepEqual(proxy.lastLines(), [])
  })

  test('of one age are served as the first by namespace and name says', async () => {
    const proxy = createProxy()
    const { warnings } = await proxy.sync(
      service({}, { namespace: 'shop', name: 'b' }),
      service({}, { namespace: 'shop', name: 'a' }),
      service({}, { namespace: 'market', name: 'z' }),
    )
    assert.deepEqual(linesOf(proxy, 'no-endpoint-services'), [
      'add no-endpoint-services 172.30.0.41 . tcp . 80 comment "market/z:http" : goto reject-chain',
    ])
    assert.deepEqual(
      warnings.map(({ object }) => object),
      ['Service shop/a', 'Service shop/b'],
    )
  })

  test('are served as the one of known age says', async () => {
    const proxy = createProxy()
    await proxy.sync(service({}, { name: 'ageless' }), young, ...slices)
    assert.deepEqual(linesOf(proxy, 'service-ips'), servedByYoung)
  })
})

test('a Service that names a port twice has the first, and no element twice', async () => {
  const proxy = createProxy()
  const ports = [
    { name: 'http', port: 80 },
    { name: 'web', port: 80 },
  ]
  await proxy.sync(service({ ports }), slice({ endpoints: remote(2) }))
  assert.deepEqual(linesOf(proxy, 'service-ips'), [
    'add service-ips 172.30.0.41 . tcp . 80 comment "shop/cart:http" : goto pick-tcp-2',
  ])
  assert.deepEqual(linesOf(proxy, 'no-endpoint-services'), [])
  const { warnings } = await proxy.sync(slice({ endpoints: remote(3) }))
  assert.deepEqual(warnings, [])
  assert.equal(linesOf(proxy, 'service-ips').length, 2)
})

describe('Services with one cluster IP and different ports', () => {
  const http = service({}, { name: 'web' })
  const https = service({ ports: [{ name: 'https', port: 443 }] }, { name: 'secure' })

  test('are both served, without a warning', async () => {
    const proxy = createProxy()
    const { warnings } = await proxy.sync(http, https)
    assert.deepEqual(warnings, [])
    assert.equal(linesOf(proxy, 'no-endpoint-services').length, 2)
    assert.deepEqual(linesOf(proxy, 'cluster-ips'), ['add cluster-ips 172.30.0.41'])
  })

  test('keep the address among the cluster IPs until the last one goes', async () => {
    const proxy = createProxy()
    await proxy.sync(http)
    await proxy.sync(https)
    assert.deepEqual(linesOf(proxy, 'cluster-ips'), [])
    proxy.delete(http)
    await proxy.sync()
    assert.deepEqual(linesOf(proxy, 'cluster-ips'), [])
    proxy.delete(https)
    await proxy.sync()
    assert.deepEqual(linesOf(proxy, 'cluster-ips'), ['delete cluster-ips 172.30.0.41'])
  })
})

test('Services that share a local endpoint share its hairpin connection until the last one lets go', async () => {
  const endpoints = [sliceEndpoint('10.180.0.1', { nodeName })]
  const sliceOf = (name: string, endpoints: readonly SliceEndpoint[]): EndpointSlice =>
    slice({ name: `${name}-1`, service: name, endpoints })
  const proxy = createProxy()
  await proxy.sync(
    service({}, { name: 'a' }),
    service({ clusterIPs: ['172.30.0.42'] }, { name: 'b' }),
    sliceOf('a', endpoints),
    sliceOf('b', endpoints),
  )
  assert.deepEqual(linesOf(proxy, 'hairpin-connections'), [
    'add hairpin-connections 10.180.0.1 . 10.180.0.1 . tcp . 8080',
  ])
  await proxy.sync(sliceOf('a', []))
  assert.deepEqual(linesOf(proxy, 'hairpin-connections'), [])
  await proxy.sync(sliceOf('b', []))
  assert.deepEqual(linesOf(proxy, 'hairpin-connections'), [
    'delete hairpin-connections 10.180.0.1 . 10.180.0.1 . tcp . 8080',
  ])
})

test('the number of chains and rules is that of fifty Services also for two thousand', async () => {
  const objects = (count: number): KubeObject[] =>
    Array.from({ length: count }, (_, index): KubeObject[] => {
      const name = `s${index}`
      const clusterIP = `172.30.${index >> 8}.${index & 255}`
      return [
        service({ clusterIPs: [clusterIP] }, { name }),
        slice({ name: `${name}-1`, service: name, endpoints: remote(1 + (index % 3), 3 * index) }),
      ]
    }).flat()
  const fixedLines = async (count: number): Promise<readonly string[]> => {
    const proxy = createProxy()
    await proxy.sync(...objects(count))
    return proxy.lastLines().filter((line) => !isElementLine(line))
  }
  assert.deepEqual(await fixedLines(2000), await fixedLines(50))
})

test('what was added for Services is removed with them, and nothing else is', async () => {
  const objects: (Service | EndpointSlice)[] = [
    service({
      ports: [
        { name: 'http', port: 80 },
        { name: 'metrics', port: 9090 },
      ],
    }),
    slice({ endpoints: [...remote(3), sliceEndpoint('10.180.9.9', { nodeName })] }),
    service({ clusterIPs: ['172.30.0.42'], internalTrafficPolicy: 'Local' }, { name: 'till' }),
    slice({ name: 'till-1', service: 'till', endpoints: remote(2) }),
  ]
  const proxy = createProxy()
  await proxy.sync(serviceCidr('kubernetes', '172.30.0.0/16'))
  await proxy.sync(...objects)
  const added = proxy.lastLines().filter(isElementLine)
  proxy.delete(...objects)
  const { services } = await proxy.sync()
  assert.equal(services, 0)
  assert.deepEqual(proxy.lastLines().toSorted(), added.map((line) => line.replace('add', 'delete')).sort())
})

test('only the ranges of cluster IPs are sent when they change', async () => {
  const proxy = createProxy()
  await proxy.sync(service(), slice({ endpoints: remote(3) }), serviceCidr('kubernetes', '172.30.0.0/16'))
  await proxy.sync(serviceCidr('more', '172.31.0.0/16'))
  assert.deepEqual([...new Set(proxy.lastLines().map((line) => line.split(' ')[1]))], ['service-cidrs'])
  await proxy.sync(serviceCidr('more', '172.31.0.0/16', '172.30.8.0/24'))
  assert.deepEqual(proxy.lastLines(), [])
})
