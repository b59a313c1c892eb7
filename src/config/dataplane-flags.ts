import { type Cidr, cidrFamily, parseCidr } from '../model/cidr.ts'
import type { Family } from '../model/ip.ts'
import { ConfigError } from './errors.ts'

/** What the flags that shape the rules say, for both families. */
export type DataplaneConfig = {
  readonly clusterCidrs: Readonly<Partial<Record<Family, Cidr>>>
  readonly masqueradeAll: boolean
  readonly masqueradeMark: number
}

/** Flags as they stand on the command line. */
export type DataplaneFlags = {
  readonly clusterCidr?: string
  readonly masqueradeAll?: boolean
  readonly masqueradeBit?: string
}

/** Checks the flags. Of several cluster CIDRs of one family the first counts. Throws ConfigError. */
export function dataplaneConfig(flags: DataplaneFlags): DataplaneConfig {
  return {
    clusterCidrs: clusterCidrs(flags.clusterCidr ?? ''),
    masqueradeAll: flags.masqueradeAll ?? false,
    masqueradeMark: masqueradeMark(flags.masqueradeBit ?? '14'),
  }
}

function clusterCidrs(text: string): Partial<Record<Family, Cidr>> {
  const found: Partial<Record<Family, Cidr>> = {}
  for (const entry of text.split(',').filter((part) => part.trim() !== '')) {
    const cidr = parseCidr(entry)
    if (cidr === undefined)
      throw new ConfigError('--cluster-cidr', `"${entry}" is not an IP address range such as 10.244.0.0/16`)
    found[cidrFamily(cidr)] ??= cidr
  }
  return found
}

function masqueradeMark(text: string): number {
  const bit = Number(text)
  if (!/^\d+$/.test(text) || bit > 31)
    throw new ConfigError('--masquerade-bit', `"${text}" is not a bit number from 0 to 31`)
  return (1 << bit) >>> 0
}
