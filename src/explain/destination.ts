import { type Frontend, frontendText, serviceFrontends } from '../dataplane/frontend.ts'
import type { ClusterModel } from '../model/cluster-model.ts'
import type { Endpoint } from '../model/endpoint.ts'
import type { IpAddress } from '../model/ip.ts'
import { displayName, portKey, type Protocol, serviceKeyOf, type ServicePort } from '../model/service-port.ts'
import { type EndpointSelection, type NodeTopology, selectEndpoints } from '../model/topology.ts'

/** An address and a port that somebody dials. */
export type Dialled = { readonly ip: IpAddress; readonly port: number; readonly protocol: Protocol }

/** What a dialled address is in terms of Services. */
export type Destination =
  | {
      readonly kind: 'frontend'
      readonly servicePort: ServicePort
      readonly frontend: Frontend
      readonly endpoints: readonly Endpoint[]
      readonly selection: EndpointSelection
      /** Services that claim the frontend too and do not get it. */
      readonly rivals: readonly string[]
    }
  /** A cluster IP of these service ports, but none of them has that port. */
  | { readonly kind: 'other port'; readonly servicePorts: readonly ServicePort[] }
  | { readonly kind: 'none' }

/** Finds the Service behind an address. `isNodeAddress`: a node port may be meant. */
export function findDestination(
  model: ClusterModel,
  node: NodeTopology,
  dialled: Dialled,
  isNodeAddress: boolean,
): Destination {
  const { ip, port, protocol } = dialled
  const texts = [frontendText({ kind: 'ip', origin: 'cluster', ip, port, protocol, field: '' })]
  if (isNodeAddress) texts.push(frontendText({ kind: 'node-port', port, protocol, field: '' }))
  const claims: { readonly port: ServicePort; readonly frontend: Frontend }[] = []
  const sameIp: ServicePort[] = []
  for (const service of model.serviceKeys()) {
    const ports = model.servicePorts(service)
    sameIp.push(...ports.filter(({ clusterIp }) => clusterIp === ip))
    for (const { servicePort, frontends } of serviceFrontends(ports, model.endpoints(service), node)) {
      const frontend = frontends.find((candidate) => texts.includes(frontendText(candidate)))
      if (frontend !== undefined) claims.push({ port: servicePort, frontend })
    }
  }
  const [owner, ...rivals] = claims.sort((a, b) => byAge(a.port, b.port))
  if (owner === undefined) return sameIp.length > 0 ? { kind: 'other port', servicePorts: sameIp } : { kind: 'none' }
  const { port: servicePort, frontend } = owner
  const endpoints =
    model.endpoints(serviceKeyOf(servicePort)).get(portKey(servicePort.protocol, servicePort.portName)) ?? []
  return {
    kind: 'frontend',
    servicePort,
    frontend,
    endpoints,
    selection: selectEndpoints(servicePort, endpoints, node),
    rivals: rivals.map((rival) => displayName(rival.port)),
  }
}

/** The order in which Services get a frontend that several claim: the older first, then by namespace and name. */
function byAge(a: ServicePort, b: ServicePort): number {
  const order = (port: ServicePort): string => `${port.creationTimestamp || '~'} ${port.namespace}/${port.name}`
  return order(a) < order(b) ? -1 : 1
}
