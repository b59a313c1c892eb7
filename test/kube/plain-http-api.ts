import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { KubeApiError } from '../../src/kube/api.ts'
import type { ApiRequest, ApiResponse, KubeApi } from '../../src/kube/api.ts'
import type { Clock } from '../../src/kube/clock.ts'

/** Plain HTTP to a port of this machine, without credentials; silence is measured by the clock. */
export function plainHttpApi(port: number, clock: Clock): KubeApi {
  return { send: (request) => send(port, clock, request) }
}

async function send(port: number, clock: Clock, request: ApiRequest): Promise<ApiResponse> {
  const { path, signal, idleTimeoutMs } = request
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  let silence: KubeApiError | undefined
  const failure = (error: unknown): unknown => (signal.aborted ? signal.reason : (silence ?? noAnswer(path, error)))
  const sent = httpRequest({ host: '127.0.0.1', port, path, agent: false, signal }, resolve)
  sent.on('error', (error) => reject(failure(error)))
  let cancel = (): void => {}
  const limit = (): void => {
    cancel()
    cancel = clock.schedule(idleTimeoutMs, () => {
      silence = new KubeApiError('nothing arrived', { status: 0, reason: 'ETIMEDOUT', path })
      sent.destroy()
    })
  }
  sent.on('close', () => cancel())
  limit()
  sent.end()
  const response = await promise
  const body = readBody(response, limit, failure)
  return { status: response.statusCode ?? 0, headers: response.headers, body }
}

async function* readBody(
  response: IncomingMessage,
  noteSound: () => void,
  failure: (error: unknown) => unknown,
): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      noteSound()
      yield chunk
    }
  } catch (error) {
    throw failure(error)
  }
}

function noAnswer(path: string, cause: unknown): KubeApiError {
  const { code = 'UNKNOWN', message } = cause as NodeJS.ErrnoException
  return new KubeApiError(message, { status: 0, reason: code, path }, { cause })
}
