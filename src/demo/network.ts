/*
 * A small routed network out of hosts: a node in the middle, everybody else on a link of their own to it.
 *
 *   outside ---- eth0 [ node ] veth-a ---- eth0 pod a
 *                              veth-b ---- eth0 pod b
 *
 * The node forwards; everybody's default route is the node, so that packets for addresses that no link has (cluster IPs,
 * load-balancer IPs) arrive there without a neighbour having to answer for them. The node's own default route is outside.
 */
import { addAddress } from '../netlink/address.ts'
import { createVethPair, setLinkUp } from '../netlink/link.ts'
import { addRoute } from '../netlink/route.ts'
import { isIPv6 } from 'node:net'
import { Host } from './host.ts'

/** The node: addresses with prefix lengths, of which the first of each family is its main one. */
export type NodePlan = { readonly name: string; readonly addresses: readonly string[] }

/** A host beside the node: its addresses without prefix lengths, and the name of the node's link to it. */
export type NeighbourPlan = { readonly name: string; readonly link: string; readonly addresses: readonly string[] }

/** `pods` by the name that the program uses for each. */
export type NetworkPlan<Pod extends string> = {
  readonly node: NodePlan
  readonly outside: NeighbourPlan
  readonly pods: Readonly<Record<Pod, NeighbourPlan>>
}

/** The running hosts of a plan. */
export type Network<Pod extends string> = {
  readonly node: Host
  readonly outside: Host
  readonly pods: Readonly<Record<Pod, Host>>
  readonly close: () => Promise<void>
}

/** One end of a link: the host, the link's name there, its addresses with prefix lengths. */
export type LinkEnd = { readonly host: Host; readonly link: string; readonly addresses: readonly string[] }

/** Starts all hosts of a plan and joins them. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN. Throws NetlinkError. */
export async function createNetwork<Pod extends string>(plan: NetworkPlan<Pod>): Promise<Network<Pod>> {
  const started: Host[] = []
  const close = async () => {
    await Promise.all(started.map((host) => host.close()))
  }
  const start = async (name: string) => {
    const host = await Host.start(name)
    started.push(host)
    return host
  }
  try {
    const node = await start(plan.node.name)
    for (const name of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) node.writeSysctl(name, '1')
    const outside = await start(plan.outside.name)
    await connectHosts(
      { host: node, link: plan.outside.link, addresses: plan.node.addresses },
      { host: outside, link: neighbourLink, addresses: [] },
    )
    await addNeighbour(node, plan.node, outside, plan.outside)
    await routeOutside(node, plan)
    const pods: Partial<Record<Pod, Host>> = {}
    for (const [key, podPlan] of Object.entries(plan.pods) as [Pod, NeighbourPlan][]) {
      const pod = (pods[key] = await start(podPlan.name))
      await connectHosts(
        { host: node, link: podPlan.link, addresses: mainAddresses(plan.node).map(wholePrefix) },
        { host: pod, link: neighbourLink, addresses: [] },
      )
      await addNeighbour(node, plan.node, pod, podPlan)
    }
    return { node, outside, pods: pods as Record<Pod, Host>, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Joins two hosts by a veth pair that is up and has the addresses of both ends. Throws NetlinkError. */
export async function connectHosts(end: LinkEnd, other: LinkEnd): Promise<void> {
  await createVethPair(end.host.route, {
    name: end.link,
    peer: { name: other.link, namespaceFd: other.host.namespace.fd },
  })
  for (const { host, link, addresses } of [end, other]) {
    await setLinkUp(host.route, link)
    for (const address of addresses) await addAddress(host.route, link, address)
  }
}

/** What everybody but the node calls its link. */
const neighbourLink = 'eth0'

/** Gives a neighbour its addresses and its default routes, and the node a route to each address. */
async function addNeighbour(node: Host, nodePlan: NodePlan, host: Host, plan: NeighbourPlan): Promise<void> {
  for (const address of plan.addresses) {
    await addAddress(host.route, neighbourLink, wholePrefix(address))
    await addRoute(node.route, { destination: wholePrefix(address), link: plan.link })
  }
  for (const gateway of mainAddresses(nodePlan)) {
    const source = firstOfFamily(plan.addresses, gateway)
    if (source === undefined) continue
    const destination = defaultDestination(gateway)
    await addRoute(host.route, { destination, gateway, link: neighbourLink, source, isOnLink: true })
  }
}

async function routeOutside(node: Host, { node: nodePlan, outside }: NetworkPlan<string>): Promise<void> {
  for (const source of mainAddresses(nodePlan)) {
    const gateway = firstOfFamily(outside.addresses, source)
    if (gateway === undefined) continue
    const destination = defaultDestination(source)
    await addRoute(node.route, { destination, gateway, link: outside.link, source, isOnLink: true })
  }
}

/** The node's first address of each family, without prefix lengths. */
function mainAddresses({ addresses }: NodePlan): string[] {
  const bare = addresses.map((address) => address.slice(0, address.indexOf('/')))
  return [bare.find((address) => !isIPv6(address)), bare.find((address) => isIPv6(address))].filter(
    (address) => address !== undefined,
  )
}

function firstOfFamily(addresses: readonly string[], like: string): string | undefined {
  return addresses.find((address) => isIPv6(address) === isIPv6(like))
}

function wholePrefix(address: string): string {
  return `${address}/${isIPv6(address) ? 128 : 32}`
}

function defaultDestination(address: string): string {
  return isIPv6(address) ? '::/0' : '0.0.0.0/0'
}
