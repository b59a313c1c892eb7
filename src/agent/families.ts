import { readFileSync } from 'node:fs'
import type { Family } from '../model/ip.ts'

/** The IP families that this kernel has: IPv4 always, IPv6 unless it is missing or disabled for all interfaces. */
export function supportedFamilies(): readonly Family[] {
  return hasIpv6() ? ['IPv4', 'IPv6'] : ['IPv4']
}

function hasIpv6(): boolean {
  try {
    readFileSync('/proc/net/if_inet6')
    return readFileSync('/proc/sys/net/ipv6/conf/all/disable_ipv6', 'utf8').trim() !== '1'
  } catch {
    return false
  }
}
