import { serviceNameLabel } from '../../src/kube/types.ts'
import type {
  EndpointSlice,
  EndpointSlicePort,
  ObjectMeta,
  Service,
  ServiceSpec,
  ServiceStatus,
  SliceEndpoint,
} from '../../src/kube/types.ts'
import type { Endpoint } from '../../src/model/endpoint.ts'
import { parseIp } from '../../src/model/ip.ts'
import type { IpAddress } from '../../src/model/ip.ts'
import type { ServicePort } from '../../src/model/service-port.ts'

/** The Node that the tests run on. */
export const nodeName = 'node-1'

export function ip(text: string): IpAddress {
  const parsed = parseIp(text)
  if (parsed === undefined) throw new TypeError(`${text} is not an IP address`)
  return parsed
}

export function metadata(meta: Partial<ObjectMeta> = {}): ObjectMeta {
  return { namespace: 'shop', name: 'cart', ...meta }
}

/** A Service with cluster IP 172.30.0.41 and TCP port 80, named http. */
export function service(
  spec: Partial<ServiceSpec> = {},
  meta: Partial<ObjectMeta> = {},
  status?: ServiceStatus,
): Service {
  const clusterIP = spec.clusterIPs?.[0] ?? '172.30.0.41'
  return {
    kind: 'Service',
    metadata: metadata(meta),
    spec: {
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: [clusterIP.includes(':') ? 'IPv6' : 'IPv4'],
      ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
      ...spec,
    },
    status,
  }
}

/** A dual-stack Service, IPv4 first. */
export function dualStackService(spec: Partial<ServiceSpec> = {}): Service {
  return service({ clusterIPs: ['172.30.0.41', 'fd00:172:30::41'], ipFamilies: ['IPv4', 'IPv6'], ...spec })
}

export interface SliceParts {
  readonly name?: string
  readonly service?: string
  readonly endpoints?: readonly SliceEndpoint[]
  readonly ports?: readonly EndpointSlicePort[]
  readonly addressType?: 'IPv4' | 'IPv6'
  readonly meta?: Partial<ObjectMeta>
}

/** A slice of Service shop/cart with port http, TCP 8080, and without endpoints. */
export function slice(parts: SliceParts = {}): EndpointSlice {
  const labels = { [serviceNameLabel]: parts.service ?? 'cart' }
  return {
    kind: 'EndpointSlice',
    metadata: metadata({ name: parts.name ?? 'cart-1', labels, ...parts.meta }),
    addressType: parts.addressType ?? 'IPv4',
    ports: parts.ports ?? [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints: parts.endpoints ?? [],
  }
}

/** A ready endpoint on another Node. */
export function sliceEndpoint(address: string, parts: Partial<SliceEndpoint> = {}): SliceEndpoint {
  return { addresses: [address], ...parts }
}

/** A ready endpoint on another Node, port 80. */
export function endpoint(address: string, parts: Partial<Endpoint> = {}): Endpoint {
  return {
    ip: ip(address),
    port: 80,
    isReady: true,
    isServing: true,
    isTerminating: false,
    isLocal: false,
    nodeName: undefined,
    zoneHints: [],
    nodeHints: [],
    ...parts,
  }
}

/** The port http of Service shop/cart, which is not externally accessible. */
export function servicePort(parts: Partial<ServicePort> = {}): ServicePort {
  return {
    namespace: 'shop',
    name: 'cart',
    portName: 'http',
    protocol: 'tcp',
    clusterIp: ip('172.30.0.41'),
    port: 80,
    nodePort: 0,
    externalIps: [],
    loadBalancerIps: [],
    sourceRanges: [],
    affinityTimeoutSeconds: 0,
    internalPolicyLocal: false,
    externalPolicyLocal: false,
    usesFastpath: true,
    healthCheckNodePort: 0,
    creationTimestamp: '',
    ...parts,
  }
}
