/*
 * Which interfaces take part in the fast path, decided on the links of a machine.
 *
 * Two lists: the interfaces that the rule asks for (those that packets are forwarded from and to), and the devices of the
 * flowtable: these interfaces with all that is below them. What of it the kernel needs depends on its version:
 *
 *   interface        before 6.19                7.3
 *   bridge           the bridge or its ports    its ports
 *   VLAN             its parent (5.13)          its parent
 *   IPIP to one end  the tunnel                 the link below it
 *   VXLAN, WireGuard the tunnel                 the tunnel
 *
 * All of it is right for all of them.
 */
import { interfaceChoice } from '../model/interface-pattern.ts'
import type { Link } from '../netlink/link.ts'

export type DeviceRules = {
  /** As `interfaceChoice` takes them. */
  readonly patterns: readonly string[]
  /** Since Linux 6.19 flows through IPIP leave by the link below: a tunnel without a fixed end has none. */
  readonly hasTunnelOffload: boolean
  /** What the kernel does not take, and why. */
  readonly refused: ReadonlyMap<string, string>
}

export type DevicePlan = {
  /** By name, each with all devices that it needs, itself among them. */
  readonly interfaces: ReadonlyMap<string, readonly string[]>
  /** The members of the flowtable. */
  readonly devices: ReadonlySet<string>
  /** Links that are up, or were chosen by a pattern, and why they do not take part. Bridge ports and such are not here. */
  readonly leftOut: ReadonlyMap<string, string>
  /** Patterns that match no link. */
  readonly unmatchedPatterns: readonly string[]
}

/** Links that packets are not forwarded through. */
const idleKinds: ReadonlySet<string> = new Set(['dummy', 'ifb', 'nlmon', 'vcan', 'vxcan'])
/** Their IFLA_LINK is the other end, not what is below. */
const pairKinds: ReadonlySet<string> = new Set(['veth', 'netkit', 'vxcan'])
/** Their packets travel in packets of some other link. */
const tunnelKinds: ReadonlySet<string> = new Set(
  'ipip ip6tnl sit gre gretap ip6gre ip6gretap erspan ip6erspan vti vti6 xfrm vxlan geneve wireguard'.split(' '),
)
/** What tunnels may stand on; a link without a kind is a machine's own. */
const underlayKinds: ReadonlySet<string | undefined> = new Set([undefined, 'bond', 'team', 'vlan'])

/** Plans for the links that there are now. */
export function planDevices(links: readonly Link[], { patterns, hasTunnelOffload, refused }: DeviceRules): DevicePlan {
  const choice = interfaceChoice(patterns)
  const byIndex = new Map(links.map((link) => [link.index, link]))
  const stackOf = stacksOf(links)
  const interfaces = new Map<string, readonly string[]>()
  const leftOut = new Map<string, string>()
  for (const link of links) {
    if (link.isLoopback || !choice.includes(link.name) || isPort(link, byIndex)) continue
    const stack = stackOf(link)
    const reason =
      unsuitable(link, hasTunnelOffload) ?? excluded(choice.excludedBy(link.name)) ?? lacking(stack, refused)
    if (reason === undefined) interfaces.set(link.name, stack)
    else if (link.isUp || patterns.length > 0) leftOut.set(link.name, reason)
  }
  return {
    interfaces,
    devices: new Set([...interfaces.values()].flat()),
    leftOut,
    unmatchedPatterns: choice.unmatched(links.map(({ name }) => name)),
  }
}

/** Of the planned interfaces those that have all they need among these members. */
export function servedInterfaces({ interfaces }: DevicePlan, members: ReadonlySet<string>): readonly string[] {
  return [...interfaces].filter(([, stack]) => stack.every((name) => members.has(name))).map(([name]) => name)
}

function unsuitable({ kind, name, isUp, hasRemote }: Link, hasTunnelOffload: boolean): string | undefined {
  if (kind !== undefined && idleKinds.has(kind)) return `nothing is forwarded through a link of kind ${kind}`
  if (!isUp) return 'it is down'
  if (name.includes('"') || name.endsWith('*')) return 'its name cannot be told from a pattern'
  if ((kind === 'ipip' || kind === 'ip6tnl') && hasTunnelOffload && !hasRemote)
    return 'this kernel cannot offload a tunnel without a fixed remote end'
  return undefined
}

function excluded(pattern: string | undefined): string | undefined {
  return pattern === undefined ? undefined : `excluded by ${pattern}`
}

/** Without its whole stack an interface is better off on the slow path: some kernels would drop its packets. */
function lacking(stack: readonly string[], refused: ReadonlyMap<string, string>): string | undefined {
  const [name, ...below] = stack
  const missing = stack.find((each) => refused.has(each))
  if (missing === undefined || name === undefined) return undefined
  const reason = `the kernel does not take it: ${refused.get(missing)}`
  return below.includes(missing) ? `of ${missing} below it, ${reason}` : reason
}

/** A link and all that is below it. */
type StackOf = (link: Link) => readonly string[]

function stacksOf(links: readonly Link[]): StackOf {
  const byIndex = new Map(links.map((link) => [link.index, link]))
  const ports = Map.groupBy(
    links.filter((link) => isPort(link, byIndex)),
    ({ masterIndex }) => masterIndex,
  )
  // Where a tunnel is bound to no link a route decides which it is, for each packet.
  const underlays = links.filter((link) => link.isUp && underlayKinds.has(link.kind) && !isPort(link, byIndex))
  const below = ({ index, kind = '', lowerIndex = 0 }: Link): readonly Link[] => {
    const lower = pairKinds.has(kind) ? undefined : byIndex.get(lowerIndex)
    if (lower !== undefined) return [lower]
    return tunnelKinds.has(kind) ? underlays : (ports.get(index) ?? [])
  }
  return (link) => {
    const found = new Set<Link>()
    const visit = (each: Link): void => {
      if (each.isLoopback || found.has(each)) return
      found.add(each)
      for (const one of below(each)) visit(one)
    }
    visit(link)
    return Array.from(found, ({ name }) => name)
  }
}

/** The rules never see a port of a bridge or bond, but its master. With a VRF they see both. */
function isPort({ masterIndex }: Link, byIndex: ReadonlyMap<number, Link>): boolean {
  return masterIndex !== undefined && byIndex.get(masterIndex)?.kind !== 'vrf'
}
