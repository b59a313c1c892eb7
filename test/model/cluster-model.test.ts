import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import type { EndpointSlice, Service, ServiceCIDR } from '../../src/kube/types.ts'
import { formatWarning } from '../../src/kube/types.ts'
import { ClusterModel } from '../../src/model/cluster-model.ts'
import type { Family } from '../../src/model/ip.ts'
import { dualStackService, nodeName, service, slice, sliceEndpoint } from './fixtures.ts'

type Told = Service | EndpointSlice

/** Has a TCP port only. */
const other = service({ clusterIPs: ['172.30.0.42'] }, { name: 'web' })

function model(family: Family = 'IPv4'): ClusterModel {
  return new ClusterModel({ family, nodeName, processStartMs: 0 })
}

function serviceCidr(name: string, ...cidrs: string[]): ServiceCIDR {
  return { kind: 'ServiceCIDR', metadata: { namespace: '', name }, spec: { cidrs } }
}

test('the Services concerned are those whose ports or endpoints changed', () => {
  const cluster = model()
  cluster.setService(service())
  cluster.setEndpointSlice(slice({ name: 'till-1', service: 'till' }))
  assert.deepEqual(cluster.takeChanges().services, new Set(['shop/cart', 'shop/till']))
  assert.deepEqual(cluster.takeChanges().services, new Set())
  cluster.deleteService('shop', 'cart')
  cluster.deleteEndpointSlice('shop', 'till-1')
  assert.deepEqual(cluster.takeChanges().services, new Set(['shop/cart', 'shop/till']))
  assert.deepEqual([...cluster.serviceKeys()], [])
})

test('external IPs mean nothing where they are not used', () => {
  const object = service({ externalIPs: ['192.0.2.7'] })
  for (const usesExternalIps of [true, false]) {
    const cluster = new ClusterModel({ family: 'IPv4', nodeName, processStartMs: 0, usesExternalIps })
    cluster.setService(object)
    cluster.takeChanges()
    assert.deepEqual(cluster.servicePorts('shop/cart')[0]?.externalIps, usesExternalIps ? ['192.0.2.7'] : [])
  }
})

describe('UDP flows may be stale', () => {
  const udp = { name: 'dns', protocol: 'UDP', port: 53 } as const
  const slicePorts = [{ name: 'dns', protocol: 'UDP', port: 5353 }] as const
  const withUdp = service({ ports: [udp] })
  const endpoints = slice({ ports: slicePorts, endpoints: [sliceEndpoint('10.180.0.1')] })

  const cases: readonly [title: string, before: readonly Told[], change: (cluster: ClusterModel) => void, boolean][] = [
    ['when a Service with a UDP port comes', [], (cluster) => cluster.setService(withUdp), true],
    ['when it goes', [withUdp], (cluster) => cluster.deleteService('shop', 'cart'), true],
    ['when it loses the port', [withUdp], (cluster) => cluster.setService(service()), true],
    [
      'when it loses an address',
      [service({ ports: [udp], externalIPs: ['1.2.3.4'] })],
      (cluster) => cluster.setService(withUdp),
      true,
    ],
    ['when endpoints of a UDP port come', [withUdp], (cluster) => cluster.setEndpointSlice(endpoints), true],
    [
      'when they go',
      [withUdp, endpoints],
      (cluster) => cluster.deleteEndpointSlice('shop', endpoints.metadata.name),
      true,
    ],
    ['not when nothing changes', [withUdp, endpoints], (cluster) => cluster.setService(withUdp), false],
    ['not when a Service without UDP changes', [withUdp, endpoints], (cluster) => cluster.setService(other), false],
    [
      'not when its endpoints do',
      [withUdp, endpoints, other],
      (cluster) => cluster.setEndpointSlice(slice({ name: 'web-1', service: 'web' })),
      false,
    ],
  ]
  for (const [title, before, change, expected] of cases) {
    test(title, () => {
      const cluster = model()
      for (const object of before) {
        if (object.kind === 'Service') cluster.setService(object)
        else cluster.setEndpointSlice(object)
      }
      cluster.takeChanges()
      change(cluster)
      assert.equal(cluster.takeChanges().isConntrackCleanupNeeded, expected)
      assert.equal(cluster.takeChanges().isConntrackCleanupNeeded, false)
    })
  }
})

