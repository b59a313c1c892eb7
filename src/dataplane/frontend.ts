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

/** What a client dials, and what happens then. */
export type Frontend = {
  readonly ip: IpAddress
  readonly protocol: Protocol
  readonly port: number
  /** The service port that it belongs to, as people write it: `shop/web:http`. */
  readonly owner: string
  /** Where in the Service it is written: `spec.clusterIP`. */
  readonly field: string
  readonly treatment: Treatment
}

/** One port of a Service with all its frontends. */
export type ServiceFrontends = {
  readonly servicePort: ServicePort
  readonly frontends: readonly Frontend[]
  /** The endpoints on this Node that the frontends may lead to. */
  readonly localEndpoints: readonly Endpoint[]
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
    return {
      servicePort,
      frontends: [clusterIpFrontend(servicePort, selection)],
      localEndpoints: selection.reachable.filter(({ isLocal }) => isLocal),
    }
  })
}

/** `172.30.0.41 . tcp . 80` */
export function frontendKey({ ip, protocol, port }: Pick<Frontend, 'ip' | 'protocol' | 'port'>): Uint8Array {
  return concatenate(ipBytes(ip), protocolByte(protocol), portBytes(port))
}

function clusterIpFrontend(port: ServicePort, selection: EndpointSelection): Frontend {
  const endpoints = (port.internalPolicyLocal ? selection.local : selection.cluster) ?? []
  return {
    ip: port.clusterIp,
    protocol: port.protocol,
    port: port.port,
    owner: displayName(port),
    field: 'spec.clusterIP',
    treatment: treatment(endpoints, selection.isAnyUsable),
  }
}

/** Without an endpoint that may be used: dropped if there are some elsewhere (policy Local), rejected if nowhere. */
function treatment(endpoints: readonly Endpoint[], isAnyUsable: boolean): Treatment {
  if (endpoints.length > 0) return { kind: 'pick', endpoints }
  return { kind: isAnyUsable ? 'drop' : 'reject' }
}
