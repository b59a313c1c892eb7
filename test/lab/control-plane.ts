/*
 * A Kubernetes control plane as far as a service proxy sees it: etcd and kube-apiserver, real ones, in a temporary
 * directory and in the network namespace of the thread that starts them. There are no controllers: what they would make
 * (EndpointSlices, tokens' ServiceAccounts, the status of ServiceCIDRs) is made by the tests.
 */
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { collectionPath, type KubernetesObject, objectPath, type ObjectReference } from './api-objects.ts'
import { type Certificate, certificateAuthority, clientCertificate, serverCertificate } from './certificates.ts'
import { eventually } from './eventually.ts'
import { goTool, goToolchain } from './go-tools.ts'
import { freePort, Program } from './long-program.ts'
import { type Requirement, tool } from './requirements.ts'

/** What a suite with a control plane needs. */
export const controlPlane: Requirement = () => {
  const missing = [...goToolchain, tool('openssl'), tool('setpriv')].map((requirement) => requirement())
  return missing.find((reason) => reason !== undefined)
}

/** An answer of the API server that is no success; `status` is HTTP's. */
export class ApiServerError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'ApiServerError'
    this.status = status
  }
}

/** A request that the API server has answered, in RBAC's words; `resource` includes a subresource. */
export type ApiRequest = {
  readonly verb: string
  readonly apiGroup: string
  readonly resource: string
  readonly status: number
}

export type ControlPlaneOptions = {
  /** An address of this network namespace, at which Pods would find the API server. */
  readonly address?: string
  readonly serviceCidrs?: readonly string[]
}

/** etcd and an API server that can be killed and started again; RBAC decides, and we are `system:masters`. */
export class ControlPlane {
  /** Holds everything; gone after `close`. */
  readonly directory: string
  readonly url: string
  readonly authority: Certificate
  readonly #etcdUrl: string
  readonly #etcd: Program
  readonly #apiServerCommand: readonly [path: string, ...args: string[]]
  readonly #auditLog: string
  readonly #adminCertificate: Certificate
  readonly #admin: { readonly cert: Buffer; readonly key: Buffer; readonly ca: Buffer }
  #apiServer: Program | undefined

