import { once } from 'node:events'
import { type IncomingHttpHeaders, type IncomingMessage, request, type RequestListener } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createBoundedServer, listen } from '../../src/server/bounded-server.ts'

export type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string }

export type Ask = {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
  readonly host?: string
}

/** Asks a server on loopback, over a connection of its own. */
export async function ask(port: number, path: string, options: Ask = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body, host = '127.0.0.1' } = options
  const sent = request({ host, port, path, method, headers, agent: false }).end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
}

/** Serves pages on a port of loopback until the test ends. */
export async function serve(context: TestContext, pages: RequestListener): Promise<number> {
  const server = createBoundedServer(pages)
  await listen(server, { host: '127.0.0.1', port: 0 })
  context.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

/** Below the ports that the kernel gives to clients, and others in each test file. */
let nextPort = 20_000 + ((process.pid * 20) % 12_000)

/** A port that nobody listens on, another one with each call. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = nextPort++
    const server = createServer().listen(port)
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    server.close()
    if (isFree) return port
  }
}

/** The error code with which a port refuses connections; undefined when it takes them. */
export async function refusal(port: number, host = '127.0.0.1'): Promise<string | undefined> {
  const socket = connect(port, host)
  try {
    await once(socket, 'connect')
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  } finally {
    socket.destroy()
  }
}

/** Waits until something is true that takes a few turns of the event loop. */
export async function until(isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error('it takes too long')
    await setImmediate()
  }
}
