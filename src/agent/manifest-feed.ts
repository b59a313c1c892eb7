import type { Logger } from 'pino'
import { formatProblem } from '../kube/manifest-problem.ts'
import { ManifestSource } from '../kube/manifest-source.ts'
import type { ObjectEvent } from '../kube/types.ts'
import type { Proxier } from './proxier.ts'

export type ManifestFeedOptions = {
  /** A file or a directory. */
  readonly manifests: string
  readonly proxier: Proxier
  readonly log: Logger
  /** Called with the events that the proxier was told of. */
  readonly onEvents?: (events: readonly ObjectEvent[]) => void
  readonly signal: AbortSignal
}

/**
 * Tells the proxier what a directory of manifests says, and follows it until the signal is aborted. Resolves false, and
 * the proxier will program nothing, when the path, or a file there, could not be read: what it says may be in force from
 * an earlier run, and without it the table would lose that.
 */
export async function feedManifests(options: ManifestFeedOptions): Promise<boolean> {
  const { manifests, proxier, log, onEvents, signal } = options
  let [isSynced, hasUnreadable] = [false, false]
  const source = new ManifestSource({
    path: manifests,
    onChanges: (events) => {
      proxier.apply(events)
      onEvents?.(events)
    },
    onSynced: () => {
      isSynced = true
    },
    onProblem: (problem) => {
      if (problem.severity === 'error') hasUnreadable = true
      log[problem.severity === 'error' ? 'error' : 'warn'](formatProblem(problem))
    },
    signal,
  })
  await source.start()
  if (!isSynced || hasUnreadable) {
    source.close()
    return false
  }
  proxier.onServiceSynced()
  proxier.onEndpointSlicesSynced()
  return true
}
