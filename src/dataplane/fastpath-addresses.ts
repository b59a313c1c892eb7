import type { IpAddress } from '../model/ip.ts'
import type { ServicePort } from '../model/service-port.ts'
import { frontendAddresses } from './frontend.ts'
import { fastpathProtocols } from './names.ts'

/**
 * The dialled addresses by which the fast path knows connections through Services where the kernel has no labels, each
 * once; `nodePortIps` take node ports. An address tells no port: one that a Service shares with another that stays out
 * of the fast path is left out, so that staying out holds.
 */
export function fastpathAddresses(
  ports: Iterable<ServicePort>,
  nodePortIps: readonly IpAddress[],
): readonly IpAddress[] {
  const [taken, kept] = [new Set<IpAddress>(), new Set<IpAddress>()]
  for (const port of ports) {
    if (!fastpathProtocols.has(port.protocol)) continue
    const addresses = port.usesFastpath ? taken : kept
    for (const frontend of frontendAddresses(port)) {
      if (frontend.kind === 'ip') addresses.add(frontend.ip)
      else for (const ip of nodePortIps) addresses.add(ip)
    }
  }
  return [...taken].filter((ip) => !kept.has(ip))
}