  private constructor({ directory, address, serviceCidrs, ports, programs }: Surroundings) {
    this.directory = directory
    this.url = `https://${address}:${ports.apiServer}`
    this.#etcdUrl = `http://127.0.0.1:${ports.etcd}`
    this.authority = certificateAuthority(directory)
    this.#adminCertificate = this.clientCertificate({ user: 'admin', group: 'system:masters' })
    const { certFile, keyFile } = this.#adminCertificate
    this.#admin = {
      cert: readFileSync(certFile),
      key: readFileSync(keyFile),
      ca: readFileSync(this.authority.certFile),
    }
    const server = serverCertificate(directory, this.authority, [`IP:${address}`, 'IP:127.0.0.1', 'DNS:localhost'])
    const accountKeyFile = join(directory, 'service-accounts.key')
    writeFileSync(accountKeyFile, serviceAccountKey())
    this.#auditLog = join(directory, 'audit.log')
    const auditPolicyFile = join(directory, 'audit-policy.json')
    writeFileSync(auditPolicyFile, JSON.stringify(auditPolicy))
    const peerUrl = `http://127.0.0.1:${ports.etcdPeers}`
    this.#apiServerCommand = [
      programs.apiServer,
      `--etcd-servers=${this.#etcdUrl}`,
      '--bind-address=0.0.0.0',
      `--advertise-address=${address}`,
      `--secure-port=${ports.apiServer}`,
      `--tls-cert-file=${server.certFile}`,
      `--tls-private-key-file=${server.keyFile}`,
      `--client-ca-file=${this.authority.certFile}`,
      `--service-cluster-ip-range=${serviceCidrs.join(',')}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-signing-key-file=${accountKeyFile}`,
      `--service-account-key-file=${accountKeyFile}`,
      '--authorization-mode=RBAC',
      '--allow-privileged',
      `--audit-log-path=${this.#auditLog}`,
      `--audit-policy-file=${auditPolicyFile}`,
      // A loopback address cannot be an endpoint of the Service default/kubernetes.
      `--endpoint-reconciler-type=${address.startsWith('127.') ? 'none' : 'lease'}`,
    ]
    this.#etcd = new Program(programs.etcd, [
      `--data-dir=${join(directory, 'etcd')}`,
      '--unsafe-no-fsync',
      `--listen-client-urls=${this.#etcdUrl}`,
      `--advertise-client-urls=${this.#etcdUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=default=${peerUrl}`,
    ])
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  }

  /** Starts both and waits until the API server is ready, which takes about three seconds. */
  static async start({
    address = '127.0.0.1',
    serviceCidrs = ['10.96.0.0/16'],
  }: ControlPlaneOptions = {}): Promise<ControlPlane> {
    const plane = new ControlPlane({
      address,
      serviceCidrs,
      programs: { etcd: await goTool('etcd'), apiServer: await goTool('kube-apiserver') },
      ports: { etcd: await freePort(), etcdPeers: await freePort(), apiServer: await freePort() },
      directory: await mkdtemp(join(tmpdir(), 'flowproxy-control-plane-')),
    })
    try {
      await plane.startApiServer()
    } catch (error) {
      await plane.close()
      throw error
    }
    return plane
  }

  /** Starts the API server, also with further flags, and waits until it is ready. */
  async startApiServer(...flags: readonly string[]): Promise<void> {
    const [path, ...args] = this.#apiServerCommand
    const server = (this.#apiServer = new Program(path, [...args, ...flags]))
    await eventually(
      async () => {
        if (server.hasExited) throw new Error(`the API server has ended:\n${server.lastOutput}`)
        return (await this.#isReady()) || undefined
      },
      () => `the API server to be ready, it said\n${server.lastOutput}`,
    )
  }

  /** Ends the API server as a crash does. */
  async killApiServer(): Promise<void> {
    await this.#apiServer?.end()
  }

  /** Sends a request and returns the parsed answer. Throws ApiServerError, and the socket's error. */
  async request(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<unknown> {
    const sent = request(`${this.url}${path}`, {
      ...this.#admin,
      method,
      agent: false,
      headers: { 'content-type': contentType },
    })
    const response = new Promise<{ status: number; body: string }>((resolve, reject) => {
      sent.on('error', reject)
      sent.on('response', (message) => {
        text(message).then((answer) => resolve({ status: message.statusCode ?? 0, body: answer }), reject)
      })
    })
    sent.end(body === undefined ? undefined : JSON.stringify(body))
    const { status, body: answer } = await response
    if (status >= 300) throw new ApiServerError(status, `${method} ${path}: ${status} ${answer}`)
    return answer.startsWith('{') ? JSON.parse(answer) : answer
  }

  /** Creates objects, one after another. */
  async create(...objects: readonly KubernetesObject[]): Promise<void> {
    for (const object of objects) await this.request('POST', collectionPath(object), object)
  }

  /** Changes the fields given; `null` removes one (a JSON merge patch). */
  async patch(reference: ObjectReference, change: object, subresource = ''): Promise<void> {
    await this.request('PATCH', `${objectPath(reference)}${subresource}`, change, 'application/merge-patch+json')
  }

  async delete(reference: ObjectReference): Promise<void> {
    await this.request('DELETE', objectPath(reference))
  }

  /** The path of a kubeconfig with our own rights, for kubectl. */
  adminKubeconfig(): string {
    const path = join(this.directory, 'admin.conf')
    const { certFile, keyFile } = this.#adminCertificate
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'lab', cluster: { server: this.url, 'certificate-authority': this.authority.certFile } }],
      users: [{ name: 'admin', user: { 'client-certificate': certFile, 'client-key': keyFile } }],
      contexts: [{ name: 'admin', context: { cluster: 'lab', user: 'admin' } }],
      'current-context': 'admin',
    }
    writeFileSync(path, JSON.stringify(config))
    return path
  }

  /** A client certificate that the API server accepts. */
  clientCertificate(subject: { readonly user: string; readonly group?: string }): Certificate {
    return clientCertificate(this.directory, this.authority, subject)
  }

  /** A token of a ServiceAccount, as the kubelet would ask for it; it ends with the account. */
  async token({ namespace, name }: AccountName): Promise<string> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`
    const spec = { expirationSeconds: 600 }
    const answer = await this.request('POST', path, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec,
    })
    return (answer as { readonly status: { readonly token: string } }).status.token
  }

  /** The requests that this ServiceAccount's or other user's clients have made so far. */
  async requestsOf(user: string): Promise<readonly ApiRequest[]> {
    const lines = (await readFile(this.#auditLog, 'utf8')).split('\n').slice(0, -1)
    return lines
      .map((line) => JSON.parse(line) as AuditEvent)
      .filter((event) => event.user.username === user)
      .map(({ verb, objectRef: { apiGroup = '', resource, subresource }, responseStatus: { code } }) => ({
        verb,
        apiGroup,
        resource: subresource === undefined ? resource : `${resource}/${subresource}`,
        status: code,
      }))
  }

  /** Makes etcd forget all earlier versions: whoever resumes a watch from one of them is told that it is gone. */
  async compact(): Promise<void> {
    const { header } = (await this.#askEtcd('/v3/kv/range', { key: anyKey })) as { header: { revision: string } }
    await this.#askEtcd('/v3/kv/compaction', { revision: header.revision, physical: true })
  }

  async close(): Promise<void> {
    await Promise.all([this.#apiServer?.end(), this.#etcd.end()])
    await rm(this.directory, { recursive: true, force: true })
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await this.request('GET', '/readyz')) === 'ok'
    } catch {
      return false
    }
  }

  /** etcd's own API, as JSON. */
  async #askEtcd(path: string, body: object): Promise<unknown> {
    const response = await fetch(`${this.#etcdUrl}${path}`, { method: 'POST', body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`etcd: ${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }
}

/** ServiceAccounts' requests for objects, when their answer begins. */
const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'None', nonResourceURLs: ['*'] },
    { level: 'Metadata', userGroups: ['system:serviceaccounts'] },
    { level: 'None' },
  ],
}

/** The fields that we read of audit.k8s.io/v1 Event. */
type AuditEvent = {
  readonly verb: string
  readonly user: { readonly username: string }
  readonly objectRef: { readonly apiGroup?: string; readonly resource: string; readonly subresource?: string }
  readonly responseStatus: { readonly code: number }
}

/** The first of all keys, in base64: nobody has it, but the answer tells the revision. */
const anyKey = 'AA=='

type AccountName = { readonly namespace: string; readonly name: string }

/** All that has to be waited for before anything can start. */
type Surroundings = Required<ControlPlaneOptions> & {
  readonly directory: string
  readonly ports: Readonly<Record<'etcd' | 'etcdPeers' | 'apiServer', number>>
  readonly programs: Readonly<Record<'etcd' | 'apiServer', string>>
}

/** The private key, in PEM form, that signs ServiceAccounts' tokens. */
function serviceAccountKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'sec1', format: 'pem' }).toString()
}