test('each family sees its own part of a dual-stack cluster', () => {
  for (const [family, address] of [
    ['IPv4', '10.180.0.1'],
    ['IPv6', 'fd00:10:180::1'],
  ] as const) {
    const cluster = model(family)
    cluster.setService(dualStackService())
    cluster.setEndpointSlice(slice({ name: 'cart-4', endpoints: [sliceEndpoint('10.180.0.1')] }))
    cluster.setEndpointSlice(
      slice({ name: 'cart-6', addressType: 'IPv6', endpoints: [sliceEndpoint('fd00:10:180::1')] }),
    )
    cluster.takeChanges()
    assert.equal(cluster.family, family)
    assert.deepEqual(
      [...cluster.endpoints('shop/cart').values()].flat().map(({ ip }) => ip),
      [address],
    )
    assert.equal(cluster.servicePorts('shop/cart').length, 1)
  }
})

test('redelivery of identical content needs no sync', () => {
  const cluster = model()
  cluster.setService(service())
  cluster.setEndpointSlice(slice({ endpoints: [sliceEndpoint('10.180.0.1')] }))
  cluster.takeChanges()
  assert.equal(cluster.setService(service()), false)
  assert.equal(cluster.setEndpointSlice(slice({ endpoints: [sliceEndpoint('10.180.0.1')] })), false)
  assert.deepEqual(cluster.counters, {
    serviceChangesTotal: 2,
    serviceChangesPending: 0,
    endpointChangesTotal: 2,
    endpointChangesPending: 0,
  })
})

test('warnings of all kinds of objects come with the changes, once', () => {
  const cluster = model()
  cluster.setService(service({ externalIPs: ['1.2.3'] }))
  cluster.setEndpointSlice(slice({ endpoints: [sliceEndpoint('10.180.0')] }))
  cluster.setServiceCidr(serviceCidr('kubernetes', '172.30.0.0'))
  assert.deepEqual(cluster.takeChanges().warnings.map(formatWarning), [
    'Service shop/cart: spec.externalIPs[0]: "1.2.3" is not an IP address',
    'EndpointSlice shop/cart-1: endpoints[0].addresses[0]: "10.180.0" is not an IPv4 address',
    'ServiceCIDR kubernetes: spec.cidrs[0]: "172.30.0.0" is not an IP address range',
  ])
  assert.deepEqual(cluster.takeChanges().warnings, [])
})

describe('the local ready endpoints of a Service', () => {
  const unready = { ready: false, serving: true, terminating: false }
  const local = (address: string, conditions = {}): ReturnType<typeof sliceEndpoint> =>
    sliceEndpoint(address, { nodeName, conditions })
  const three = [local('10.180.0.1'), local('10.180.0.2'), local('10.180.0.3')]
  const remote = sliceEndpoint('10.180.1.1', { nodeName: 'node-2' })
  const twoPorts = [
    { name: 'http', port: 80 },
    { name: 'https', port: 443 },
  ]

  const counts: [string, EndpointSlice, number][] = [
    ['ready addresses on this Node', slice({ endpoints: [...three, local('10.180.0.4', unready), remote] }), 3],
    ['none that is not ready', slice({ endpoints: [local('10.180.0.1', unready)] }), 0],
    [
      'none that is only terminating',
      slice({ endpoints: [local('10.180.0.1', { ...unready, terminating: true })] }),
      0,
    ],
    ['an address on two ports once', slice({ endpoints: [local('10.180.0.1')], ports: twoPorts }), 1],
    ['none of a Service without endpoints', slice(), 0],
  ]
  for (const [title, object, count] of counts) {
    test(`count ${title}`, () => {
      const cluster = model()
      cluster.setEndpointSlice(object)
      cluster.takeChanges()
      assert.equal(cluster.localReadyEndpoints('shop/cart'), count)
    })
  }
})

