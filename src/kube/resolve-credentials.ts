/** Runs in the credentials process: loading the library takes 80 MB. */
import type { RequestOptions } from 'node:https'
import { type Authentication, credentialsFor } from './access-credentials.ts'
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
  return credentialsFor(access, await authenticate(access))
}

/** Lets the library do what the user's fields ask for. */
async function authenticate({ cluster, user, userPlace }: ClusterAccess): Promise<Authentication> {
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
