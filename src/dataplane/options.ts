import type { Family, IpAddress } from '../model/ip.ts'
import type { LocalDetector } from './local-detector.ts'

/** What decides the fixed part of a table, and what elements need to know of this Node. */
export type DataplaneOptions = {
  readonly family: Family
  /** The packet mark that asks for masquerading; one bit. */
  readonly masqueradeMark: number
  /** Masquerade everything that goes to a cluster IP, whoever sends it. */
  readonly masqueradeAll: boolean
  /** How packets from local pods are told apart; without it nobody counts as "from outside". */
  readonly localDetector?: LocalDetector
  /** Node ports work on every address of this Node but loopback, or on the members of a set that is kept up to date. */
  readonly nodePortAddresses: 'all' | 'selected'
  /** This Node's main address: a source range that holds it lets the Node reach load-balancer IPs bound to itself. */
  readonly nodeIp?: IpAddress
  /** Connections through Services get this conntrack label, by which the fast path knows them. */
  readonly fastpath?: { readonly labelBit: number }
}
