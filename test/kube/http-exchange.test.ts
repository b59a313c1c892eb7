import assert from 'node:assert/strict'
import http from 'node:http'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiRequest, ApiResponse } from '../../src/kube/api.ts'
import { openPool } from '../../src/kube/connection-pool.ts'
import { exchange } from '../../src/kube/http-exchange.ts'
import { withListener, withServer } from './loopback-server.ts'
import type { Loopback } from './loopback-server.ts'
import { failsWith, get, read } from './requests.ts'

type Send = (request: ApiRequest) => Promise<ApiResponse>

/** Sends to this URL, with its own connections. */
async function withPool(server: string, run: (send: Send) => Promise<void>): Promise<void> {
  const pool = await openPool({ server, tls: { rejectUnauthorized: true }, headers: {}, files: [] })
  try {
    await run((request) => exchange(request, { server, pool, headers: { 'X-Test': 'yes' } }))
  } finally {
    pool.destroy()
  }
}

async function withBoth(handle: RequestListener, run: (send: Send, server: Loopback) => Promise<void>): Promise<void> {
  await withServer(handle, (server) => withPool(`http://127.0.0.1:${server.port}`, (send) => run(send, server)))
}

describe('a request', () => {
  test('is answered with status, headers and a stream', () =>
    withBoth(
      ({ method, url, headers }, response) => {
        response.writeHead(418, { 'Content-Type': 'application/json' })
        response.end(JSON.stringify({ method, url, header: headers['x-test'] }))
      },
      async (send) => {
        const response = await send(get())
        assert.equal(response.status, 418)
        assert.equal(response.headers['content-type'], 'application/json')
        const told = { method: 'GET', url: '/api/v1/services?limit=5', header: 'yes' }
        assert.deepEqual(JSON.parse(await read(response)), told)
      },
    ))

  for (const { method, type } of [
    { method: 'POST', type: 'application/json' },
    { method: 'PATCH', type: 'application/merge-patch+json' },
  ] as const) {
    test(`${method} sends its body as ${type}`, () =>
      withBoth(
        async (request, response) => {
          const { 'content-type': type, 'content-length': length } = request.headers
          response.end(JSON.stringify({ type, length, body: await text(request) }))
        },
        async (send) => {
          const response = await send(get('/x', { method, body: { name: 'ü' } }))
          assert.deepEqual(JSON.parse(await read(response)), { type, length: '13', body: '{"name":"ü"}' })
        },
      ))
  }

  test('goes below the path of the server', () =>
    withServer(
      (request, response) => response.end(request.url),
      ({ port }) =>
        withPool(`http://127.0.0.1:${port}/k8s/c-1`, async (send) => {
          assert.equal(await read(await send(get('/api'))), '/k8s/c-1/api')
        }),
    ))

  test('uses the connection of the one before', () =>
    withBoth(
      (_, response) => response.end('{}'),
      async (send, server) => {
        for (let n = 0; n < 3; n++) await read(await send(get()))
        assert.equal(server.connections(), 1)
      },
    ))

  test('whose answer nobody reads on holds up the server', () => {
    const chunk = Buffer.alloc(1 << 20, 'x')
    const chunks = 64
    let sent = 0
    return withBoth(
      (_, response) => {
        const write = (): void => {
          while (sent < chunks) {
            sent++
            if (!response.write(chunk)) {
              response.once('drain', write)
              return
            }
          }
          response.end()
        }
        write()
      },
      async (send) => {
        const { body } = await send(get())
        await sleep(100)
        assert.ok(sent < chunks / 2, `${sent} MiB were sent unread`)
        let bytes = 0
        for await (const part of body) bytes += part.length
        assert.equal(bytes, chunks << 20)
      },
    )
  })
})

