import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { createInterface } from 'node:readline'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { ClusterSize } from '../cluster.ts'
import type { ServerStatistics } from '../apiserver/control.ts'
import type { WrittenChange } from '../apiserver/load.ts'
import type { EndpointAction } from '../apiserver/store.ts'

/** The simulated API server as a process of its own. */
export class ApiServerProcess {
  readonly url: string
  readonly certFile: string | undefined
  readonly #child: ChildProcess
  readonly #ca: Buffer | undefined

  private constructor(child: ChildProcess, { url, certFile }: { url: string; certFile?: string }) {
    this.#child = child
    this.url = url
    this.certFile = certFile
    this.#ca = certFile === undefined ? undefined : readFileSync(certFile)
  }

  /** Resolves when it listens and has made all its objects once, so that its code is compiled. */
  static async start({ services, endpoints }: ClusterSize, isTls: boolean): Promise<ApiServerProcess> {
    const script = fileURLToPath(new URL('../apiserver/main.ts', import.meta.url))
    const size = ['--services', String(services), '--endpoints', String(endpoints)]
    const args = ['--max-semi-space-size=4', script, ...size, '--listen', '127.0.0.1:0', ...(isTls ? ['--tls'] : [])]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    const server = new ApiServerProcess(child, JSON.parse(line) as { url: string; certFile?: string })
    for (const path of ['/api/v1/services', '/apis/discovery.k8s.io/v1/endpointslices']) await server.#send('GET', path)
    return server
  }

  async changeEndpoint(service: number, action: EndpointAction): Promise<WrittenChange> {
    return this.#json('POST', `/bench/services/${service}/endpoints`, { action })
  }

  /** A new Service with its endpoints; the address is its cluster IP. */
  async createService(): Promise<WrittenChange> {
    return this.#json('POST', '/bench/services')
  }

  /** Replaces endpoints at an even rate; resolves when all are. */
  async load(ratePerSecond: number, changes: number): Promise<readonly WrittenChange[]> {
    return this.#json('POST', '/bench/load', { ratePerSecond, changes })
  }

  async statistics(): Promise<ServerStatistics> {
    return this.#json('GET', '/bench/statistics')
  }

  async stop(): Promise<void> {
    const closed = once(this.#child, 'close')
    this.#child.kill()
    await closed
  }

  async #json<T>(method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
    return JSON.parse((await this.#send(method, path, body)).toString()) as T
  }

  async #send(method: 'GET' | 'POST', path: string, body?: object): Promise<Buffer> {
    const url = this.url + path
    const sent =
      this.#ca === undefined ? httpRequest(url, { method }) : httpsRequest(url, { method, ca: this.#ca, agent: false })
    sent.end(body === undefined ? undefined : JSON.stringify(body))
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    const answer = await buffer(response)
    if (response.statusCode !== 200) throw new Error(`${method} ${path}: ${response.statusCode} ${String(answer)}`)
    return answer
  }
}
