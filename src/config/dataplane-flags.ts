import { type Cidr, cidrFamily, parseCidr } from '../model/cidr.ts'
import type { Family } from '../model/ip.ts'
import { ConfigError } from './errors.ts'

/** How packets from local pods are told apart. `cluster-cidr` without a range for a family means: not at all. */
export type DetectLocal =
  | { readonly mode: 'cluster-cidr'; readonly cidrs: CidrByFamily }
  | { readonly mode: 'node-cidr' }
  | { readonly mode: 'bridge'; readonly interfaceName: string }
  | { readonly mode: 'interface-prefix'; readonly prefix: string }

/** The first range of each family. */
export type CidrByFamily = Readonly<Partial<Record<Family, Cidr>>>

/** What the flags that shape the rules say, for both families. */
export type DataplaneConfig = {
  readonly detectLocal: DetectLocal
  readonly masqueradeAll: boolean
  readonly masqueradeMark: number
  /** `primary`: the Node's main address of each family. Ranges: the Node's addresses in them. None: all addresses. */
  readonly nodePortAddresses: 'primary' | readonly Cidr[]
}

/** Flags as they stand on the command line; their names are kube-proxy's. */
export type DataplaneFlags = {
  readonly clusterCidr?: string
  readonly detectLocalMode?: string
  readonly podBridgeInterface?: string
  readonly podInterfaceNamePrefix?: string
  readonly masqueradeAll?: boolean
  readonly masqueradeBit?: string
  readonly nodeportAddresses?: string
}

/** Checks the flags. Throws ConfigError. */
export function dataplaneConfig(flags: DataplaneFlags): DataplaneConfig {
  return {
    detectLocal: detectLocal(flags),
    masqueradeAll: flags.masqueradeAll ?? false,
    masqueradeMark: masqueradeMark(flags.masqueradeBit ?? '14'),
    nodePortAddresses: nodePortAddresses(flags.nodeportAddresses ?? 'primary'),
  }
}

/** The first range of each family. */
export function firstOfEachFamily(cidrs: readonly Cidr[]): CidrByFamily {
  const found: Partial<Record<Family, Cidr>> = {}
  for (const cidr of cidrs) found[cidrFamily(cidr)] ??= cidr
  return found
}

function detectLocal(flags: DataplaneFlags): DetectLocal {
  const { detectLocalMode = 'ClusterCIDR', podBridgeInterface = '', podInterfaceNamePrefix = '' } = flags
  switch (detectLocalMode) {
    case 'ClusterCIDR':
      return { mode: 'cluster-cidr', cidrs: firstOfEachFamily(cidrList('--cluster-cidr', flags.clusterCidr ?? '')) }
    case 'NodeCIDR':
      return { mode: 'node-cidr' }
    case 'BridgeInterface':
      return { mode: 'bridge', interfaceName: interfaceName('--pod-bridge-interface', podBridgeInterface) }
    case 'InterfaceNamePrefix':
      return { mode: 'interface-prefix', prefix: interfaceName('--pod-interface-name-prefix', podInterfaceNamePrefix) }
    default:
      throw new ConfigError(
        '--detect-local-mode',
        `"${detectLocalMode}" is none of ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix`,
      )
  }
}

/** IFNAMSIZ is 16 with the final zero. */
function interfaceName(flag: string, text: string): string {
  if (text === '') throw new ConfigError(flag, 'is needed for this --detect-local-mode')
  if (Buffer.byteLength(text) > 15)
    throw new ConfigError(flag, `"${text}" is longer than the 15 bytes of an interface name`)
  return text
}

function nodePortAddresses(text: string): 'primary' | readonly Cidr[] {
  return text.trim() === 'primary' ? 'primary' : cidrList('--nodeport-addresses', text)
}

function cidrList(flag: string, text: string): readonly Cidr[] {
  return text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const cidr = parseCidr(part)
      if (cidr === undefined)
        throw new ConfigError(flag, `"${part.trim()}" is not an IP address range such as 10.244.0.0/16`)
      return cidr
    })
}

function masqueradeMark(text: string): number {
  const bit = Number(text)
  if (!/^\d+$/.test(text) || bit > 31)
    throw new ConfigError('--masquerade-bit', `"${text}" is not a bit number from 0 to 31`)
  return (1 << bit) >>> 0
}
