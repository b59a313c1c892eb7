import { type Family, familyOf, type IpAddress, parseIp } from './ip.ts'

/** The Node's main address of each family, and which of them is the first. */
export type NodeIps = {
  readonly primary: Family
  readonly ips: Readonly<Record<Family, IpAddress>>
}

export type NodeIpSources = {
  /** Takes the place of its family's address and makes it the primary one, unless it is unspecified. */
  readonly bindAddress?: IpAddress | undefined
  /** The Node object's status.addresses. */
  readonly nodeAddresses: readonly { readonly type: string; readonly address: string }[]
}

/**
 * The addresses by which a Node is known: the bind address, then the Node object's InternalIPs, then its ExternalIPs,
 * the first of each family. A family that none of them has gets its loopback address.
 */
export function nodeIps({ bindAddress, nodeAddresses }: NodeIpSources): NodeIps {
  const ofType = (wanted: string): readonly IpAddress[] =>
    nodeAddresses.flatMap(({ type, address }) => (type === wanted ? (parseIp(address) ?? []) : []))
  const bound = bindAddress === undefined || isUnspecified(bindAddress) ? [] : [bindAddress]
  const candidates = [...bound, ...ofType('InternalIP'), ...ofType('ExternalIP'), ...loopback]
  const firstOf = (family: Family): IpAddress => candidates.find((ip) => familyOf(ip) === family) as IpAddress
  return { primary: familyOf(candidates[0] as IpAddress), ips: { IPv4: firstOf('IPv4'), IPv6: firstOf('IPv6') } }
}

/** Stands for all addresses: 0.0.0.0 and ::. */
export function isUnspecified(ip: IpAddress): boolean {
  return ip === '0.0.0.0' || ip === '::'
}

const loopback = ['127.0.0.1', '::1'] as readonly string[] as readonly IpAddress[]
