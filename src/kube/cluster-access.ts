import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { dirname, resolve, sep } from 'node:path'
import { CredentialsError } from './credentials.ts'
import type { CredentialFile, CredentialsRequest } from './credentials.ts'
import { isFields } from './fields.ts'
import type { Fields } from './fields.ts'
import { readableFile, readKubeconfig } from './kubeconfig.ts'

const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount'

/** A cluster and a user in a kubeconfig's words, put so that the library reads them as kubectl does. */
export interface ClusterAccess {
  readonly cluster: Fields & { readonly server: string }
  readonly user: Fields
  /** How messages about them begin. */
  readonly clusterPlace: string
  readonly userPlace: string
  readonly files: readonly CredentialFile[]
}

/** Who is asked, and as whom. Throws CredentialsError when that is not said, or a file that is named cannot be read. */
export function findAccess({ kubeconfig, master, rootDirectory = '' }: CredentialsRequest): ClusterAccess {
  if (kubeconfig !== '') return kubeconfigAccess(kubeconfig, master)
  if (master === '') return serviceAccountAccess(rootDirectory)
  const cluster = { server: parseServer('master', master, false) }
  return { cluster, user: {}, clusterPlace: 'master', userPlace: 'master', files: [] }
}

function kubeconfigAccess(path: string, master: string): ClusterAccess {
  const { cluster, user, ...found } = readKubeconfig(path)
  const server = master === '' ? cluster['server'] : master
  if (typeof server !== 'string' || server === '')
    throw new CredentialsError(`${found.clusterPlace}: server is missing`)
  const hasTls =
    ['certificate-authority', 'certificate-authority-data', 'insecure-skip-tls-verify'].some(
      (field) => cluster[field],
    ) || ['client-certificate', 'client-certificate-data'].some((field) => user[field])
  const place = master === '' ? `${found.clusterPlace}: server` : 'master'
  const described = { ...cluster, server: parseServer(place, server, hasTls) }
  return { ...found, cluster: described, user: understoodUser(user, described, dirname(resolve(path))) }
}

/** What a pod gets from the kubelet. */
function serviceAccountAccess(rootDirectory: string): ClusterAccess {
  const place = 'in-cluster configuration'
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env
  if (!host || !port) {
    const missing = host ? 'KUBERNETES_SERVICE_PORT' : 'KUBERNETES_SERVICE_HOST'
    throw new CredentialsError(
      `${place}: the environment has no ${missing}; outside of a pod a kubeconfig or a master is needed`,
    )
  }
  const directory = `${rootDirectory}${serviceAccountDirectory}`
  const token = readableFile(`${place}: ${directory}/token`, `${directory}/token`)
  const ca = readableFile(`${place}: ${directory}/ca.crt`, `${directory}/ca.crt`)
  const server = parseServer(place, `https://${isIPv6(host) ? `[${host}]` : host}:${port}`, true)
  return {
    cluster: { server, 'certificate-authority': ca.path },
    user: tokenFileUser(token.path),
    clusterPlace: place,
    userPlace: place,
    files: [token, ca],
  }
}

/** A server without a scheme is spoken to with TLS when there is anything that tells how. */
function parseServer(place: string, server: string, hasTls: boolean): string {
  const url = URL.parse(/^[a-z0-9]+:\/\//i.test(server) ? server : `${hasTls ? 'https' : 'http'}://${server}`)
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new CredentialsError(`${place}: is not an http or https URL`)
  }
  return url.href.replace(/\/$/, '')
}

/** Says in other words what the library reads otherwise than kubectl, or not at all. */
function understoodUser(user: Fields, cluster: Fields, directory: string): Fields {
  const { tokenFile, exec, ...rest } = user
  if (tokenFile !== undefined) return { ...rest, ...tokenFileUser(tokenFile), token: undefined }
  if (!isFields(exec)) return rest
  const { command, args, env } = exec
  const isPath = typeof command === 'string' && command.includes(sep)
  const info = { name: 'KUBERNETES_EXEC_INFO', value: execInfo(exec, cluster) }
  return {
    ...rest,
    exec: {
      ...exec,
      command: isPath ? resolve(directory, command) : command,
      args: args ?? [],
      env: [...(Array.isArray(env) ? (env as readonly unknown[]) : []), info],
    },
  }
}

function tokenFileUser(tokenFile: unknown): Fields {
  return { 'auth-provider': { name: 'tokenFile', config: { tokenFile } } }
}

/** An ExecCredential of client.authentication.k8s.io, which tells a plugin what it is asked for. */
function execInfo(exec: Fields, cluster: Fields): string {
  const { server, extensions } = cluster
  const caPath = cluster['certificate-authority']
  const extension: unknown = Array.isArray(extensions)
    ? extensions.find((item: unknown) => isFields(item) && item['name'] === 'client.authentication.k8s.io/exec')
    : undefined
  const described = {
    server,
    'tls-server-name': cluster['tls-server-name'],
    'insecure-skip-tls-verify': cluster['insecure-skip-tls-verify'],
    'certificate-authority-data':
      typeof caPath === 'string' ? readFileSync(caPath, 'base64') : cluster['certificate-authority-data'],
    'proxy-url': cluster['proxy-url'],
    config: isFields(extension) ? extension['extension'] : undefined,
  }
  const spec = { interactive: false, ...(exec['provideClusterInfo'] === true && { cluster: described }) }
  return JSON.stringify({ apiVersion: exec['apiVersion'], kind: 'ExecCredential', spec })
}
