import type { ApiRequest, ApiResponse, KubeApi } from '../kube/api.ts'
import { KubeClient, type KubeClientOptions } from '../kube/client.ts'
import type { ProxyMetrics } from '../server/metrics.ts'

/** A connection whose requests are counted and timed. */
export class ApiConnection implements KubeApi {
  readonly #client: KubeClient
  readonly #metrics: ProxyMetrics
  #host = ''

  constructor(options: KubeClientOptions, metrics: ProxyMetrics) {
    this.#client = new KubeClient(options)
    this.#metrics = metrics
  }

  /** Resolves with the server's URL when there are credentials, without connecting. Throws CredentialsError. */
  async start(): Promise<string> {
    const server = await this.#client.start()
    this.#host = new URL(server).host
    return server
  }

  readonly send = async (request: ApiRequest): Promise<ApiResponse> => {
    const start = performance.now()
    let status = 0
    try {
      const response = await this.#client.send(request)
      status = response.status
      return response
    } finally {
      const durationMs = performance.now() - start
      const isOver = !request.signal.aborted
      if (isOver) this.#metrics.apiRequestEnded({ method: request.method, host: this.#host, status, durationMs })
    }
  }

  close(): void {
    this.#client.close()
  }
}
