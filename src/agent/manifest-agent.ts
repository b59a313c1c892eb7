import { formatProblem } from '../kube/manifest-problem.ts'
import { ManifestSource } from '../kube/manifest-source.ts'
import { Proxier, type ProxierOptions } from './proxier.ts'

export type ManifestAgentOptions = ProxierOptions & {
  /** A file or a directory. */
  readonly manifests: string
}

/** Keeps the kernel as a directory of manifests says. Rules stay in force when it is closed. */
export class ManifestAgent {
  readonly proxier: Proxier
  readonly #source: ManifestSource
  readonly #stop = new AbortController()
  #running: Promise<unknown> = Promise.resolve()
  #isSynced = false
  #hasUnreadable = false

  /** Throws NetlinkError as `Proxier` does. */
  constructor(options: ManifestAgentOptions) {
    const { log, manifests } = options
    this.proxier = new Proxier(options)
    this.#source = new ManifestSource({
      path: manifests,
      onChanges: (events) => this.proxier.apply(events),
      onSynced: () => {
        this.#isSynced = true
      },
      onProblem: (problem) => {
        if (problem.severity === 'error') this.#hasUnreadable = true
        log[problem.severity === 'error' ? 'error' : 'warn'](formatProblem(problem))
      },
      signal: this.#stop.signal,
    })
  }

  /**
   * Reads the manifests, begins to program the kernel, and from then on follows changes by itself.
   * Resolves false, and will program nothing, when the path, or a file there, could not be read.
   */
  async start(): Promise<boolean> {
    await this.#source.start()
    // What a file says that cannot be read may be in force from an earlier run: without it the table would lose that.
    if (!this.#isSynced || this.#hasUnreadable) return false
    this.proxier.onServiceSynced()
    this.proxier.onEndpointSlicesSynced()
    this.#running = this.proxier.syncLoop(this.#stop.signal)
    return true
  }

  /** Stops following; a sync that is going on is finished. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#source.close()
    await this.#running
    this.proxier.close()
  }
}
