import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ApiSource } from '../../src/kube/api-source.ts'
import { ManualClock } from '../sync/manual-clock.ts'
import { rawService, rawSlice } from './fixtures.ts'
import type { Raw } from './fixtures.ts'
import { showEvent } from './following.ts'
import { plainHttpApi } from './plain-http-api.ts'
import { ScriptedApiServer, until } from './scripted-api-server.ts'

interface Sourced {
  readonly server: ScriptedApiServer
  readonly source: ApiSource
  readonly clock: ManualClock
  readonly stop: AbortController
  /** All that was called so far, in its order. */
  readonly calls: string[]
}

async function sourcing(run: (sourced: Sourced) => Promise<void>): Promise<void> {
  const server = await ScriptedApiServer.start()
  const clock = new ManualClock()
  const stop = new AbortController()
  const calls: string[] = []
  const source = new ApiSource({
    api: plainHttpApi(server.port, clock),
    nodeName: 'node-1',
    clock,
    random: () => 0,
    onChanges: (events) => calls.push(...events.map(showEvent)),
    onSynced: (kind) => calls.push(`${kind} synced`),
    onProblem: ({ severity, message }) => calls.push(`${severity}: ${message}`),
    signal: stop.signal,
  })
  try {
    source.start()
    await run({ server, source, clock, stop, calls })
  } finally {
    source.close()
    await server.close()
  }
  await until(() => clock.scheduled === 0)
  assert.equal(clock.scheduled, 0, 'timers are left')
}

function rawNode(name: string, resourceVersion: string): Raw {
  return { kind: 'Node', apiVersion: 'v1', metadata: { name, resourceVersion }, spec: {}, status: {} }
}

describe('a source', () => {
  test('follows all kinds at the same time and is synced with each when its list has been delivered', async () => {
    await sourcing(async ({ server, source, calls }) => {
      const [services, slices, nodes, cidrs] = await Promise.all(
        ['services', 'endpointslices', 'nodes', 'servicecidrs'].map((plural) => server.next(plural)),
      )
      assert.ok(services && slices && nodes && cidrs)
      assert.deepEqual(
        [services, slices, nodes, cidrs].map(({ path, query }) => [
          path,
          query['labelSelector'],
          query['fieldSelector'],
        ]),
        [
          ['/api/v1/services', '!service.kubernetes.io/service-proxy-name', 'spec.clusterIP!=None'],
          ['/apis/discovery.k8s.io/v1/endpointslices', '!service.kubernetes.io/headless', undefined],
          ['/api/v1/nodes', undefined, 'metadata.name=node-1'],
          ['/apis/networking.k8s.io/v1/servicecidrs', undefined, undefined],
        ],
      )
      nodes.accept().event('ADDED', rawNode('node-2', '4')).event('ADDED', rawNode('node-1', '5')).endOfList('8')
      await until(() => calls.length === 2)
      assert.deepEqual(calls.splice(0), ['node-1@5', 'Node synced'])
      services
        .accept()
        .event('ADDED', rawService({}, { resourceVersion: '6' }))
        .endOfList('8')
      await until(() => calls.length === 2)
      assert.deepEqual(calls.splice(0), ['cart@6', 'Service synced'])
      slices
        .accept()
        .event('ADDED', rawSlice({}, { resourceVersion: '7' }))
        .endOfList('8')
      await until(() => calls.length === 2)
      assert.deepEqual(calls.splice(0), ['cart-1@7', 'EndpointSlice synced'])
      cidrs.accept().endOfList('8')
      await until(() => calls.length === 1)
      assert.deepEqual(calls.splice(0), ['ServiceCIDR synced'])
      nodes.event('MODIFIED', rawNode('node-2', '9')).event('DELETED', rawNode('node-2', '10'))
      nodes.event('MODIFIED', rawNode('node-1', '11'))
      await until(() => calls.length === 1)
      assert.deepEqual(calls, ['node-1@11'])
      const { Service, Node } = source.status
      assert.deepEqual(
        [Service.objects, Service.resourceVersion, Node.objects, Node.resourceVersion, Node.isConnected],
        [1, '8', 1, '11', true],
      )
    })
  })

  test('takes a server without ServiceCIDRs for one that has none, says so once, and asks again every 5 minutes', async () => {
    await sourcing(async ({ server, source, clock, calls }) => {
      const first = await server.next('servicecidrs')
      first.refuse(404, 'NotFound')
      await until(() => calls.length === 2)
      assert.deepEqual(calls.splice(0), [
        'info: servicecidrs: the API server has none of networking.k8s.io/v1; asked again every 5 min',
        'ServiceCIDR synced',
      ])
      // The other kinds shall not time out meanwhile.
      for (const plural of ['services', 'endpointslices', 'nodes']) (await server.next(plural)).accept().endOfList('1')
      await until(() => calls.length === 3)
      calls.splice(0)
      const arrivals = server.arrivals
      await clock.goTo(299_999)
      assert.equal(server.arrivals, arrivals)
      await clock.goTo(300_000)
      const second = await server.next('servicecidrs')
      second.refuse(404, 'NotFound')
      await until(() => source.status.ServiceCIDR.lastError !== undefined && clock.scheduled === 4)
      await clock.goTo(600_000)
      const third = await server.next('servicecidrs')
      const cidr = { metadata: { name: 'kubernetes', resourceVersion: '3' }, spec: { cidrs: ['10.96.0.0/16'] } }
      third
        .accept()
        .event('ADDED', { kind: 'ServiceCIDR', apiVersion: 'networking.k8s.io/v1', ...cidr })
        .endOfList('9')
      await until(() => calls.includes('kubernetes@3'))
      assert.deepEqual(
        calls.filter((call) => call.includes('servicecidrs') || call.includes('@')),
        ['kubernetes@3'],
      )
      assert.equal(source.status.ServiceCIDR.isConnected, true)
    })
  })

  test('ends its requests and tells nothing more when its signal is aborted', async () => {
    await sourcing(async ({ server, stop, calls }) => {
      const services = await server.next('services')
      services.accept().event('ADDED', rawService({}, { resourceVersion: '6' }))
      await until(() => calls.length === 1)
      stop.abort()
      await services.closed
      assert.deepEqual(calls, ['cart@6'])
    })
  })
})
