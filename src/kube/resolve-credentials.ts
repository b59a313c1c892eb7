/** Runs in the credentials process: loading the library takes 80 MB. */
import { X509Certificate } from 'node:crypto'
import type { RequestOptions } from 'node:https'
import { createSecureContext, getCACertificates } from 'node:tls'
import { findAccess } from './cluster-access.ts'
import type { ClusterAccess } from './cluster-access.ts'
import { CredentialsError } from './credentials.ts'
import type { Credentials, CredentialsRequest } from './credentials.ts'
import { isFields } from './fields.ts'
import type { Fields } from './fields.ts'
import { systemReason } from './system-reason.ts'

/** Credentials as they are now. Throws CredentialsError. */
export async function resolveCredentials(request: CredentialsRequest): Promise<Credentials> {
  const access = findAccess(request)
  const { cluster, files } = access
  const proxyUrl = parseProxy(access)
  const { options, expiresAtMs } = await authenticate(access)
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

/** Lets the library do what the user's fields ask for. */
async function authenticate({ cluster, user, userPlace }: ClusterAccess): Promise<{
  readonly options: RequestOptions
  readonly expiresAtMs: number | undefined
}> {
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js')
  const { ExecAuth } = await import('@kubernetes/client-node/dist/exec_auth.js')
  // With a proxy the library would make an agent that nobody uses; and it refuses plain http unless told so.
  const { 'proxy-url': _, ...direct } = cluster
  const isPlain = cluster.server.startsWith('http:')
  const name = 'used'
  const config = new KubeConfig()
  const options: RequestOptions = {}
  try {
    config.loadFromString(
      JSON.stringify({
        'current-context': name,
        contexts: [{ name, context: { cluster: name, user: name } }],
        clusters: [{ name, cluster: isPlain ? { ...direct, 'insecure-skip-tls-verify': true } : direct }],
        users: [{ name, user }],
      }),
    )
    await config.applyToHTTPSOptions(options)
  } catch (error) {
    throw new CredentialsError(`${userPlace}: ${userProblem(user, error)}`)
  }
  const authenticators: readonly unknown[] = config['authenticators']
  const plugin = authenticators.find((authenticator) => authenticator instanceof ExecAuth)
  const credential = (plugin?.['tokenCache'] as Record<string, { status?: Fields }> | undefined)?.[name]
  const expiresAtMs = Date.parse(String(credential?.status?.['expirationTimestamp']))
  return { options, expiresAtMs: Number.isNaN(expiresAtMs) ? undefined : expiresAtMs }
}

/** A parser's message quotes what it could not parse, which may be a token. */
function userProblem(user: Fields, error: unknown): string {
  const { exec, 'auth-provider': provider } = user
  if (isFields(exec)) {
    const plugin = `exec plugin ${String(exec['command'])}`
    if (error instanceof SyntaxError) return `${plugin}: its output is not JSON`
    if (error instanceof TypeError) return `${plugin}: its output is not an ExecCredential with a status`
    return `${plugin}: ${systemReason(error) || 'failed without a message'}`
  }
  const name = isFields(provider) ? `auth-provider ${String(provider['name'])}: ` : ''
  if (error instanceof SyntaxError) return `${name}something is not JSON`
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${systemReason(error.cause)}` : ''
  return `${name}${systemReason(error)}${cause}`
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
