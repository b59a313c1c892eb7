import type { PeerCertificate } from 'node:tls'
import { KubeApiError } from './api.ts'
import type { ApiRequest } from './api.ts'
import { firstLine } from './system-reason.ts'

/** Codes of OpenSSL's verification that mean: whoever signed this is not among the authorities. */
const unknownAuthorityCodes: ReadonlySet<string> = new Set([
  'CERT_SIGNATURE_FAILURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

type ConnectionError = NodeJS.ErrnoException & {
  readonly cert?: PeerCertificate
  readonly errors?: readonly Error[]
  readonly statusCode?: number
}

/** A request without an answer, in words that say what to mend; `server` is the URL that was dialled. */
export function connectionProblem(request: ApiRequest, server: string, cause: unknown): KubeApiError {
  const error = cause as ConnectionError
  const reason = error.code ?? error.name
  return noAnswer(request, server, reason, explain(error, reason), error)
}

/** Status 0: `GET https://10.0.0.1:6443/api/v1/services: ...`. */
export function noAnswer(
  { method, path }: ApiRequest,
  server: string,
  reason: string,
  problem: string,
  cause?: unknown,
): KubeApiError {
  const message = `${method} ${server}${path.split('?', 1)[0]}: ${problem}`
  return new KubeApiError(message, { status: 0, reason, path }, cause === undefined ? {} : { cause })
}

function explain(error: ConnectionError, reason: string): string {
  if (unknownAuthorityCodes.has(reason)) {
    return `the server's certificate is not signed by an authority in certificate-authority (${reason})`
  }
  if (reason === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = error.cert?.subjectaltname ?? 'no name'
    return `the server's certificate is for ${names}: the server's address or tls-server-name must be one of them`
  }
  if (reason === 'CERT_HAS_EXPIRED') {
    return `the server's certificate, or its authority's, has expired (or the clock here is wrong)`
  }
  if (reason === 'CERT_NOT_YET_VALID') return `the server's certificate is not valid yet (or the clock here is wrong)`
  // As in `write EPROTO 40C0:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:...`.
  if (reason === 'EPROTO') return `TLS: ${error.message.split(':')[5] ?? reason}: does the server speak plain http?`
  if (/^ERR_SSL_.*ALERT_(.*CERTIFICATE.*|UNKNOWN_CA)$/.test(reason)) {
    return `the server does not take the client certificate (${reason})`
  }
  if (reason === 'ERR_PROXY_TUNNEL') return `the proxy does not connect to the server${proxyStatus(error)}`
  const told = firstLine(error.errors?.[0]?.message ?? error.message)
  return withoutUserinfo(told.includes(reason) ? told : `${reason}: ${told}`)
}

function proxyStatus({ statusCode }: ConnectionError): string {
  return statusCode === undefined ? '' : `: it answers ${statusCode}`
}

/** A proxy's URL may have a password. */
function withoutUserinfo(text: string): string {
  return text.replace(/\/\/[^\s/@]*@/g, '//')
}
