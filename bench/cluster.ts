import type { EndpointSlice, KubeObject, Service, ServiceSpec, SliceEndpoint } from '../src/kube/types.ts'

/** How large a generated cluster is. */
export type ClusterSize = { readonly services: number; readonly endpoints: number }

/** Every hundredth endpoint is on this node, as in a cluster of a hundred nodes. */
export const benchNodeName = 'node-0'

/** Services `bench/s<n>` with one TCP port each, and one slice with `endpoints` addresses for each. */
export function clusterObjects({ services, endpoints }: ClusterSize): KubeObject[] {
  return Array.from({ length: services }, (_, index) => [service(index), slice(index, endpoints)]).flat()
}

export function clusterIp(index: number): string {
  return `10.${96 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`
}

/** Pod addresses lie in 100.64.0.0/10 and below it; no two endpoints share one. */
export function endpointAddress(index: number, endpoint: number, endpoints: number): string {
  const number = index * endpoints + endpoint
  return `100.${64 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`
}

/** The slice of Service number `index` with as many endpoints as asked for. */
export function slice(index: number, endpoints: number, resourceVersion = '1', perService = endpoints): EndpointSlice {
  return {
    kind: 'EndpointSlice',
    metadata: {
      namespace: 'bench',
      name: `s${index}-x`,
      resourceVersion,
      labels: { 'kubernetes.io/service-name': `s${index}` },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints: Array.from({ length: endpoints }, (_, endpoint): SliceEndpoint => {
      return {
        addresses: [endpointAddress(index, endpoint, perService)],
        nodeName: `node-${(index * perService + endpoint) % 100}`,
      }
    }),
  }
}

/**
 * The mixed cluster: of twenty Services twelve have a cluster IP alone, four a node port, three a load-balancer IP and
 * policy Local, one session affinity.
 */
export function mixedObjects({ services, endpoints }: ClusterSize): KubeObject[] {
  return Array.from({ length: services }, (_, index) => {
    const { spec, ...plain } = service(index)
    return [{ ...plain, ...mixedParts(index, spec) }, slice(index, endpoints)]
  }).flat()
}

function mixedParts(index: number, spec: ServiceSpec): Pick<Service, 'spec' | 'status'> {
  const ports = [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 20_000 + index } as const]
  const kind = index % 20
  if (kind < 12) return { spec }
  if (kind < 16) return { spec: { ...spec, type: 'NodePort', ports } }
  if (kind === 19) return { spec: { ...spec, sessionAffinity: 'ClientIP' } }
  return {
    spec: { ...spec, type: 'LoadBalancer', ports, externalTrafficPolicy: 'Local', healthCheckNodePort: 10_000 + index },
    status: { loadBalancer: { ingress: [{ ip: `198.${18 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}` }] } },
  }
}

function service(index: number): Service {
  return {
    kind: 'Service',
    metadata: { namespace: 'bench', name: `s${index}`, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      type: 'ClusterIP',
      clusterIP: clusterIp(index),
      clusterIPs: [clusterIp(index)],
      ipFamilies: ['IPv4'],
      ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
    },
  }
}
