import { areSameCredentials, fileSignature } from './credentials.ts'
import type { CredentialsError, Credentials, CredentialsRequest } from './credentials.ts'
import { findCredentials } from './find-credentials.ts'

/** Finding out may take a process of half a second: not more often than this, except when a file has changed. */
const minIntervalMs = 5_000

export interface CredentialsCacheOptions {
  readonly request: CredentialsRequest
  /** Called when credentials cannot be renewed and the old ones stay in use; not again with the same reason. */
  readonly onProblem: (problem: CredentialsError) => void
  /** Milliseconds that only ever grow. */
  readonly now?: () => number
  /** Throws CredentialsError. */
  readonly find?: typeof findCredentials
}

/** Keeps credentials up to date: from files that change, and from plugins whose tokens expire. */
export class CredentialsCache {
  readonly #options: CredentialsCacheOptions
  readonly #now: () => number
  readonly #find: typeof findCredentials
  readonly #closing = new AbortController()
  #credentials: Credentials | undefined
  #renewal: Promise<void> | undefined
  #problem: CredentialsError | undefined
  #notBeforeMs = -Infinity

  constructor(options: CredentialsCacheOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#find = options.find ?? findCredentials
  }

  /** What to connect with now. Throws CredentialsError as long as there have never been any. */
  async current(): Promise<Credentials> {
    if (this.#credentials === undefined || this.#isOutdated(this.#credentials)) await this.#renew()
    if (this.#credentials !== undefined) return this.#credentials
    throw this.#problem
  }

  /** Others than these, which the API server does not take; undefined when there are none. */
  async insteadOf(refused: Credentials): Promise<Credentials | undefined> {
    if (this.#credentials !== undefined && areSameCredentials(this.#credentials, refused)) await this.#renew()
    const credentials = this.#credentials
    return credentials === undefined || areSameCredentials(credentials, refused) ? undefined : credentials
  }

  /** Gives up what is being found out. */
  close(): void {
    this.#closing.abort()
  }

  #isOutdated({ files, expiresAtMs }: Credentials): boolean {
    if (expiresAtMs !== undefined && expiresAtMs <= Date.now()) return true
    const hasChanged = files.some(({ path, signature }) => fileSignature(path) !== signature)
    // After a failure the interval holds for files too: a file that is gone stays changed.
    if (hasChanged && this.#problem === undefined) this.#notBeforeMs = -Infinity
    return hasChanged
  }

  async #renew(): Promise<void> {
    if (this.#renewal === undefined && this.#now() < this.#notBeforeMs) return
    const isFirst = this.#credentials === undefined
    this.#renewal ??= this.#replace().finally(() => {
      if (!isFirst || this.#problem !== undefined) this.#notBeforeMs = this.#now() + minIntervalMs
      this.#renewal = undefined
    })
    await this.#renewal
  }

  async #replace(): Promise<void> {
    try {
      this.#credentials = await this.#find(this.#options.request, this.#closing.signal)
      this.#problem = undefined
    } catch (error) {
      const problem = error as CredentialsError
      const isNews = this.#credentials !== undefined && problem.message !== this.#problem?.message
      this.#problem = problem
      if (isNews && !this.#closing.signal.aborted) this.#options.onProblem(problem)
    }
  }
}