describe('a request fails', () => {
  test('when nobody listens', () =>
    withPool('http://127.0.0.1:1', (send) =>
      failsWith(send(get()), 'ECONNREFUSED', /^GET http:\/\/127.0.0.1:1\/api\/v1\/services: .*ECONNREFUSED/),
    ))

  test('when no answer comes', () =>
    withBoth(
      () => {},
      (send) => failsWith(send(get('/', { idleTimeoutMs: 50 })), 'ETIMEDOUT', /nothing arrived for 0.05 s$/),
    ))

  test('when a TLS handshake is not answered', () =>
    withListener(net.createServer(), ({ port }) =>
      withPool(`https://127.0.0.1:${port}`, (send) =>
        failsWith(send(get('/', { idleTimeoutMs: 50 })), 'ETIMEDOUT', /nothing arrived for 0.05 s$/),
      ),
    ))

  test('when the answer stops, but not when its reader is slow', () =>
    withBoth(
      (_, response) => void response.write('one'),
      async (send) => {
        const { body } = await send(get('/', { idleTimeoutMs: 100 }))
        const chunks: string[] = []
        const begin = performance.now()
        const reading = async (): Promise<void> => {
          for await (const chunk of body) {
            chunks.push(String(chunk))
            await sleep(250)
          }
        }
        await failsWith(reading(), 'ETIMEDOUT', /nothing arrived for 0.1 s$/)
        assert.deepEqual(chunks, ['one'])
        assert.ok(performance.now() - begin >= 340)
      },
    ))

  for (const { title, headers } of [
    { title: 'in the middle of a chunked answer', headers: {} },
    { title: 'before as many bytes as announced', headers: { 'Content-Length': 100 } },
  ]) {
    test(`when the connection ends ${title}`, () =>
      withBoth(
        (_, response) => {
          response.writeHead(200, headers)
          response.write('{"items":[', () => setTimeout(() => response.destroy(), 10))
        },
        async (send) => {
          const response = await send(get())
          await failsWith(read(response), 'ECONNRESET', /\/services: the connection ended before the answer did/)
        },
      ))
  }

  test('when the connection ends before anybody read the answer', () =>
    withBoth(
      (_, response) => {
        response.write('{"items":[', () => setTimeout(() => response.destroy(), 10))
      },
      async (send) => {
        const response = await send(get())
        await sleep(50)
        await failsWith(read(response), 'ECONNRESET', /the connection ended before the answer did/)
      },
    ))

  test('when the answer is garbage', () =>
    withListener(
      net.createServer((socket) => socket.end('hello\r\n\r\n')),
      ({ port }) =>
        withPool(`http://127.0.0.1:${port}`, (send) =>
          failsWith(send(get()), 'HPE_INVALID_CONSTANT', /HPE_INVALID_CONSTANT: /),
        ),
    ))

  test('with the signal’s reason when it is aborted before the answer, during it, or was from the beginning', () =>
    withBoth(
      (request, response) => void (request.url === '/body' && response.write('one')),
      async (send) => {
        const reason = new Error('enough')
        await assert.rejects(send(get('/', { signal: AbortSignal.abort(reason) })), reason)
        const early = new AbortController()
        const asked = send(get('/headers', { signal: early.signal }))
        setTimeout(() => early.abort(reason), 20)
        await assert.rejects(asked, reason)
        const late = new AbortController()
        const response = await send(get('/body', { signal: late.signal }))
        setTimeout(() => late.abort(reason), 20)
        await assert.rejects(read(response), reason)
      },
    ))
})

describe('a kept connection that turns out dead', () => {
  /** Ends the connection of the second request unanswered. */
  const fickle = (): { readonly handle: http.RequestListener; readonly seen: string[] } => {
    const seen: string[] = []
    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      seen.push(`${request.method} ${request.url}`)
      if (seen.length === 2) request.socket.resetAndDestroy()
      else response.end('{}')
    }
    return { handle, seen }
  }

  test('is replaced for a GET', () => {
    const { handle, seen } = fickle()
    return withBoth(handle, async (send, server) => {
      await read(await send(get('/1')))
      await read(await send(get('/2')))
      assert.deepEqual(seen, ['GET /1', 'GET /2', 'GET /2'])
      assert.equal(server.connections(), 2)
    })
  })

  test('fails a POST, which could be done twice', () => {
    const { handle, seen } = fickle()
    return withBoth(handle, async (send) => {
      await read(await send(get('/1')))
      await failsWith(send(get('/2', { method: 'POST', body: {} })), 'ECONNRESET', /ECONNRESET/)
      assert.deepEqual(seen, ['GET /1', 'POST /2'])
    })
  })

  test('fails a GET too if it was new', () =>
    withBoth(
      (request) => void request.socket.resetAndDestroy(),
      async (send, server) => {
        await failsWith(send(get()), 'ECONNRESET', /ECONNRESET/)
        assert.equal(server.connections(), 1)
      },
    ))
})
