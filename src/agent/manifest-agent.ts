import { feedManifests } from './manifest-feed.ts'
import { Proxier, type ProxierOptions } from './proxier.ts'

export type ManifestAgentOptions = ProxierOptions & {
  /** A file or a directory. */
  readonly manifests: string
}

/** A proxier that follows a directory of manifests, and nothing around it. Rules stay in force when it is closed. */
export class ManifestAgent {
  readonly #options: ManifestAgentOptions
  readonly #proxier: Proxier
  readonly #stop = new AbortController()
  #running: Promise<unknown> = Promise.resolve()

  /** Throws NetlinkError as `Proxier` does. */
  constructor(options: ManifestAgentOptions) {
    this.#options = options
    this.#proxier = new Proxier(options)
  }

  /** Begins to program the kernel. Resolves false, and will program nothing, when not all could be read. */
  async start(): Promise<boolean> {
    const { manifests, log } = this.#options
    const isRead = await feedManifests({ manifests, log, proxier: this.#proxier, signal: this.#stop.signal })
    if (isRead) this.#running = this.#proxier.syncLoop(this.#stop.signal)
    return isRead
  }

  /** Stops following; a sync that is going on is finished. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
    this.#proxier.close()
  }
}
