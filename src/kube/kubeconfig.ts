import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { CredentialsError, fileSignature } from './credentials.ts'
import type { CredentialFile } from './credentials.ts'
import { isFields } from './fields.ts'
import type { Fields } from './fields.ts'
import { systemReason } from './system-reason.ts'

/** The current context of a kubeconfig: its cluster and its user as the file has them, all paths absolute. */
export interface KubeconfigContext {
  readonly cluster: Fields
  readonly user: Fields
  /** How messages begin that are about them: `kubeconfig /etc/kubeconfig: user proxy`. */
  readonly clusterPlace: string
  readonly userPlace: string
  readonly files: readonly CredentialFile[]
}

/** Fields that name a file, each with the field that has its content and wins. */
const clusterFiles = { 'certificate-authority': 'certificate-authority-data' }
const userFiles = { 'client-certificate': 'client-certificate-data', 'client-key': 'client-key-data', tokenFile: '' }
/** Ignoring one of these would mean to act as somebody else than the file says. */
const unsupportedFields = ['as-groups', 'as-uid', 'as-user-extra']

/** Reads the file, and sees that all files can be read that its current context names. Throws CredentialsError. */
export function readKubeconfig(path: string): KubeconfigContext {
  const place = `kubeconfig ${path}`
  const own: CredentialFile = { path: resolve(path), signature: fileSignature(path) }
  const config = parseKubeconfig(place, path, readText(place, path))
  const current = config['current-context']
  if (typeof current !== 'string' || current === '') throw new CredentialsError(`${place}: current-context is missing`)
  const context = namedEntry(place, config, 'context', current)
  const clusterName = context['cluster']
  if (typeof clusterName !== 'string') throw new CredentialsError(`${place}: context ${current}: cluster is missing`)
  const cluster = namedEntry(place, config, 'cluster', clusterName)
  const userName = context['user']
  const user = typeof userName === 'string' && userName !== '' ? namedEntry(place, config, 'user', userName) : {}
  const clusterPlace = `${place}: cluster ${clusterName}`
  const userPlace = `${place}: user ${String(userName)}`
  const unsupported = unsupportedFields.find((field) => user[field] !== undefined)
  if (unsupported !== undefined) throw new CredentialsError(`${userPlace}: ${unsupported} is not supported`)
  const directory = dirname(resolve(path))
  const located = locateFiles(clusterPlace, cluster, clusterFiles, directory)
  const locatedUser = locateFiles(userPlace, user, userFiles, directory)
  return {
    cluster: located.entry,
    user: locatedUser.entry,
    clusterPlace,
    userPlace,
    files: [own, ...located.files, ...locatedUser.files],
  }
}

/** The library's and the parser's own messages quote the text, which may be a password. */
function parseKubeconfig(place: string, path: string, text: string): Fields {
  const document = parseDocument(text, { prettyErrors: true })
  const start = document.errors[0]?.linePos?.[0]
  if (start !== undefined) throw new CredentialsError(`kubeconfig ${path}:${start.line}:${start.col}: is not YAML`)
  let config: unknown
  try {
    config = document.toJS()
  } catch {
    throw new CredentialsError(`${place}: is not YAML`)
  }
  if (!isFields(config)) throw new CredentialsError(`${place}: is not a kubeconfig`)
  return config
}

/** Entry `name` of the list `contexts`, `clusters` or `users`. */
function namedEntry(place: string, config: Fields, kind: 'context' | 'cluster' | 'user', name: string): Fields {
  const list = config[`${kind}s`]
  const found: unknown = Array.isArray(list)
    ? list.find((entry) => isFields(entry) && entry['name'] === name)
    : undefined
  if (!isFields(found)) throw new CredentialsError(`${place}: ${kind} ${name} is missing`)
  const entry = found[kind]
  if (kind === 'user' && (entry === undefined || entry === null)) return {}
  if (!isFields(entry)) throw new CredentialsError(`${place}: ${kind} ${name}: ${kind} is missing`)
  return entry
}

/** The entry with absolute paths, without those whose content the entry has itself. */
function locateFiles(
  place: string,
  entry: Fields,
  fileFields: Readonly<Record<string, string>>,
  directory: string,
): { readonly entry: Fields; readonly files: readonly CredentialFile[] } {
  const located: Record<string, unknown> = { ...entry }
  const files: CredentialFile[] = []
  for (const [field, contentField] of Object.entries(fileFields)) {
    const value = entry[field]
    if (typeof value !== 'string' || value === '' || entry[contentField]) {
      delete located[field]
      continue
    }
    const path = resolve(directory, value)
    files.push(readableFile(`${place}: ${field} ${path}`, path))
    located[field] = path
  }
  return { entry: located, files }
}

/** A file that was there to be read a moment ago. Throws CredentialsError. */
export function readableFile(place: string, path: string): CredentialFile {
  const signature = fileSignature(path)
  readText(place, path)
  return { path, signature }
}

function readText(place: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new CredentialsError(`${place}: ${systemReason(error)}`)
  }
}
