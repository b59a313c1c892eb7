import { hostname } from 'node:os'
import type { Command } from 'commander'
import type { DataplaneFlags } from '../config/dataplane-flags.ts'
import { ConfigError } from '../config/errors.ts'
import { defaultConfiguration } from '../config/kube-proxy-configuration.ts'
import { type IpAddress, parseIp } from '../model/ip.ts'

/** The flags of every command that makes rules out of manifests. */
export type ManifestFlags = DataplaneFlags & {
  readonly manifests: string
  readonly nodeName?: string
  readonly bindAddress?: string
  readonly fastpathPacketThreshold?: string
}

/** Adds the flags that shape the rules; their names are kube-proxy's. */
export function dataplaneFlags(command: Command): Command {
  return command
    .option(
      '--cluster-cidr <cidrs>',
      'range of pod addresses, one per IP family with a comma between: traffic to cluster IPs from anywhere else is masqueraded',
    )
    .option(
      '--detect-local-mode <mode>',
      "how pods' packets are told apart: ClusterCIDR, NodeCIDR (the Node's spec.podCIDRs), BridgeInterface or InterfaceNamePrefix",
      'ClusterCIDR',
    )
    .option('--pod-bridge-interface <name>', 'the bridge that pods are on, for BridgeInterface')
    .option('--pod-interface-name-prefix <prefix>', "how pods' interfaces begin, for InterfaceNamePrefix")
    .option('--masquerade-all', 'masquerade all traffic to cluster IPs')
    .option('--masquerade-bit <bit>', 'bit of the packet mark that asks for masquerading, 0 to 31', '14')
    .option(
      '--nodeport-addresses <cidrs>',
      "ranges of this machine's addresses that take node ports, with commas between; `primary` is the Node's own address",
      'primary',
    )
    .option(
      '--fastpath-packet-threshold <packets>',
      'packets after which a connection leaves the rules for the fast path; 0 turns it off',
      String(defaultThreshold),
    )
    .option('--bind-address <ip>', "stands for the Node's own address of its family (default: from the Node object)")
}

/** As run has it without a flag. */
const defaultThreshold = defaultConfiguration.nftables.fastpathPacketThreshold

/** The packets after which a connection takes the fast path; 0 where there is none. Throws ConfigError. */
export function fastpathThresholdOf(flags: Pick<ManifestFlags, 'fastpathPacketThreshold'>): number {
  const text = flags.fastpathPacketThreshold ?? String(defaultThreshold)
  const threshold = Number(text)
  if (!/^\d+$/.test(text) || threshold > largestThreshold) {
    throw new ConfigError(
      '--fastpath-packet-threshold',
      `"${text}" is not a whole number from 0 to ${largestThreshold}`,
    )
  }
  return threshold
}

/** The configuration file has it as an int32. */
const largestThreshold = 2 ** 31 - 1

/** The node name given, or the host name in lower case, as the kubelet registers it. */
export function nodeNameOf(flags: Pick<ManifestFlags, 'nodeName'>): string {
  return (flags.nodeName ?? hostname()).trim().toLowerCase()
}

/** The address that stands for the Node's own, if one is given. Throws ConfigError. */
export function bindAddressOf({ bindAddress }: Pick<ManifestFlags, 'bindAddress'>): IpAddress | undefined {
  if (bindAddress === undefined) return undefined
  const ip = parseIp(bindAddress)
  if (ip === undefined) throw new ConfigError('--bind-address', `"${bindAddress}" is not an IP address`)
  return ip
}
