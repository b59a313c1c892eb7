import { type Cidr, cidrFamily, parseCidr } from '../model/cidr.ts'
import { type Family, familyOf, isLoopback, parseIp } from '../model/ip.ts'
import { isUnspecified, type NodeIps } from '../model/node-ips.ts'
import { parseSocketAddress } from './bind-address.ts'
import type { KubeProxyConfiguration } from './kube-proxy-configuration.ts'

export type FamilyFacts = {
  /** The families that this machine has. */
  readonly supported: readonly Family[]
  readonly node: NodeIps
  /** The Node object's spec.podCIDRs. */
  readonly podCidrs: readonly string[]
}

export type FamilyFindings = {
  /** Why there can be no start. */
  readonly fatal?: string
  readonly warnings: readonly string[]
}

/** Compares the families that the configuration speaks of with those of this machine and its Node. */
export function checkFamilies(configuration: KubeProxyConfiguration, facts: FamilyFacts): FamilyFindings {
  const { primary } = facts.node
  if (!facts.supported.includes(primary))
    return { fatal: `the Node's first address is ${primary}, which this machine does not have`, warnings: [] }
  const found = [...mismatches(configuration, facts)]
  const fatal = found.find(({ isFatal }) => isFatal)?.message
  const warnings = found.filter(({ isFatal }) => !isFatal).map(({ message }) => message)
  warnings.push(...nodePortWarnings(configuration, facts))
  return { ...(fatal === undefined ? {} : { fatal }), warnings }
}

type Mismatch = { readonly isFatal: boolean; readonly message: string }

/** What is of the other family than the Node's first address. */
function* mismatches(configuration: KubeProxyConfiguration, facts: FamilyFacts): Iterable<Mismatch> {
  const { detectLocalMode, clusterCIDR, ipvs, winkernel } = configuration
  const { primary } = facts.node
  const isSingleStack = facts.supported.length === 1
  const mismatch = (what: string, isFatal = false): Mismatch => {
    return { isFatal, message: `${what} of another family than the Node's first address, which is ${primary}` }
  }
  if (isOther(cidrsOf(clusterCIDR.split(',')), primary))
    yield mismatch(`clusterCIDR ${clusterCIDR} is`, isSingleStack && detectLocalMode === 'ClusterCIDR')
  if (isOther(cidrsOf(facts.podCidrs), primary))
    yield mismatch(`the Node's podCIDRs ${facts.podCidrs.join(', ')} are`, detectLocalMode === 'NodeCIDR')
  const sourceVip = parseIp(winkernel.sourceVip)
  if (sourceVip !== undefined && familyOf(sourceVip) !== primary) yield mismatch(`winkernel.sourceVip ${sourceVip} is`)
  if (!isSingleStack) return
  for (const name of ['healthzBindAddress', 'metricsBindAddress'] as const) {
    const ip = parseSocketAddress(configuration[name])?.ip
    if (ip !== undefined && !isUnspecified(ip) && familyOf(ip) !== primary)
      yield mismatch(`${name} ${configuration[name]} is`)
  }
  if (isOther(cidrsOf(ipvs.excludeCIDRs), primary)) yield mismatch('ipvs.excludeCIDRs are')
}

function nodePortWarnings(configuration: KubeProxyConfiguration, { node, podCidrs }: FamilyFacts): readonly string[] {
  const { nodePortAddresses, clusterCIDR, ipvs } = configuration
  const ranges = nodePortAddresses.includes('primary') ? primaryRanges(node) : cidrsOf(nodePortAddresses)
  const field = `nodePortAddresses ${nodePortAddresses.join(', ')}`
  if (ranges.length === 0) return ['no nodePortAddresses: node ports are open on all addresses of this machine']
  if (isOther(ranges, node.primary))
    return [
      `${field}: no ${node.primary} range, so node ports are open on all ${node.primary} addresses of this machine`,
    ]
  const isDualStack = [cidrsOf(clusterCIDR.split(',')), ranges, cidrsOf(ipvs.excludeCIDRs), cidrsOf(podCidrs)].some(
    (cidrs) => new Set(cidrs.map(cidrFamily)).size === 2,
  )
  const other = node.primary === 'IPv4' ? 'IPv6' : 'IPv4'
  if (isDualStack && isOther(ranges, other))
    return [`${field}: no ${other} range, so node ports are open on all ${other} addresses of this machine`]
  return []
}

/** Whether there are ranges, and none of this family. */
function isOther(cidrs: readonly Cidr[], family: Family): boolean {
  return cidrs.length > 0 && cidrs.every((cidr) => cidrFamily(cidr) !== family)
}

function cidrsOf(texts: readonly string[]): readonly Cidr[] {
  return texts.flatMap((text) => parseCidr(text) ?? [])
}

/** What `primary` stands for; loopback addresses are no addresses to be reached at. */
function primaryRanges({ ips }: NodeIps): readonly Cidr[] {
  return cidrsOf([
    ...(isLoopback(ips.IPv4) ? [] : [`${ips.IPv4}/32`]),
    ...(isLoopback(ips.IPv6) ? [] : [`${ips.IPv6}/128`]),
  ])
}
