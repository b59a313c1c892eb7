import { KubeApiError } from './api.ts'
import type { ApiResponse } from './api.ts'
import { isFields, show } from './fields.ts'
import type { Fields } from './fields.ts'

/** More of an error's body than this is not read: it is a proxy's page, not a Status. */
const maxBodyBytes = 64 << 10
/** A server that asks for more patience than this does not get it. */
const maxRetryAfterMs = 300_000
/** Of what the server says, in characters. */
const maxMessageLength = 500

/** What was asked for. */
export interface Asked {
  readonly verb: 'list' | 'watch'
  readonly path: string
}

/** The error that an answer other than 200 means. Reads its body, which should be a Status object. */
export async function refusal(response: ApiResponse, asked: Asked): Promise<KubeApiError> {
  const text = await readText(response)
  const status = parseStatus(text) ?? { message: text.trim() === '' ? undefined : show(text.trim()) }
  const retryAfterMs = secondsToMs(response.headers['retry-after'])
  return statusError({ ...status, code: response.status }, asked, retryAfterMs)
}

/** The error that a meta/v1 Status object tells of, such as the one in an ERROR event. */
export function statusError(status: unknown, asked: Asked, retryAfterMs?: number): KubeApiError {
  const fields = isFields(status) ? status : {}
  const code = typeof fields['code'] === 'number' ? fields['code'] : 0
  const reason = text(fields['reason']) ?? ''
  const details = isFields(fields['details']) ? fields['details'] : {}
  const said = [code === 0 ? '' : String(code), reason].filter((part) => part !== '').join(' ')
  const parts = [asked.verb, said, text(fields['message'])?.slice(0, maxMessageLength) ?? '']
  return new KubeApiError(parts.filter((part) => part !== '').join(': '), {
    status: code,
    reason,
    path: asked.path,
    retryAfterMs: retryAfterMs ?? secondsToMs(details['retryAfterSeconds']),
  })
}

/** The error that we find in what the server does, or does not. */
export function misbehaviour({ verb, path }: Asked, reason: string, flaw: string): KubeApiError {
  return new KubeApiError(`${verb}: ${flaw}`, { status: 0, reason, path })
}

/** Whether the server no longer has the resourceVersion or continue token that we asked for. */
export function isExpired(error: KubeApiError): boolean {
  return error.status === 410 || error.reason === 'Expired' || error.reason === 'Gone'
}

/** Whether asking from the same resourceVersion again cannot help: it has expired, or the server takes it for none at all. */
export function hasLostPlace(error: KubeApiError): boolean {
  return isExpired(error) || error.status === 400 || error.status === 422
}

/**
 * Whether the server does not know streamed lists: without the feature it finds the parameters invalid, with 422. An
 * answer that any request could get says nothing about that.
 */
export function isStreamRefused({ status }: KubeApiError): boolean {
  return status >= 400 && status < 500 && ![401, 403, 404, 408, 410, 429].includes(status)
}

async function readText(response: ApiResponse): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response.body) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > maxBodyBytes) break
  }
  return Buffer.concat(chunks).toString('utf8', 0, maxBodyBytes)
}

function parseStatus(text: string): Fields | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return isFields(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Of a Retry-After header or field; a date, which an API server does not send, counts as none. */
function secondsToMs(value: unknown): number | undefined {
  const seconds = typeof value === 'string' && value !== '' ? Number(value) : value
  if (typeof seconds !== 'number' || !(seconds >= 0)) return undefined
  return Math.min(seconds * 1_000, maxRetryAfterMs)
}
