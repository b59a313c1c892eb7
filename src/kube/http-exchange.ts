import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { ApiRequest, ApiResponse } from './api.ts'
import { closeUnused } from './connection-pool.ts'
import { connectionProblem, noAnswer } from './connection-problem.ts'
import { hostOf } from './environment-proxy.ts'

/** Where a request goes, and what goes with it. */
export interface Target {
  /** URL; its path comes before the request's. */
  readonly server: string
  readonly pool: http.Agent
  readonly headers: Readonly<Record<string, string>>
}

/** A peer that has vanished is found out within this and 10 s; load balancers forget what is silent for much longer. */
const keepAliveMs = 30_000
/** A server that does not take the connection within this time is not there, however patient the request is. */
const connectTimeoutMs = 30_000

/** Node.js's words for a kept connection that the other side had closed already when it was used again. */
const staleCodes: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE'])
/** Its words for an answer that is cut off. */
const cutCodes: ReadonlySet<unknown> = new Set(['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE'])

/** Sends a request once. Throws KubeApiError when there is no answer, and the signal's reason when it is aborted. */
export async function exchange(request: ApiRequest, target: Target): Promise<ApiResponse> {
  const first = startRequest(request, target)
  try {
    return await first.answer
  } catch (error) {
    const isStale = first.sent.reusedSocket && staleCodes.has((error as { reason?: string }).reason)
    if (request.method !== 'GET' || !isStale || request.signal.aborted) throw error
    closeUnused(target.pool)
    return startRequest(request, target).answer
  }
}

function startRequest(
  request: ApiRequest,
  { server, pool, headers }: Target,
): { readonly answer: Promise<ApiResponse>; readonly sent: http.ClientRequest } {
  const { method, path, body, signal, idleTimeoutMs } = request
  const url = new URL(server)
  const isHttps = url.protocol === 'https:'
  const { promise: answer, resolve, reject } = Promise.withResolvers<ApiResponse>()
  const sent = (isHttps ? https : http).request({
    host: hostOf(url),
    port: url.port || (isHttps ? 443 : 80),
    path: url.pathname.replace(/\/$/, '') + path,
    method,
    headers: { ...headers, ...(body !== undefined && { 'Content-Type': contentType(method) }) },
    agent: pool,
  })
  let timeout: Error | undefined
  const idle = idleTimer((ms) => {
    timeout = noAnswer(request, server, 'ETIMEDOUT', `nothing arrived for ${ms / 1_000} s`)
    sent.destroy(timeout)
  })
  const failure = (error: unknown): unknown => {
    if (signal.aborted) return signal.reason
    return timeout ?? connectionProblem(request, server, error)
  }
  const abort = (): void => void sent.destroy()
  signal.addEventListener('abort', abort)
  sent.on('close', () => {
    signal.removeEventListener('abort', abort)
    idle.stop()
    reject(failure(prematureEnd()))
  })
  sent.on('error', (error) => reject(failure(error)))
  sent.on('socket', (socket) => {
    socket.setKeepAlive(true, keepAliveMs) // the pool does it for direct connections only
    const { connecting, secureConnecting } = socket as Socket & { readonly secureConnecting?: boolean }
    const isConnected = !connecting && secureConnecting !== true
    if (isConnected) idle.start(idleTimeoutMs)
    else socket.once(isHttps ? 'secureConnect' : 'connect', () => idle.start(idleTimeoutMs))
  })
  sent.on('response', (message) => {
    idle.stop()
    const read = readBody(message, { start: () => idle.start(idleTimeoutMs), stop: idle.stop }, failure)
    resolve({ status: message.statusCode ?? 0, headers: message.headers, body: read })
  })
  idle.start(Math.min(connectTimeoutMs, idleTimeoutMs))
  if (signal.aborted) abort()
  else sent.end(body === undefined ? undefined : JSON.stringify(body))
  return { answer, sent }
}

/** The clock runs only while we wait for the server, not while the reader is busy with what came. */
async function* readBody(
  message: http.IncomingMessage,
  idle: { readonly start: () => void; readonly stop: () => void },
  failure: (error: unknown) => unknown,
): AsyncGenerator<Buffer, void> {
  try {
    idle.start()
    for await (const chunk of message as AsyncIterable<Buffer>) {
      idle.stop()
      yield chunk
      idle.start()
    }
  } catch (error) {
    throw failure(cutCodes.has((error as NodeJS.ErrnoException).code) ? prematureEnd() : error)
  } finally {
    idle.stop()
  }
}

function prematureEnd(): Error {
  const code = 'ECONNRESET'
  return Object.assign(new Error(`the connection ended before the answer did (${code})`), { code })
}

/** Calls back when it has not been stopped or started anew for some time. */
function idleTimer(onIdle: (ms: number) => void): {
  readonly start: (ms: number) => void
  readonly stop: () => void
} {
  let timer: NodeJS.Timeout | undefined
  const stop = (): void => clearTimeout(timer)
  const start = (ms: number): void => {
    stop()
    timer = setTimeout(onIdle, ms, ms)
  }
  return { start, stop }
}

function contentType(method: ApiRequest['method']): string {
  return method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
}
