import { X509Certificate } from 'node:crypto'
import type { RequestOptions } from 'node:https'
import { createSecureContext, getCACertificates } from 'node:tls'
import type { ClusterAccess } from './cluster-access.ts'
import { CredentialsError } from './credentials.ts'
import type { Credentials } from './credentials.ts'

/** What a user's fields come to for a request. */
export interface Authentication {
  readonly options: RequestOptions
  /** Milliseconds since 1970, when that is known. */
  readonly expiresAtMs: number | undefined
}

/** What to connect with. Throws CredentialsError for certificates, keys and proxies that cannot be used. */
export function credentialsFor(access: ClusterAccess, { options, expiresAtMs }: Authentication): Credentials {
  const { cluster, files } = access
  const proxyUrl = parseProxy(access)
  const isSystemTrusted = options.ca === undefined && cluster.server.startsWith('https:')
  const pem = {
    ca: isSystemTrusted ? systemAuthorities() : text(options.ca),
    cert: text(options.cert),
    key: text(options.key),
  }
  checkCertificates(access, pem)
  return {
    server: cluster.server,
    tls: {
      ...(pem.ca !== undefined && { ca: pem.ca }),
      ...(pem.cert !== undefined && { cert: pem.cert }),
      ...(pem.key !== undefined && { key: pem.key }),
      ...(options.servername !== undefined && { servername: options.servername }),
      rejectUnauthorized: cluster['insecure-skip-tls-verify'] !== true,
    },
    headers: headersOf(options),
    ...(proxyUrl !== undefined && { proxyUrl }),
    files,
    ...(expiresAtMs !== undefined && { expiresAtMs }),
  }
}

function parseProxy({ cluster, clusterPlace }: ClusterAccess): string | undefined {
  const proxyUrl = cluster['proxy-url']
  if (proxyUrl === undefined || proxyUrl === '') return undefined
  if (typeof proxyUrl === 'string' && /^(https?|socks5h?):$/.test(URL.parse(proxyUrl)?.protocol ?? '')) return proxyUrl
  throw new CredentialsError(`${clusterPlace}: proxy-url is not an http, https or socks5 URL`)
}

function checkCertificates(
  { clusterPlace, userPlace }: ClusterAccess,
  { ca, cert, key }: Readonly<Record<'ca' | 'cert' | 'key', string | undefined>>,
): void {
  if (ca !== undefined && !isCertificate(ca)) {
    throw new CredentialsError(`${clusterPlace}: certificate-authority is not a certificate in PEM`)
  }
  if (cert !== undefined && !isCertificate(cert)) {
    throw new CredentialsError(`${userPlace}: client-certificate is not a certificate in PEM`)
  }
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? 'client-certificate' : 'client-key'
    throw new CredentialsError(`${userPlace}: ${missing} is missing`)
  }
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    const isMismatch = (error as NodeJS.ErrnoException).code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH'
    const problem = isMismatch ? 'does not belong to client-certificate' : 'is not a private key in PEM'
    throw new CredentialsError(`${userPlace}: client-key ${problem}`)
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).serialNumber !== ''
  } catch {
    return false
  }
}

/** Node.js would trust the authorities that it was built with instead of the machine's. */
function systemAuthorities(): string | undefined {
  const authorities = [...getCACertificates('system'), ...getCACertificates('extra')]
  return authorities.length === 0 ? undefined : authorities.join('\n')
}

function headersOf({ auth, headers }: RequestOptions): Record<string, string> {
  const basic = typeof auth === 'string' && `Basic ${Buffer.from(auth).toString('base64')}`
  const all = Object.entries({
    ...(basic !== false && { Authorization: basic }),
    ...(headers as Record<string, string>),
  })
  // A file with a token mostly ends in a line break.
  return Object.fromEntries(all.map(([name, value]) => [name, value.trim()]))
}

function text(pem: unknown): string | undefined {
  if (typeof pem === 'string') return pem
  return Buffer.isBuffer(pem) ? pem.toString() : undefined
}
