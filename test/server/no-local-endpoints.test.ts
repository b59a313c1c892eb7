import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServiceSpec, SliceEndpoint } from '../../src/kube/types.ts'
import { ClusterModel } from '../../src/model/cluster-model.ts'
import { type NoLocalEndpoints, NoLocalEndpointsCount } from '../../src/server/no-local-endpoints.ts'
import { nodeName, service, slice, sliceEndpoint } from '../model/fixtures.ts'

const internal: Partial<ServiceSpec> = { internalTrafficPolicy: 'Local' }
const external: Partial<ServiceSpec> = {
  type: 'NodePort',
  externalTrafficPolicy: 'Local',
  ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30_080 }],
}
const both = { ...internal, ...external }

const here = [sliceEndpoint('10.180.0.1', { nodeName })]
const elsewhere = [sliceEndpoint('10.180.1.1', { nodeName: 'node-2' })]
const draining = { ready: false, serving: true, terminating: true }
const drainingHere = [sliceEndpoint('10.180.0.1', { nodeName, conditions: draining })]
const drainingElsewhere = [sliceEndpoint('10.180.1.1', { nodeName: 'node-2', conditions: draining })]
const unready = [sliceEndpoint('10.180.1.1', { nodeName: 'node-2', conditions: { ready: false } })]

const cases: readonly [string, Partial<ServiceSpec>, string, readonly SliceEndpoint[], number, number][] = [
  ['internal', internal, 'here', here, 0, 0],
  ['external', external, 'here', here, 0, 0],
  ['both', both, 'here', here, 0, 0],
  ['internal', internal, 'elsewhere', elsewhere, 1, 0],
  ['external', external, 'elsewhere', elsewhere, 0, 1],
  ['both', both, 'elsewhere', elsewhere, 1, 1],
  ['both', both, 'nowhere', [], 0, 0],
  ['both', both, 'nowhere, but there are unready ones', unready, 0, 0],
  ['both', both, 'here, terminating', [...drainingHere, ...elsewhere], 0, 0],
  ['both', both, 'elsewhere, terminating', drainingElsewhere, 1, 1],
  ['neither', {}, 'elsewhere', elsewhere, 0, 0],
  ['external', { ...external, ports: [{ name: 'http', port: 80 }] }, 'elsewhere, for nobody outside', elsewhere, 0, 0],
]

for (const [policies, spec, where, endpoints, internal, external] of cases) {
  test(`policy Local for ${policies}, endpoints ${where}: internal ${internal}, external ${external}`, () => {
    const { model, total } = counted()
    model.setService(service(spec))
    model.setEndpointSlice(slice({ endpoints }))
    assert.deepEqual(total(), { internal, external })
  })
}

test('each port of a Service counts by itself', () => {
  const { model, total } = counted()
  const [http, admin] = [
    { name: 'http', port: 80 },
    { name: 'admin', port: 81 },
  ]
  model.setService(service({ ...internal, ports: [http, admin] }))
  model.setEndpointSlice(slice({ endpoints: elsewhere, ports: [http, admin] }))
  assert.deepEqual(total(), { internal: 2, external: 0 })
})

test('the count follows Services as their endpoints and policies change and as they go', () => {
  const { model, total } = counted()
  for (const name of ['cart', 'till']) {
    model.setService(service(internal, { name }))
    model.setEndpointSlice(slice({ name: `${name}-1`, service: name, endpoints: elsewhere }))
  }
  assert.deepEqual(total(), { internal: 2, external: 0 })
  model.setEndpointSlice(slice({ endpoints: [...elsewhere, ...here] }))
  assert.deepEqual(total(), { internal: 1, external: 0 })
  model.setService(service(external, { name: 'till' }))
  assert.deepEqual(total(), { internal: 0, external: 1 })
  model.deleteService('shop', 'till')
  model.deleteEndpointSlice('shop', 'cart-1')
  assert.deepEqual(total(), { internal: 0, external: 0 })
})

/** An empty model, and the count after it has been told what changed. */
function counted(): { readonly model: ClusterModel; readonly total: () => NoLocalEndpoints } {
  const model = new ClusterModel({ family: 'IPv4', nodeName, processStartMs: 0 })
  const count = new NoLocalEndpointsCount(model)
  const total = (): NoLocalEndpoints => {
    count.update(model.takeChanges().services)
    return count.total
  }
  return { model, total }
}
