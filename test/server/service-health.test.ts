import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { ServiceKey } from '../../src/server/health-check-services.ts'
import {
  type ServiceHealthFailure,
  type ServiceHealthOptions,
  ServiceHealthServers,
} from '../../src/server/service-health.ts'
import { ip } from '../model/fixtures.ts'
import { ManualClock } from '../sync/manual-clock.ts'
import { ask, freePort, refusal } from './http.ts'

test('counts of unknown Services open nothing', async (context) => {
  const { servers } = serviceHealth(context)
  const port = await freePort()
  await servers.setServices(new Map())
  servers.setCounts(new Map([['a/b', 3]]))
  assert.equal(await refusal(port), 'ECONNREFUSED')
})

test("a Service's port answers 503 before it has endpoints, 200 while it has some", async (context) => {
  const { servers } = serviceHealth(context)
  const port = await freePort()
  await servers.setServices(new Map([['a/b', port]]))
  assert.deepEqual(await statusAndWeight(port), [503, '0'])
  servers.setCounts(new Map([['a/b', 18]]))
  assert.deepEqual(await statusAndWeight(port), [200, '18'])
  servers.setCounts(new Map([['a/b', 0]]))
  assert.deepEqual(await statusAndWeight(port), [503, '0'])
  servers.setCounts(new Map([['a/b', 2]]))
  servers.setCounts(new Map([['a/c', 2]]))
  assert.deepEqual(await statusAndWeight(port), [503, '0'])
  await servers.setServices(new Map())
  assert.equal(await refusal(port), 'ECONNREFUSED')
})

test('the answer to any path and method is indented with tabs', async (context) => {
  const { servers } = serviceHealth(context)
  const port = await freePort()
  await servers.setServices(new Map([['a/b', port]]))
  servers.setCounts(new Map([['a/b', 18]]))
  const { headers, body } = await ask(port, '/any/path?x', { method: 'POST', body: 'ignored' })
  assert.equal(
    body,
    '{\n\t"service": {\n\t\t"namespace": "a",\n\t\t"name": "b"\n\t},\n\t"localEndpoints": 18,\n\t"serviceProxyHealthy": true\n}',
  )
  assert.equal(headers['content-type'], 'application/json')
  assert.equal(headers['x-content-type-options'], 'nosniff')
  assert.equal(headers['x-load-balancing-endpoint-weight'], '18')
})

test('of three Services one goes, one stays, one moves to another port, and a fourth comes', async (context) => {
  const { servers } = serviceHealth(context)
  const [gone, kept, moved] = [await freePort(), await freePort(), await freePort()]
  const [movedTo, added] = [await freePort(), await freePort()]
  await servers.setServices(
    new Map([
      ['a/gone', gone],
      ['a/kept', kept],
      ['a/moved', moved],
    ]),
  )
  servers.setCounts(
    new Map([
      ['a/gone', 1],
      ['a/kept', 2],
      ['a/moved', 3],
    ]),
  )
  await servers.setServices(
    new Map([
      ['a/kept', kept],
      ['a/moved', movedTo],
      ['a/added', added],
    ]),
  )
  assert.deepEqual([await refusal(gone), await refusal(moved)], ['ECONNREFUSED', 'ECONNREFUSED'])
  assert.deepEqual(await statusAndWeight(kept), [200, '2'])
  assert.deepEqual(await statusAndWeight(movedTo), [503, '0'])
  assert.deepEqual(await statusAndWeight(added), [503, '0'])
})

test('a port that goes from one Service to another answers for the other', async (context) => {
  const { servers, failures } = serviceHealth(context)
  const port = await freePort()
  await servers.setServices(new Map([['a/first', port]]))
  await servers.setServices(new Map([['a/second', port]]))
  servers.setCounts(new Map([['a/second', 5]]))
  assert.deepEqual(await statusAndWeight(port), [200, '5'])
  assert.deepEqual(failures, [])
})

test('on all addresses of IPv4 no address of IPv6 is open, and the other way round', async (context) => {
  for (const [family, open, closed] of [
    ['IPv4', '127.0.0.1', '::1'],
    ['IPv6', '::1', '127.0.0.1'],
  ] as const) {
    const { servers } = serviceHealth(context, { family })
    const port = await freePort()
    await servers.setServices(new Map([['a/b', port]]))
    assert.equal((await ask(port, '/', { host: open })).status, 503)
    assert.equal(await refusal(port, closed), 'ECONNREFUSED')
  }
})

test('both families serve one port with counts of their own', async (context) => {
  const port = await freePort()
  const weights = { IPv4: 3, IPv6: 4 }
  for (const family of ['IPv4', 'IPv6'] as const) {
    const { servers, failures } = serviceHealth(context, { family })
    await servers.setServices(new Map([['a/b', port]]))
    servers.setCounts(new Map([['a/b', weights[family]]]))
    assert.deepEqual(failures, [])
  }
  assert.deepEqual(await statusAndWeight(port), [200, '3'])
  assert.deepEqual(await statusAndWeight(port, '::1'), [200, '4'])
})

