import { KubeApiError } from './api.ts'
import type { Clock } from './clock.ts'

/** The code of a system call's error, as in ECONNREFUSED; not those of TLS and of Node.js. */
const systemErrorCode = /^E[A-Z0-9]+$/

/** One line for the log. */
export interface ApiProblem {
  /** `error`: somebody has to act. `warning`: tried again until it works. `info`: all is well (again). */
  readonly severity: 'error' | 'warning' | 'info'
  readonly message: string
}

export interface ConnectionHealthOptions {
  /** What the connection is for, as in `services`. */
  readonly name: string
  readonly clock: Clock
  readonly onProblem: (problem: ApiProblem) => void
}

/** Whether a resource can be followed at the moment. Reports each kind of failure once in an outage, and its end. */
export class ConnectionHealth {
  readonly #options: ConnectionHealthOptions
  readonly #reported = new Set<string>()
  #isConnected = false
  #sinceMs: number
  #lastError: string | undefined

  constructor(options: ConnectionHealthOptions) {
    this.#options = options
    this.#sinceMs = options.clock.now()
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  /** Since when it is as it is, by the clock. */
  get sinceMs(): number {
    return this.#sinceMs
  }

  get lastError(): string | undefined {
    return this.#lastError
  }

  /** How long all has been well. */
  get healthyMs(): number {
    return this.#isConnected ? this.#options.clock.now() - this.#sinceMs : 0
  }

  succeed(): void {
    if (this.#isConnected) return
    const { name, clock, onProblem } = this.#options
    const seconds = Math.round((clock.now() - this.#sinceMs) / 1_000)
    this.#change(true)
    if (this.#reported.size === 0) return
    this.#reported.clear()
    onProblem({ severity: 'info', message: `${name}: connected again after ${seconds} s` })
  }

  /** As `failQuietly`, and reported. */
  fail(error: Error): void {
    const { name, onProblem } = this.#options
    this.failQuietly(error)
    const kind = kindOf(error)
    if (this.#reported.has(kind)) return
    this.#reported.add(kind)
    const isRefusal = error instanceof KubeApiError && [401, 403, 404].includes(error.status)
    const severity = isRefusal ? 'error' : 'warning'
    const message = `${name}: ${error.message}; tried again until it works, what is known stays in force`
    onProblem({ severity, message })
  }

  failQuietly(error: Error): void {
    this.#lastError = error.message
    if (this.#isConnected) this.#change(false)
  }

  #change(isConnected: boolean): void {
    this.#isConnected = isConnected
    this.#sinceMs = this.#options.clock.now()
  }
}

/** A server that restarts resets connections, then refuses them, then takes its time: that is one thing. */
function kindOf(error: Error): string {
  if (!(error instanceof KubeApiError)) return error.name
  const isUnreachable = error.status === 0 && systemErrorCode.test(error.reason)
  return isUnreachable ? 'unreachable' : `${error.status} ${error.reason}`
}
