import { fastpathProtocols } from '../dataplane/names.ts'
import type { ObjectKey } from '../kube/types.ts'
import type { ClusterModel } from '../model/cluster-model.ts'
import type { IpAddress } from '../model/ip.ts'
import { clearLabel, findFlows, IPS_OFFLOAD } from '../netlink/conntrack.ts'
import { AF_INET, AF_INET6 } from '../netlink/inet.ts'
import type { NetlinkSocket } from '../netlink/socket.ts'
import { frontendKeys, nodePortIpKeys, nodePortOf } from './flow-frontends.ts'

const IPPROTO_TCP = 6

/**
 * Takes the label from offloaded TCP connections through those of these Services that have opted out, so that they do not
 * come back once they have left the flow table. Resolves with how many have yet to leave it: they go on undisturbed only
 * if it is made anew. Throws NetlinkError.
 */
export async function unlabelOptedOut(
  model: ClusterModel,
  services: Iterable<ObjectKey>,
  nodePortIps: readonly IpAddress[],
  socket: NetlinkSocket,
  labelBit: number,
): Promise<number> {
  const frontends = optedOutFrontends(model, services)
  if (frontends.size === 0) return 0
  const ips = nodePortIpKeys(nodePortIps)
  const { flows } = await findFlows(
    socket,
    model.family === 'IPv4' ? AF_INET : AF_INET6,
    IPPROTO_TCP,
    (destination, answerer) => {
      if (destination === answerer) return false
      return frontends.has(destination) || frontends.has(nodePortOf(ips, destination) ?? '')
    },
    IPS_OFFLOAD,
  )
  await clearLabel(socket, flows, labelBit)
  return flows.length
}

function optedOutFrontends(model: ClusterModel, services: Iterable<ObjectKey>): ReadonlySet<string> {
  const keys = new Set<string>()
  for (const service of services) {
    for (const port of model.servicePorts(service)) {
      if (port.usesFastpath || !fastpathProtocols.has(port.protocol)) continue
      for (const key of frontendKeys(port)) keys.add(key)
    }
  }
  return keys
}
