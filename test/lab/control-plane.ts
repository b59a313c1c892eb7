/*
 * A Kubernetes control plane as far as a service proxy sees it: etcd and kube-apiserver, real ones, in a temporary
 * directory and in the network namespace of the thread that starts them. There are no controllers: what they would make
 * (EndpointSlices, for one) is made by the tests.
 */
import { generateKeyPairSync } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ApiClient, apiClient } from './api-client.ts'
import { type ApiRequest, auditPolicy, requestsOf } from './audit-log.ts'
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

export type ControlPlaneOptions = {
  /** An address of this network namespace, at which Pods would find the API server. */
  readonly address?: string
  readonly serviceCidrs?: readonly string[]
}

/** etcd and an API server that can be killed and started again; RBAC decides who may do what. */
export class ControlPlane {
  /** Holds everything; gone after `close`. */
  readonly directory: string
  readonly url: string
  readonly authority: Certificate
  /** Acts as a cluster's administrator. */
  readonly api: ApiClient
  readonly #etcdUrl: string
  readonly #etcd: Program
  readonly #apiServerCommand: readonly [path: string, ...args: string[]]
  readonly #auditLog: string
  readonly #adminCertificate: Certificate
  #apiServer: Program | undefined

  private constructor({ directory, address, serviceCidrs, ports, programs }: Surroundings) {
    this.directory = directory
    this.url = `https://${address}:${ports.apiServer}`
    this.#etcdUrl = `http://127.0.0.1:${ports.etcd}`
    this.authority = certificateAuthority(directory)
    this.#adminCertificate = this.clientCertificate({ user: 'admin', group: 'system:masters' })
    this.api = apiClient(this.url, this.authority, this.#adminCertificate)
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

  /** The path of a kubeconfig of the administrator, for kubectl. */
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

  /** The requests that a ServiceAccount's clients have made so far. */
  requestsOf({ namespace, name }: AccountName): Promise<readonly ApiRequest[]> {
    return requestsOf(this.#auditLog, `system:serviceaccount:${namespace}:${name}`)
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
      return (await this.api.request('GET', '/readyz')) === 'ok'
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