test('only selected addresses are open, and others after the addresses have changed', async (context) => {
  const { servers } = serviceHealth(context, { addresses: [ip('127.0.0.1'), ip('127.0.0.2')] })
  const port = await freePort()
  const services = new Map<ServiceKey, number>([['a/b', port]])
  await servers.setServices(services)
  servers.setCounts(new Map([['a/b', 7]]))
  assert.deepEqual(await openHosts(port), ['127.0.0.1', '127.0.0.2'])
  servers.setAddresses([ip('127.0.0.2'), ip('127.0.0.3')])
  await servers.setServices(services)
  assert.deepEqual(await openHosts(port), ['127.0.0.2', '127.0.0.3'])
  assert.deepEqual(await statusAndWeight(port, '127.0.0.3'), [200, '7'])
})

test('an unhealthy proxy answers 503 with the weight as it is', async (context) => {
  let isHealthy = true
  const { servers } = serviceHealth(context, { isProxyHealthy: () => isHealthy })
  const port = await freePort()
  await servers.setServices(new Map([['a/b', port]]))
  servers.setCounts(new Map([['a/b', 2]]))
  isHealthy = false
  const { status, headers, body } = await ask(port, '/')
  assert.deepEqual([status, headers['x-load-balancing-endpoint-weight']], [503, '2'])
  assert.equal(JSON.parse(body).serviceProxyHealthy, false)
  isHealthy = true
  assert.deepEqual(await statusAndWeight(port), [200, '2'])
})

test('when one address cannot be opened none is, which is told once, and each sync tries again', async (context) => {
  const { servers, failures } = serviceHealth(context, { addresses: [ip('127.0.0.1'), ip('127.0.0.2')] })
  const [port, otherPort] = [await freePort(), await freePort()]
  const occupant = createServer((socket) => socket.destroy()).listen(port, '127.0.0.2')
  await once(occupant, 'listening')
  const services = new Map<ServiceKey, number>([
    ['a/b', port],
    ['a/other', otherPort],
  ])
  await servers.setServices(services)
  await servers.setServices(services)
  assert.deepEqual(
    failures.map(({ service, port, host, error }) => [service, port, host, (error as NodeJS.ErrnoException).code]),
    [['a/b', port, '127.0.0.2', 'EADDRINUSE']],
  )
  assert.deepEqual(await openHosts(port), ['127.0.0.2'])
  assert.deepEqual(await openHosts(otherPort), ['127.0.0.1', '127.0.0.2'])
  occupant.close()
  await once(occupant, 'close')
  await servers.setServices(services)
  servers.setCounts(new Map([['a/b', 1]]))
  assert.deepEqual(await statusAndWeight(port, '127.0.0.1'), [200, '1'])
  assert.deepEqual(await statusAndWeight(port, '127.0.0.2'), [200, '1'])
  assert.equal(failures.length, 1)
})

test('a Service that goes while its port is being opened leaves nothing open', async (context) => {
  const { servers } = serviceHealth(context)
  const port = await freePort()
  const opened = servers.setServices(new Map([['a/b', port]]))
  await servers.setServices(new Map())
  await opened
  assert.equal(await refusal(port), 'ECONNREFUSED')
})

test('closing closes the ports of all Services', async (context) => {
  const { servers } = serviceHealth(context)
  const [first, second] = [await freePort(), await freePort()]
  await servers.setServices(
    new Map([
      ['a/b', first],
      ['a/c', second],
    ]),
  )
  await servers.close()
  assert.deepEqual([await refusal(first), await refusal(second)], ['ECONNREFUSED', 'ECONNREFUSED'])
})

type ServiceHealth = { readonly servers: ServiceHealthServers; readonly failures: readonly ServiceHealthFailure[] }

/** The servers of a healthy proxy, on all addresses of IPv4 unless otherwise said. */
function serviceHealth(context: TestContext, options: Partial<ServiceHealthOptions> = {}): ServiceHealth {
  const failures: ServiceHealthFailure[] = []
  const servers = new ServiceHealthServers({
    family: 'IPv4',
    addresses: 'all',
    isProxyHealthy: () => true,
    onFailure: (failure) => failures.push(failure),
    clock: new ManualClock(),
    ...options,
  })
  context.after(() => servers.close())
  return { servers, failures }
}

async function statusAndWeight(port: number, host = '127.0.0.1'): Promise<unknown> {
  const { status, headers } = await ask(port, '/', { host })
  return [status, headers['x-load-balancing-endpoint-weight']]
}

/** Which loopback addresses take connections. */
async function openHosts(port: number): Promise<string[]> {
  const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3']
  const refusals = await Promise.all(hosts.map((host) => refusal(port, host)))
  return hosts.filter((_host, index) => refusals[index] === undefined)
}