describe('ServiceCIDRs', () => {
  test('of all objects are put together; a range stays as long as one object has it', () => {
    const cluster = model()
    assert.equal(cluster.setServiceCidr(serviceCidr('kubernetes', '172.30.0.0/16', 'fd00:10:96::/112')), true)
    assert.equal(cluster.setServiceCidr(serviceCidr('more', '172.50.0.0/16', '172.30.0.0/16')), true)
    assert.deepEqual(cluster.serviceCidrs, ['172.30.0.0/16', '172.50.0.0/16'])
    assert.equal(cluster.deleteServiceCidr('kubernetes'), false)
    assert.deepEqual(cluster.serviceCidrs, ['172.30.0.0/16', '172.50.0.0/16'])
    assert.equal(cluster.deleteServiceCidr('more'), true)
    assert.deepEqual(cluster.serviceCidrs, [])
  })

  test('change the list only when another range is added', () => {
    const cluster = model()
    cluster.setServiceCidr(serviceCidr('kubernetes', '172.30.0.0/16'))
    assert.equal(cluster.setServiceCidr(serviceCidr('part', '172.30.9.0/24')), false)
    assert.equal(cluster.setServiceCidr(serviceCidr('other-family', 'fd00:10:96::/112')), false)
    assert.equal(cluster.deleteServiceCidr('unknown'), false)
    assert.deepEqual(cluster.takeChanges().services, new Set())
  })
})

describe('any history', () => {
  const name = fc.constantFrom('cart', 'till')
  const services: fc.Arbitrary<Service> = fc
    .tuple(name, fc.integer({ min: 80, max: 82 }), fc.boolean())
    .map(([name, port, isExternal]) =>
      service({ ports: [{ name: 'http', port }], type: isExternal ? 'ExternalName' : 'ClusterIP' }, { name }),
    )
  const slices: fc.Arbitrary<EndpointSlice> = fc
    .tuple(fc.constantFrom('a', 'b', 'c'), name, fc.uniqueArray(fc.nat(3)), fc.boolean())
    .map(([sliceName, service, hosts, isUdp]) =>
      slice({
        name: sliceName,
        service,
        endpoints: hosts.map((host) => sliceEndpoint(`10.180.0.${host}`)),
        ports: [{ name: 'http', port: 80, protocol: isUdp ? 'UDP' : 'TCP' }],
      }),
    )
  const step = fc.oneof(
    services.map((object) => ({ type: 'service', object }) as const),
    slices.map((object) => ({ type: 'slice', object }) as const),
    name.map((name) => ({ type: 'delete service', name }) as const),
    fc.constantFrom('a', 'b', 'c').map((name) => ({ type: 'delete slice', name }) as const),
    fc.constant({ type: 'take' } as const),
  )

  const keys = ['shop/cart', 'shop/till'] as const

  function read(cluster: ClusterModel, key: (typeof keys)[number]): unknown {
    return { ports: cluster.servicePorts(key), endpoints: cluster.endpoints(key) }
  }

  test('leads to the same as the objects that are left, and tells every Service that differs', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const cluster = model()
        const servicesLeft = new Map<string, Service>()
        const slicesLeft = new Map<string, EndpointSlice>()
        for (const one of steps) {
          const before = keys.map((key) => read(cluster, key))
          if (one.type === 'service') {
            cluster.setService(one.object)
            servicesLeft.set(one.object.metadata.name, one.object)
          } else if (one.type === 'slice') {
            cluster.setEndpointSlice(one.object)
            slicesLeft.set(one.object.metadata.name, one.object)
          } else if (one.type === 'delete service') {
            cluster.deleteService('shop', one.name)
            servicesLeft.delete(one.name)
          } else if (one.type === 'delete slice') {
            assert.equal(cluster.deleteEndpointSlice('shop', one.name), slicesLeft.delete(one.name))
          } else {
            const { services } = cluster.takeChanges()
            const differing = keys.filter((key, index) => !isDeepStrictEqual(read(cluster, key), before[index]))
            assert.ok(differing.every((key) => services.has(key)))
          }
        }
        cluster.takeChanges()
        const fresh = model()
        for (const object of servicesLeft.values()) fresh.setService(object)
        for (const object of slicesLeft.values()) fresh.setEndpointSlice(object)
        fresh.takeChanges()
        for (const key of keys) assert.deepEqual(read(cluster, key), read(fresh, key))
        assert.deepEqual(new Set(cluster.serviceKeys()), new Set(fresh.serviceKeys()))
      }),
    )
  })
})
