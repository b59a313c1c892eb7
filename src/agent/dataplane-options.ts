import { type DataplaneConfig, firstOfEachFamily } from '../config/dataplane-flags.ts'
import type { LocalDetector } from '../dataplane/local-detector.ts'
import type { DataplaneOptions } from '../dataplane/options.ts'
import { parseCidr } from '../model/cidr.ts'
import type { Family, IpAddress } from '../model/ip.ts'
import { nodePortRanges } from './node-port-addresses.ts'

/** What is known of this Node when the table is laid out. */
export type NodeFacts = {
  /** The Node's main address of each family that has one which others can reach. */
  readonly ips: Readonly<Partial<Record<Family, IpAddress>>>
  readonly podCidrs: readonly string[]
  /** The conntrack label by which the fast path knows connections through Services; without it none gets one. */
  readonly fastpathLabelBit?: number | undefined
}

/** The part of the configuration that concerns the table of one family. */
export function dataplaneOptions(family: Family, config: DataplaneConfig, node: NodeFacts): DataplaneOptions {
  const localDetector = detector(family, config, node)
  const nodeIp = node.ips[family]
  return {
    family,
    masqueradeAll: config.masqueradeAll,
    masqueradeMark: config.masqueradeMark,
    nodePortAddresses: nodePortRanges(family, config, node) === 'all' ? 'all' : 'selected',
    ...(localDetector === undefined ? {} : { localDetector }),
    ...(nodeIp === undefined ? {} : { nodeIp }),
    ...(node.fastpathLabelBit === undefined ? {} : { fastpath: { labelBit: node.fastpathLabelBit } }),
  }
}

function detector(family: Family, { detectLocal }: DataplaneConfig, node: NodeFacts): LocalDetector | undefined {
  switch (detectLocal.mode) {
    case 'bridge':
      return { kind: 'bridge', interfaceName: detectLocal.interfaceName }
    case 'interface-prefix':
      return { kind: 'interface-prefix', prefix: detectLocal.prefix }
    case 'cluster-cidr':
    case 'node-cidr': {
      const podCidrs = node.podCidrs.flatMap((text) => parseCidr(text) ?? [])
      const cidrs = detectLocal.mode === 'node-cidr' ? firstOfEachFamily(podCidrs) : detectLocal.cidrs
      const cidr = cidrs[family]
      return cidr === undefined ? undefined : { kind: 'cidr', cidr }
    }
  }
}
