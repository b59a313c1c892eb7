/* API objects at the addresses of the plan. */
import type { EndpointSlice, Service, ServiceSpec, SliceEndpoint } from '../../src/kube/types.ts'
import type { Protocol } from '../../src/model/service-port.ts'
import { nodeName, service, slice, sliceEndpoint } from '../model/fixtures.ts'

/** A port of a Service, and where its endpoints listen: on the same one unless said otherwise. */
export type PortPlan = {
  readonly name?: string
  readonly protocol: Protocol
  readonly port: number
  readonly targetPort?: number
}

const apiProtocols = { tcp: 'TCP', udp: 'UDP', sctp: 'SCTP' } as const

/** A Service of that name; `spec` adds to it. */
export function serviceAt(
  name: string,
  clusterIp: string,
  ports: readonly PortPlan[],
  spec: Partial<ServiceSpec> = {},
): Service {
  const specPorts = ports.map(({ name = '', protocol, port }) => ({ name, protocol: apiProtocols[protocol], port }))
  return service({ clusterIPs: [clusterIp], ports: specPorts, ...spec }, { name })
}

/** The slice of that Service. */
export function sliceFor(name: string, endpoints: readonly SliceEndpoint[], ports: readonly PortPlan[]): EndpointSlice {
  return slice({
    name: `${name}-1`,
    service: name,
    addressType: endpoints.some(({ addresses }) => addresses[0]?.includes(':')) ? 'IPv6' : 'IPv4',
    endpoints,
    ports: ports.map(({ name = '', protocol, port, targetPort = port }) => ({
      name,
      protocol: apiProtocols[protocol],
      port: targetPort,
    })),
  })
}

/** Endpoints on the node. */
export function onNode(...addresses: readonly string[]): SliceEndpoint[] {
  return addresses.map((address) => sliceEndpoint(address, { nodeName }))
}

/** Endpoints on other nodes. */
export function elsewhere(...addresses: readonly string[]): SliceEndpoint[] {
  return addresses.map((address) => sliceEndpoint(address, { nodeName: 'node-2' }))
}
