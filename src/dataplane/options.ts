import type { Cidr } from '../model/cidr.ts'
import type { Family } from '../model/ip.ts'

/** What decides the fixed part of a table. */
export type DataplaneOptions = {
  readonly family: Family
  /** The packet mark that asks for masquerading; one bit. */
  readonly masqueradeMark: number
  /** Masquerade everything that goes to a cluster IP, whoever sends it. */
  readonly masqueradeAll: boolean
  /** Senders in this range are pods and need no masquerading; without it nobody counts as "from outside". */
  readonly clusterCidr?: Cidr
}
