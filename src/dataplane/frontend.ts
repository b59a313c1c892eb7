import type { Endpoint, EndpointsByPort } from '../model/endpoint.ts'
import { type IpAddress, ipBytes } from '../model/ip.ts'
import { displayName, portKey, type Protocol, type ServicePort } from '../model/service-port.ts'
import { type EndpointSelection, type NodeTopology, selectEndpoints } from '../model/topology.ts'
import { concatenate, portBytes, protocolByte } from './keys.ts'

/** What happens to a new connection. `pick` never has an empty list. */
export type Treatment =
  | { readonly kind: 'pick'; readonly endpoints: readonly Endpoint[] }
  | { readonly kind: 'reject' }
  | { readonly kind: 'drop' }

/** What a client dials. */
export type FrontendAddress = {
  readonly ip: IpAddress
  readonly protocol: Protocol
  readonly port: number
  /** Where in the Service it is written: `spec.clusterIP`. */
  readonly field: string
}

/** What a client dials, and what happens then. */
export type Frontend = FrontendAddress & {
  /** The service port that it belongs to, as people write it: `shop/web:http`. */
  readonly owner: string
  readonly treatment: Treatment
}

/** One port of a Service with all its frontends. */
export type ServiceFrontends = {
  readonly servicePort: ServicePort
  readonly frontends: readonly Frontend[]
  /** The endpoints on this Node that the frontends may lead to. */
  readonly localEndpoints: readonly Endpoint[]
}

/** What clients dial to reach a service port. */
export function frontendAddresses({ clusterIp, protocol, port }: ServicePort): readonly FrontendAddress[] {
  return [{ ip: clusterIp, protocol, port, field: 'spec.clusterIP' }]
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
    const treatment = internalTreatment(servicePort, selection)
    const owner = displayName(servicePort)
    return {
      servicePort,
      frontends: frontendAddresses(servicePort).map((address) => ({ ...address, owner, treatment })),
      localEndpoints: selection.reachable.filter(({ isLocal }) => isLocal),
    }
  })
}

/** `172.30.0.41 . tcp . 80` */
export function frontendKey({ ip, protocol, port }: FrontendAddress): Uint8Array {
  return concatenate(ipBytes(ip), protocolByte(protocol), portBytes(port))
}

/** `172.30.0.41:80/tcp`: what tells frontends apart, and what people call them. */
export function frontendText({ ip, protocol, port }: FrontendAddress): string {
  return ip.includes(':') ? `[${ip}]:${port}/${protocol}` : `${ip}:${port}/${protocol}`
}

/** Without an endpoint that may be used: dropped if there are some elsewhere (policy Local), rejected if nowhere. */
function internalTreatment(port: ServicePort, { local, cluster, isAnyUsable }: EndpointSelection): Treatment {
  const endpoints = (port.internalPolicyLocal ? local : cluster) ?? []
  if (endpoints.length > 0) return { kind: 'pick', endpoints }
  return { kind: isAnyUsable ? 'drop' : 'reject' }
}
