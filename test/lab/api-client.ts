/* Requests to an API server as one of its users. */
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import { collectionPath, type KubernetesObject, objectPath, type ObjectReference } from './api-objects.ts'
import type { Certificate } from './certificates.ts'

/** An answer of the API server that is no success; `status` is HTTP's. */
export class ApiServerError extends Error {
  readonly code = 'ERR_API_SERVER'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'ApiServerError'
    this.status = status
  }
}

/** Each throws ApiServerError, and the socket's error where there is no answer. */
export type ApiClient = {
  /** Sends one request and returns the parsed answer. */
  readonly request: (method: string, path: string, body?: object, contentType?: string) => Promise<unknown>
  /** Creates objects, one after another. */
  readonly create: (...objects: readonly KubernetesObject[]) => Promise<void>
  /** Changes the fields given; `null` removes one (a JSON merge patch). `subresource` as in `/status`. */
  readonly patch: (reference: ObjectReference, change: object, subresource?: string) => Promise<void>
  readonly delete: (reference: ObjectReference) => Promise<void>
  /** A token of a ServiceAccount, as the kubelet would ask for it; it ends with the account. */
  readonly token: (account: { readonly namespace: string; readonly name: string }) => Promise<string>
}

/** A client with a connection of its own for each request, so that the API server may come and go. */
export function apiClient(url: string, authority: Certificate, { certFile, keyFile }: Certificate): ApiClient {
  const tls = { ca: readFileSync(authority.certFile), cert: readFileSync(certFile), key: readFileSync(keyFile) }

  const send: ApiClient['request'] = async (method, path, body, contentType = 'application/json') => {
    const headers = { 'content-type': contentType }
    const sent = request(`${url}${path}`, { ...tls, method, headers, agent: false })
    const answered = new Promise<{ status: number; answer: string }>((resolve, reject) => {
      sent.on('error', reject)
      sent.on('response', (response) => {
        text(response).then((answer) => resolve({ status: response.statusCode ?? 0, answer }), reject)
      })
    })
    sent.end(body === undefined ? undefined : JSON.stringify(body))
    const { status, answer } = await answered
    if (status >= 300) throw new ApiServerError(status, `${method} ${path}: ${status} ${answer}`)
    return answer.startsWith('{') ? JSON.parse(answer) : answer
  }

  return {
    request: send,
    create: async (...objects) => {
      for (const object of objects) await send('POST', collectionPath(object), object)
    },
    patch: async (reference, change, subresource = '') => {
      await send('PATCH', `${objectPath(reference)}${subresource}`, change, 'application/merge-patch+json')
    },
    delete: async (reference) => {
      await send('DELETE', objectPath(reference))
    },
    token: async ({ namespace, name }) => {
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`
      const wanted = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } }
      const answer = (await send('POST', path, wanted)) as { readonly status: { readonly token: string } }
      return answer.status.token
    },
  }
}
