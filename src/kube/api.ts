import type { IncomingHttpHeaders } from 'node:http'

/** One answer of the API server; the body has to be read to its end, or the request's signal aborted. */
export interface ApiResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /**
   * Throws KubeApiError when the connection ends before the body does, or sends nothing for too long, and the request
   * signal's reason when that is aborted. Time in which nobody reads does not count.
   */
  readonly body: AsyncIterable<Buffer>
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH'
  /** Path and query, as in `/api/v1/services?limit=500`. */
  readonly path: string
  /** Sent as JSON. */
  readonly body?: unknown
  /** Ends the request, and the body while it is read. */
  readonly signal: AbortSignal
  /** Throws when nothing arrives for so long, headers or body. */
  readonly idleTimeoutMs: number
}

/**
 * Sends requests to one API server with valid credentials. Throws KubeApiError when there is no answer, and the signal's
 * reason when the request is aborted.
 */
export interface KubeApi {
  readonly send: (request: ApiRequest) => Promise<ApiResponse>
}

/** What the API server answered or did not: status 0 when there was no answer. */
export class KubeApiError extends Error {
  readonly code = 'ERR_KUBE_API'
  readonly status: number
  /** The `reason` of the API's Status object, as in `Expired`, or the system's error code, as in `ECONNREFUSED`. */
  readonly reason: string
  readonly path: string
  /** From the header Retry-After or details.retryAfterSeconds of the Status object. */
  readonly retryAfterMs: number | undefined

  constructor(
    message: string,
    about: { status: number; reason: string; path: string; retryAfterMs?: number | undefined },
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.name = 'KubeApiError'
    this.status = about.status
    this.reason = about.reason
    this.path = about.path
    this.retryAfterMs = about.retryAfterMs
  }
}
