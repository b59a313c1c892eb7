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
  const [username, password] = [text(user, 'username'), text(user, 'password')]
  const tokenFile = tokenFilePath(user)
  const token = tokenFile === undefined ? text(user, 'token') : readFileSync(tokenFile, 'utf8')
  const servername = text(cluster, 'tls-server-name')
  return {
    ...pem('ca', cluster, 'certificate-authority'),
    ...pem('cert', user, 'client-certificate'),
    ...pem('key', user, 'client-key'),
    ...(servername !== '' && { servername }),
    ...(token !== '' && { headers: { Authorization: `Bearer ${token}` } }),
    ...(token === '' && username !== '' && { auth: `${username}:${password}` }),
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
  const [path, content] = [text(entry, field), text(entry, `${field}-data`)]
  if (path !== '') return { [option]: readFileSync(path) }
  return content === '' ? {} : { [option]: Buffer.from(content, 'base64') }
}

function text(fields: Fields, name: string): string {
  const value = fields[name]
  return typeof value === 'string' ? value : ''
}
