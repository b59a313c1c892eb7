import type { DataplaneConfig } from '../config/dataplane-flags.ts'
import type { DataplaneOptions } from '../dataplane/options.ts'
import type { Family } from '../model/ip.ts'

/** The part of the configuration that concerns the table of one family. */
export function dataplaneOptions(family: Family, config: DataplaneConfig): DataplaneOptions {
  const clusterCidr = config.clusterCidrs[family]
  return {
    family,
    masqueradeAll: config.masqueradeAll,
    masqueradeMark: config.masqueradeMark,
    ...(clusterCidr === undefined ? {} : { clusterCidr }),
  }
}
