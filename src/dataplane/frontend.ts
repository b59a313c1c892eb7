import type { Cidr } from '../model/cidr.ts'
import type { Endpoint, EndpointsByPort } from '../model/endpoint.ts'
import { type IpAddress, ipBytes } from '../model/ip.ts'
import { displayName, isExternallyAccessible, portKey, type Protocol, type ServicePort } from '../model/service-port.ts'
import { type EndpointSelection, type NodeTopology, selectEndpoints } from '../model/topology.ts'
import { concatenate, portBytes, protocolByte } from './keys.ts'

/** What a client dials: an address and a port, or a port on any address of this Node that takes node ports. */
export type FrontendAddress = {
  readonly protocol: Protocol
  readonly port: number
  /** Where in the Service it is written: `spec.clusterIP`. */
  readonly field: string
} & (
  | { readonly kind: 'ip'; readonly origin: 'cluster' | 'external' | 'load-balancer'; readonly ip: IpAddress }
  | { readonly kind: 'node-port' }
)

/** What happens to a new connection. `pick` never has an empty list; `external-local` has none in `cluster`. */
export type Treatment =
  | { readonly kind: 'pick'; readonly endpoints: readonly Endpoint[]; readonly isMasqueraded: boolean }
  /** externalTrafficPolicy Local: pods and this Node may use all endpoints, everybody else those on this Node. */
  | { readonly kind: 'external-local'; readonly cluster: readonly Endpoint[]; readonly local: readonly Endpoint[] }
  | { readonly kind: 'reject' }
  | { readonly kind: 'drop' }

/** What a client dials, and what happens then. */
export type Frontend = FrontendAddress & {
  /** The service port that it belongs to, as people write it: `shop/web:http`. */
  readonly owner: string
  readonly treatment: Treatment
  /** ClientIP session affinity; 0 for none. */
  readonly affinityTimeoutSeconds: number
  /** Long connections may leave the rules. */
  readonly usesFastpath: boolean
  /** Who may use it; empty for everybody. */
  readonly sourceRanges: readonly Cidr[]
}

/** One port of a Service with all its frontends. */
export type ServiceFrontends = {
  readonly servicePort: ServicePort
  readonly frontends: readonly Frontend[]
  /** The endpoints on this Node that the frontends may lead to. */
  readonly localEndpoints: readonly Endpoint[]
}

/** What clients dial to reach a service port, each once. An address that is both is a load-balancer IP. */
export function frontendAddresses(servicePort: ServicePort): readonly FrontendAddress[] {
  const { protocol, port, clusterIp, loadBalancerIps, externalIps, nodePort } = servicePort
  const clusterAddress: FrontendAddress = {
    kind: 'ip',
    origin: 'cluster',
    ip: clusterIp,
    protocol,
    port,
    field: 'spec.clusterIP',
  }
  if (!isExternallyAccessible(servicePort)) return [clusterAddress]
  const found = new Map<string, FrontendAddress>([[frontendText(clusterAddress), clusterAddress]])
  const add = (address: FrontendAddress): void => {
    const text = frontendText(address)
    if (!found.has(text)) found.set(text, address)
  }
  for (const ip of loadBalancerIps) {
    add({ kind: 'ip', origin: 'load-balancer', ip, protocol, port, field: 'status.loadBalancer.ingress' })
  }
  for (const ip of externalIps) add({ kind: 'ip', origin: 'external', ip, protocol, port, field: 'spec.externalIPs' })
  if (nodePort !== 0) add({ kind: 'node-port', protocol, port: nodePort, field: 'spec.ports.nodePort' })
  return [...found.values()]
}

/** The frontends of all ports of one Service. */
export function serviceFrontends(
  ports: readonly ServicePort[],
  endpoints: EndpointsByPort,
  node: NodeTopology,
): readonly ServiceFrontends[] {
  return ports.map((servicePort) => {
    const known = endpoints.get(portKey(servicePort.protocol, servicePort.portName)) ?? []
    const selection = selectEndpoints(servicePort, known, node)
    const { affinityTimeoutSeconds, usesFastpath, sourceRanges } = servicePort
    const owner = displayName(servicePort)
    const [internal, external] = [internalTreatment(servicePort, selection), externalTreatment(servicePort, selection)]
    return {
      servicePort,
      frontends: frontendAddresses(servicePort).map((address) => ({
        ...address,
        owner,
        affinityTimeoutSeconds,
        usesFastpath,
        treatment: isInternal(address) ? internal : external,
        sourceRanges: address.kind === 'ip' && address.origin === 'load-balancer' ? sourceRanges : noRanges,
      })),
      localEndpoints: selection.reachable.filter(({ isLocal }) => isLocal),
    }
  })
}

/** `172.30.0.41 . tcp . 80`, or `tcp . 30080`. */
export function frontendKey(address: FrontendAddress): Uint8Array {
  const protocol = protocolByte(address.protocol)
  const port = portBytes(address.port)
  return address.kind === 'ip' ? concatenate(ipBytes(address.ip), protocol, port) : concatenate(protocol, port)
}

/** `172.30.0.41:80/tcp`, `node port 30080/tcp`: what tells frontends apart, and what people call them. */
export function frontendText(address: FrontendAddress): string {
  const { port, protocol } = address
  if (address.kind === 'node-port') return `node port ${port}/${protocol}`
  return address.ip.includes(':') ? `[${address.ip}]:${port}/${protocol}` : `${address.ip}:${port}/${protocol}`
}

const noRanges: readonly never[] = []

function isInternal(address: FrontendAddress): boolean {
  return address.kind === 'ip' && address.origin === 'cluster'
}

/** Without an endpoint that may be used: dropped if there are some elsewhere (policy Local), rejected if nowhere. */
function internalTreatment(port: ServicePort, { local, cluster, isAnyUsable }: EndpointSelection): Treatment {
  const endpoints = (port.internalPolicyLocal ? local : cluster) ?? []
  if (endpoints.length > 0) return { kind: 'pick', endpoints, isMasqueraded: false }
  return { kind: isAnyUsable ? 'drop' : 'reject' }
}

/** Masqueraded with policy Cluster, since the answer must come back through this Node; Local keeps the client's address. */
function externalTreatment(port: ServicePort, { local = [], cluster = [] }: EndpointSelection): Treatment {
  if (cluster.length === 0) return { kind: 'reject' }
  if (port.externalPolicyLocal) return { kind: 'external-local', cluster, local }
  return { kind: 'pick', endpoints: cluster, isMasqueraded: true }
}
