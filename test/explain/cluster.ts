import type { DataplaneOptions } from '../../src/dataplane/options.ts'
import type { NodeView } from '../../src/explain/node.ts'
import { tracePacket } from '../../src/explain/machine.ts'
import type { Packet } from '../../src/explain/packet.ts'
import { indexTables } from '../../src/explain/ruleset.ts'
import type { Outcome, SetChange } from '../../src/explain/trace.ts'
import type { EndpointSlice, Service, ServiceCIDR, SliceEndpoint } from '../../src/kube/types.ts'
import { ClusterModel } from '../../src/model/cluster-model.ts'
import type { Family, IpAddress } from '../../src/model/ip.ts'
import type { Protocol } from '../../src/model/service-port.ts'
import type { TableContents } from '../../src/nft/objects.ts'
import { wantedTable } from '../../src/sync/wanted.ts'
import { ipv4, ipv6 } from '../lab/addresses.ts'
import { ip, metadata, nodeName, service, slice, sliceEndpoint } from '../model/fixtures.ts'
import { cidr, node } from './fixtures.ts'

const mark = 0x4000

/** Pods are known by their addresses, and node ports are open on the main address. */
export const detectors = {
  IPv4: { kind: 'cidr', cidr: cidr(ipv4.podCidr) },
  IPv6: { kind: 'cidr', cidr: cidr('fd00:10::/64') },
} as const

export type Objects = {
  readonly services: readonly Service[]
  readonly slices?: readonly EndpointSlice[]
  readonly serviceCidrs?: readonly string[]
}

export type ClusterOptions = Partial<Omit<DataplaneOptions, 'localDetector'>> & {
  readonly hasDetector?: boolean
  readonly nodePortIps?: readonly string[]
  readonly node?: NodeView
}

export type Flow = {
  readonly source: string
  readonly destination: string
  readonly port: number
  readonly protocol?: Protocol
  readonly setChanges?: readonly SetChange[]
  readonly origin?: 'network' | 'node'
}

/** What becomes of new connections in a cluster: packets from addresses of the node are its own. */
export function cluster(objects: Objects, options: ClusterOptions = {}): (flow: Flow) => readonly Outcome[] {
  const { node: view = node } = options
  const ruleset = indexTables([clusterTable(objects, options)])
  return ({ setChanges = [], ...flow }) => tracePacket(ruleset, packetOf(flow, view), view, { setChanges })
}

/** The first packet of a connection. */
export function packetOf(
  { source, destination, port, protocol = 'tcp', origin }: Omit<Flow, 'setChanges'>,
  view: NodeView = node,
): Packet {
  const from = ip(source)
  return {
    origin: origin ?? (view.addresses.includes(from) ? 'node' : 'network'),
    protocol,
    source: from,
    sourcePort: 40_000,
    destination: ip(destination),
    destinationPort: port,
  }
}

/** The table of a cluster. */
export function clusterTable(objects: Objects, options: ClusterOptions = {}): TableContents {
  const { hasDetector = true, nodePortIps, node: _, ...rest } = options
  const family: Family = rest.family ?? 'IPv4'
  const main = ip(family === 'IPv4' ? ipv4.node : ipv6.node)
  const dataplane: DataplaneOptions = {
    family,
    masqueradeMark: mark,
    masqueradeAll: false,
    nodePortAddresses: 'selected',
    nodeIp: main,
    ...(hasDetector ? { localDetector: detectors[family] } : {}),
    ...rest,
  }
  const { contents } = wantedTable(
    modelOf(family, objects),
    { name: nodeName },
    dataplane,
    nodePortIps?.map(ip) ?? [main],
  )
  return contents
}

function modelOf(family: Family, { services, slices = [], serviceCidrs }: Objects): ClusterModel {
  const model = new ClusterModel({ family, nodeName, processStartMs: 0 })
  for (const object of services) model.setService(object)
  for (const object of slices) model.setEndpointSlice(object)
  const cidrs = serviceCidrs ?? [ipv4.serviceCidr, ipv6.serviceCidr]
  const object: ServiceCIDR = {
    kind: 'ServiceCIDR',
    metadata: metadata({ name: 'kubernetes', namespace: '' }),
    spec: { cidrs },
  }
  if (cidrs.length > 0) model.setServiceCidr(object)
  return model
}

/** A ready endpoint on this Node. */
export function local(address: string, parts: Partial<SliceEndpoint> = {}): SliceEndpoint {
  return sliceEndpoint(address, { nodeName, ...parts })
}

/** A ready endpoint on another Node. */
export function remote(address: string, parts: Partial<SliceEndpoint> = {}): SliceEndpoint {
  return sliceEndpoint(address, { nodeName: 'elsewhere', ...parts })
}

/** A LoadBalancer Service with port 80 named p80, and its slice. */
export function loadBalancer(
  name: string,
  spec: Parameters<typeof service>[0],
  addresses: { readonly ips?: readonly string[]; readonly nodePort?: number } = {},
): Service {
  const { ips = [], nodePort } = addresses
  const port = { name: 'p80', protocol: 'TCP' as const, port: 80, ...(nodePort === undefined ? {} : { nodePort }) }
  return service(
    { type: 'LoadBalancer', ports: [port], ...spec },
    { name },
    { loadBalancer: { ingress: ips.map((address) => ({ ip: address })) } },
  )
}

/** The slice of a Service with port 80 named p80. */
export function endpointsOf(name: string, ...endpoints: readonly SliceEndpoint[]): EndpointSlice {
  const isIpv6 = endpoints.some(({ addresses }) => addresses[0]?.includes(':'))
  return slice({
    name: `${name}-1`,
    service: name,
    endpoints,
    ports: [{ name: 'p80', protocol: 'TCP', port: 80 }],
    addressType: isIpv6 ? 'IPv6' : 'IPv4',
  })
}

/**
 * All outcomes in one line: `10.180.0.1:80,10.180.2.1:80 masqueraded`, `none`, `reject`, `drop`. Every endpoint must be
 * as likely as the others.
 */
export function result(outcomes: readonly Outcome[]): string {
  const texts = outcomes.map(({ verdict, isTranslated, isMasqueraded, destination }) => {
    if (verdict !== 'pass') return verdict
    return `${isTranslated ? endpointText(destination) : 'none'}${isMasqueraded ? ' masqueraded' : ''}`
  })
  const [first = ''] = texts
  const isEven = outcomes.every(({ probability }) => Math.abs(probability - 1 / outcomes.length) < 1e-9)
  if (!isEven) return `uneven: ${texts.join()}`
  const suffix = / masqueraded$/
  const areAlike = texts.every((text) => suffix.test(text) === suffix.test(first))
  if (!areAlike) return texts.join()
  return texts.map((text) => text.replace(suffix, '')).join() + (suffix.test(first) ? ' masqueraded' : '')
}

function endpointText({ address, port }: { readonly address: IpAddress; readonly port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
