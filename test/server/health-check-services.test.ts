import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServiceSpec } from '../../src/kube/types.ts'
import { ClusterModel } from '../../src/model/cluster-model.ts'
import { HealthCheckServices } from '../../src/server/health-check-services.ts'
import { nodeName, service, slice, sliceEndpoint } from '../model/fixtures.ts'

const loadBalancer: Partial<ServiceSpec> = {
  type: 'LoadBalancer',
  externalTrafficPolicy: 'Local',
  healthCheckNodePort: 32_000,
}

const here = (...addresses: string[]) => addresses.map((address) => sliceEndpoint(address, { nodeName }))

test('a load balancer with policy Local has its port and the number of its ready endpoints on this Node', () => {
  const { model, told } = healthCheckServices()
  model.setService(service(loadBalancer))
  model.setService(service({}, { name: 'other' }))
  const elsewhere = sliceEndpoint('10.180.1.1', { nodeName: 'node-2' })
  model.setEndpointSlice(slice({ endpoints: [...here('10.180.0.1', '10.180.0.2'), elsewhere] }))
  model.setEndpointSlice(slice({ name: 'other-1', service: 'other', endpoints: here('10.180.0.3') }))
  assert.deepEqual(told(), { ports: [['shop/cart', 32_000]], counts: [['shop/cart', 2]] })
})

test('ports and counts follow changes, and a Service that needs no health check any more is left out', () => {
  const { model, told } = healthCheckServices()
  model.setService(service(loadBalancer))
  assert.deepEqual(told(), { ports: [['shop/cart', 32_000]], counts: [['shop/cart', 0]] })
  model.setEndpointSlice(slice({ endpoints: here('10.180.0.1') }))
  assert.deepEqual(told(), { ports: [['shop/cart', 32_000]], counts: [['shop/cart', 1]] })
  model.setService(service({ ...loadBalancer, healthCheckNodePort: 32_001 }))
  assert.deepEqual(told(), { ports: [['shop/cart', 32_001]], counts: [['shop/cart', 1]] })
  model.setService(service({ ...loadBalancer, externalTrafficPolicy: 'Cluster' }))
  assert.deepEqual(told(), { ports: [], counts: [] })
})

test('a Service that is deleted is left out', () => {
  const { model, told } = healthCheckServices()
  model.setService(service(loadBalancer))
  told()
  model.deleteService('shop', 'cart')
  assert.deepEqual(told(), { ports: [], counts: [] })
})

/** An empty model, and what is known of its health checks after it has been told what changed. */
function healthCheckServices(): { readonly model: ClusterModel; readonly told: () => unknown } {
  const model = new ClusterModel({ family: 'IPv4', nodeName, processStartMs: 0 })
  const services = new HealthCheckServices(model)
  const told = (): unknown => {
    services.update(model.takeChanges().services)
    return { ports: [...services.ports], counts: [...services.counts] }
  }
  return { model, told }
}
