/* All packet tables, by the letter that the ids of their rows begin with. */
import type { Scenario } from './table.ts'
import { clusterIpBasics, guardRails } from './tables/cluster-ips.ts'
import { detectors, masqueradeMatrix } from './tables/masquerading.ts'
import { mixedCluster } from './tables/mixed-cluster.ts'
import { hostNetwork } from './tables/host-network.ts'
import { noEndpoints } from './tables/no-endpoints.ts'
import { nodePorts } from './tables/node-ports.ts'
import { externalPolicy, internalPolicy } from './tables/policies.ts'
import { shortCircuits } from './tables/short-circuits.ts'
import { sourceRanges } from './tables/source-ranges.ts'
import { terminating } from './tables/terminating.ts'

export const tables: Readonly<Record<string, readonly Scenario[]>> = {
  N: noEndpoints,
  C: clusterIpBasics,
  L: sourceRanges,
  P: nodePorts,
  X: externalPolicy,
  I: internalPolicy,
  T: terminating,
  M: masqueradeMatrix,
  F: mixedCluster,
  G: guardRails,
  S: shortCircuits,
  D: detectors,
  H: hostNetwork,
}
