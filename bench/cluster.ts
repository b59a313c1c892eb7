import type { EndpointSlice, KubeObject, Service, SliceEndpoint } from '../src/kube/types.ts'

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
