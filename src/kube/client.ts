import type { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { KubeApiError } from './api.ts'
import type { ApiRequest, ApiResponse, KubeApi } from './api.ts'
import { openPool, retirePool } from './connection-pool.ts'
import { connectionProblem } from './connection-problem.ts'
import { CredentialsCache } from './credentials-cache.ts'
import { CredentialsError, haveSameConnection } from './credentials.ts'
import type { Credentials, CredentialsRequest } from './credentials.ts'
import { exchange } from './http-exchange.ts'
import { tokenBucket } from './token-bucket.ts'

export interface KubeClientOptions extends CredentialsRequest {
  /** Our version, which the API server writes into its audit log. */
  readonly version: string
  /** Requests a second in the long run, watches not counted; negative is no limit. */
  readonly qps: number
  /** Requests at once. */
  readonly burst: number
  /** Called when credentials cannot be renewed and the old ones stay in use; not again with the same reason. */
  readonly onProblem: (problem: CredentialsError) => void
}

/** The connection to one API server, over HTTP/1.1 connections that are kept and used again. */
export class KubeClient implements KubeApi {
  readonly #credentials: CredentialsCache
  readonly #userAgent: string
  readonly #waitMs: (nowMs: number) => number
  readonly #closing = new AbortController()
  #connected: { readonly credentials: Credentials; readonly pool: Promise<Agent> } | undefined

  constructor({ version, qps, burst, onProblem, ...request }: KubeClientOptions) {
    this.#credentials = new CredentialsCache({ request, onProblem })
    this.#userAgent = `flowproxy/${version} (linux/${process.arch})`
    this.#waitMs = tokenBucket(qps, burst)
  }

  /** Resolves with the server's URL when there are credentials, without connecting. Throws CredentialsError. */
  async start(): Promise<string> {
    return (await this.#credentials.current()).server
  }

  /** Throws KubeApiError when there is no answer, and the signal's reason when it is aborted. */
  readonly send = async (request: ApiRequest): Promise<ApiResponse> => {
    const signal = AbortSignal.any([request.signal, this.#closing.signal])
    const abortable = { ...request, signal }
    if (!isWatch(request.path)) await this.#waitForTurn(signal)
    const credentials = await unlessAborted(this.#validCredentials(request.path), signal)
    const response = await this.#sendAs(credentials, abortable)
    if (response.status !== 401) return response
    const others = await unlessAborted(this.#credentials.insteadOf(credentials), signal)
    if (others === undefined) return response
    await readToEnd(response)
    return this.#sendAs(others, abortable)
  }

  /** Ends all requests and connections; requests reject with KubeApiError, reason `ECANCELED`. */
  close(): void {
    this.#closing.abort(
      new KubeApiError('the connection to the API server is closed', { status: 0, reason: 'ECANCELED', path: '' }),
    )
    this.#credentials.close()
    this.#connected?.pool.then(
      (pool) => pool.destroy(),
      () => {},
    )
  }

  async #waitForTurn(signal: AbortSignal): Promise<void> {
    const waitMs = this.#waitMs(performance.now())
    if (waitMs > 0) await unlessAborted(sleep(waitMs, undefined, { signal }), signal)
  }

  async #validCredentials(path: string): Promise<Credentials> {
    try {
      return await this.#credentials.current()
    } catch (error) {
      const { message, code } = error as CredentialsError
      throw new KubeApiError(message, { status: 0, reason: code, path }, { cause: error })
    }
  }

  async #sendAs(credentials: Credentials, request: ApiRequest): Promise<ApiResponse> {
    const headers = {
      'User-Agent': this.#userAgent,
      Accept: 'application/json',
      'Accept-Encoding': 'identity', // gunzip costs us more than the bytes do
      ...credentials.headers,
    }
    try {
      const pool = await this.#poolFor(credentials)
      request.signal.throwIfAborted()
      return await exchange(request, { server: credentials.server, pool, headers })
    } catch (error) {
      if (error instanceof KubeApiError || request.signal.aborted) throw error
      throw connectionProblem(request, credentials.server, error)
    }
  }

  /** New connections after a change of certificates; a token goes with each request and needs none. */
  async #poolFor(credentials: Credentials): Promise<Agent> {
    const connected = this.#connected
    if (connected?.credentials === credentials) return connected.pool
    if (connected !== undefined && haveSameConnection(connected.credentials, credentials)) {
      this.#connected = { credentials, pool: connected.pool }
      return connected.pool
    }
    connected?.pool.then(retirePool, () => {})
    const pool = openPool(credentials)
    this.#connected = { credentials, pool }
    return pool
  }
}

function isWatch(path: string): boolean {
  return /[?&]watch=(1|true)(&|$)/.test(path)
}

async function unlessAborted<Value>(wanted: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(signal.reason as Error)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort)
  try {
    return await Promise.race([aborted, wanted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** So that the connection can be used again. */
async function readToEnd({ body }: ApiResponse): Promise<void> {
  try {
    for await (const _ of body);
  } catch {
    // Then the next request gets a new connection.
  }
}
