import type { ClusterSize } from '../cluster.ts'
import type { PausesResult } from './pauses.ts'
import type { Measured, TrialResult } from './trial.ts'

/** Both proxies at one size. */
export type PeerRow = ClusterSize & { readonly ours: TrialResult; readonly peer: TrialResult }

/** What bench/peer.json has. */
export type PeerResults = {
  /** When, in which machine, and which kube-proxy. */
  readonly madeAt: string
  readonly machine: string
  readonly peerVersion: string
  readonly rows: readonly PeerRow[]
  readonly pauses: readonly PausesResult[]
}

/** What was measured at a size; undefined when it was not. */
export function measuredAt(results: PeerResults, which: 'ours' | 'peer', size: ClusterSize): Measured | undefined {
  const found = results.rows.find((row) => row.services === size.services && row.endpoints === size.endpoints)?.[which]
  return found?.outcome === 'measured' ? found : undefined
}
