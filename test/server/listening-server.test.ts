import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer, Server } from 'node:net'
import { type TestContext, test } from 'node:test'
import { ListeningServer, type ListeningServerOptions } from '../../src/server/listening-server.ts'
import { ip } from '../model/fixtures.ts'
import { ManualClock, settled } from '../sync/manual-clock.ts'
import { ask, freePort, refusal, until } from './http.ts'

test('a server on a wildcard address answers on both families', async (context) => {
  for (const host of ['0.0.0.0', '::']) {
    const { server } = await listening(context, { address: { ip: ip(host), port: 0 } })
    for (const client of ['127.0.0.1', '::1']) {
      assert.equal((await ask(portOf(server), '/', { host: client })).body, 'hello', `${client} on ${host}`)
    }
    await server.close()
  }
})

test('a server on one address answers on no other', async (context) => {
  const { server } = await listening(context, { address: { ip: ip('127.0.0.1'), port: 0 } })
  assert.equal((await ask(portOf(server), '/')).body, 'hello')
  assert.equal(await refusal(portOf(server), '::1'), 'ECONNREFUSED')
})

test('a port that is taken is tried again every 5 s until it is free', async (context) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const { server, clock, failures } = await listening(context, { address: { ip: ip('127.0.0.1'), port } })
  assert.deepEqual(failures, ['EADDRINUSE'])
  await clock.goTo(4999)
  assert.equal(failures.length, 1)
  await clock.goTo(5000)
  await until(() => failures.length === 2)
  other.close()
  await once(other, 'close')
  await clock.goTo(10_000)
  await until(() => server.port === port)
  assert.equal((await ask(port, '/')).body, 'hello')
  assert.equal(failures.length, 2)
})

test('an address that this machine does not have is a failure, not a crash', async (context) => {
  const { server, failures } = await listening(context, { address: { ip: ip('192.0.2.1'), port: 0 } })
  assert.deepEqual(failures, ['EADDRNOTAVAIL'])
  assert.equal(server.port, undefined)
})

test('a server that ended unexpectedly listens again 5 s later', async (context) => {
  const port = await freePort()
  const { server, clock, failures } = await listening(context, { address: { ip: ip('127.0.0.1'), port } })
  endServer(port)
  await until(() => failures.length === 1)
  assert.equal(await refusal(port), 'ECONNREFUSED')
  await clock.goTo(5000)
  await until(() => server.port === port)
  assert.equal((await ask(port, '/')).body, 'hello')
  assert.equal(failures.length, 1)
})

test('the first failure is the last one where failing is to be fatal', async (context) => {
  const hardFailures: unknown[] = []
  const { clock, failures } = await listening(context, {
    address: { ip: ip('192.0.2.1'), port: 0 },
    onHardFailure: (error) => hardFailures.push((error as NodeJS.ErrnoException).code),
  })
  assert.deepEqual(hardFailures, ['EADDRNOTAVAIL'])
  assert.deepEqual(failures, [])
  assert.equal(clock.scheduled, 0)
})

test('closing lets a request that is under way end and takes no other', async (context) => {
  const responses: ServerResponse[] = []
  const { server } = await listening(context, { onRequest: (_request, response) => responses.push(response) })
  const port = portOf(server)
  const answer = ask(port, '/')
  await until(() => responses.length === 1)
  const closed = server.close()
  await settled()
  assert.equal(await refusal(port), 'ECONNREFUSED')
  responses[0]?.end('late')
  assert.equal((await answer).body, 'late')
  await closed
})

test('a request that does not end within a second of closing is cut off', async (context) => {
  const responses: ServerResponse[] = []
  const { server, clock } = await listening(context, { onRequest: (_request, response) => responses.push(response) })
  const answer = ask(portOf(server), '/').then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code,
  )
  await until(() => responses.length === 1)
  const closed = server.close()
  await clock.goTo(1000)
  await closed
  assert.equal(await answer, 'ECONNRESET')
})

test('closing while waiting for another attempt ends the attempts', async (context) => {
  const { server, clock } = await listening(context, { address: { ip: ip('192.0.2.1'), port: 0 } })
  assert.equal(clock.scheduled, 1)
  await server.close()
  assert.equal(clock.scheduled, 0)
})

test('closing during the first attempt leaves nothing listening', async () => {
  const port = await freePort()
  const server = new ListeningServer({
    address: { ip: ip('127.0.0.1'), port },
    onRequest: (_request, response) => response.end(),
    clock: new ManualClock(),
    onFailure: () => {},
  })
  void server.start()
  await server.close()
  assert.equal(await refusal(port), 'ECONNREFUSED')
})

test('headers of more than 16 KiB are refused', async (context) => {
  const { server } = await listening(context, {})
  const answer = await ask(portOf(server), '/', { headers: { 'X-Long': 'x'.repeat(17_000) } })
  assert.equal(answer.status, 431)
})

test('of 300 connections at once no more than 256 stay open', async (context) => {
  const { server } = await listening(context, {})
  const sockets = Array.from({ length: 300 }, () => connect(portOf(server), '127.0.0.1'))
  context.after(() => sockets.forEach((socket) => socket.destroy()))
  const closed = sockets.map((socket) =>
    once(
      socket.on('error', () => {}),
      'close',
    ),
  )
  let closedCount = 0
  for (const one of closed) void one.then(() => closedCount++)
  await until(() => closedCount === 44)
  for (let turn = 0; turn < 20; turn++) await settled()
  assert.equal(closedCount, 44)
})

type Listening = { server: ListeningServer; clock: ManualClock; failures: unknown[] }

/** A server that was started, and the error codes of its failures. */
async function listening(context: TestContext, options: Partial<ListeningServerOptions>): Promise<Listening> {
  const clock = new ManualClock()
  const failures: unknown[] = []
  const server = new ListeningServer({
    address: { ip: ip('127.0.0.1'), port: 0 },
    onRequest: (_request, response) => response.end('hello'),
    clock,
    onFailure: (error) => failures.push((error as NodeJS.ErrnoException).code),
    ...options,
  })
  context.after(async () => {
    const closed = server.close()
    await clock.goTo(clock.now() + 1000)
    await closed
  })
  await server.start()
  return { server, clock, failures }
}

function portOf(server: ListeningServer): number {
  assert.ok(server.port !== undefined)
  return server.port
}

/** Ends the server that listens on a port, without the knowledge of whoever started it. */
function endServer(port: number): void {
  const { _getActiveHandles: activeHandles } = process as unknown as { _getActiveHandles: () => unknown[] }
  const servers = activeHandles().filter((handle) => handle instanceof Server)
  const server = servers.find((server) => (server.address() as AddressInfo | null)?.port === port)
  assert.ok(server !== undefined)
  server.close()
}
