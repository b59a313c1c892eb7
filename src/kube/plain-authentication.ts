import { readFileSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import type { ClusterAccess } from './cluster-access.ts'
import { isFields } from './fields.ts'
import type { Fields } from './fields.ts'

const plainFields: ReadonlySet<string> = new Set([
  'token',
  'username',
  'password',
  'client-certificate',
  'client-certificate-data',
  'client-key',
  'client-key-data',
  'auth-provider',
])

/**
 * What a user comes to who has a token, a file with one, a certificate or a password: nothing has to be asked for it.
 * Undefined for all others (exec plugins, OIDC, impersonation), which take the library and its 80 MB.
 */
export function plainAuthentication({ cluster, user }: ClusterAccess): RequestOptions | undefined {
  const given = Object.entries(user).filter(([, value]) => value !== undefined && value !== null && value !== '')
  if (!given.every(([field, value]) => plainFields.has(field) && isPlain(field, value))) return undefined
  const { username, password } = user
  const token = tokenFilePath(user) === undefined ? user['token'] : readFileSync(tokenFilePath(user) ?? '', 'utf8')
  return {
    ...pem('ca', cluster, 'certificate-authority'),
    ...pem('cert', user, 'client-certificate'),
    ...pem('key', user, 'client-key'),
    ...(typeof cluster['tls-server-name'] === 'string' && { servername: cluster['tls-server-name'] }),
    ...(token ? { headers: { Authorization: `Bearer ${String(token)}` } } : {}),
    ...(username && !token ? { auth: `${String(username)}:${String(password ?? '')}` } : {}),
  }
}

function isPlain(field: string, value: unknown): boolean {
  return field === 'auth-provider' ? tokenFilePath({ [field]: value }) !== undefined : typeof value === 'string'
}

/** As `cluster-access.ts` puts a tokenFile. */
function tokenFilePath(user: Fields): string | undefined {
  const provider = user['auth-provider']
  if (!isFields(provider) || provider['name'] !== 'tokenFile' || !isFields(provider['config'])) return undefined
  const { tokenFile } = provider['config']
  return typeof tokenFile === 'string' ? tokenFile : undefined
}

/** The content of a field, or of the file that another one names. */
function pem(option: 'ca' | 'cert' | 'key', entry: Fields, field: string): RequestOptions {
  const [path, content] = [entry[field], entry[`${field}-data`]]
  if (typeof path === 'string' && path !== '') return { [option]: readFileSync(path) }
  return typeof content === 'string' && content !== '' ? { [option]: Buffer.from(content, 'base64') } : {}
}
