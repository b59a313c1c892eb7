import type { OutgoingHttpHeaders, RequestListener, ServerResponse } from 'node:http'

/** One named thing that is well or not. */
export type Check = {
  readonly name: string
  readonly isOk: boolean
  /** Why it is not. */
  readonly reason?: string
}

export const plainText = 'text/plain; charset=utf-8'

export function sendJson(
  response: ServerResponse,
  status: number,
  body: string,
  headers: OutgoingHttpHeaders = {},
): void {
  send(response, status, 'application/json', body, headers)
}

export function sendText(response: ServerResponse, status: number, body: string): void {
  send(response, status, plainText, body)
}

export function send(
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string,
  headers: OutgoingHttpHeaders = {},
): void {
  response.writeHead(status, { 'Content-Type': contentType, 'X-Content-Type-Options': 'nosniff', ...headers })
  response.end(body)
}

export const notFound: RequestListener = (_request, response) => sendText(response, 404, '404 page not found\n')

/** The target of a request: path and query. The host that the client thinks it talks to does not matter. */
export function requestUrl(request: { readonly url?: string | undefined }): URL {
  const target = request.url ?? '/'
  return new URL(`http://proxy${target.startsWith('/') ? target : '/'}`)
}

/** The checks in the form in which Kubernetes components print them for `?verbose`. */
export function checksText(name: string, checks: readonly Check[], facts: readonly string[] = []): string {
  const lines = checks.map(({ name, isOk, reason = 'no reason given' }) =>
    isOk ? `[+]${name} ok` : `[-]${name} failed: ${reason}`,
  )
  const verdict = checks.every(({ isOk }) => isOk) ? 'passed' : 'failed'
  return [...lines, ...facts, `${name} check ${verdict}`, ''].join('\n')
}
