/* The Services of the cases. Service number N has the cluster IPs 172.30.0.N and fd00:10:96::N. */
import { isIPv6 } from 'node:net'
import type { Manifest } from '../../cli/manifests.ts'
import { addresses } from './lab.ts'

export type FamilyName = keyof typeof addresses
export const familyNames: readonly FamilyName[] = ['IPv4', 'IPv6']

/** Where the Services that have such frontends take connections. */
export const externalIps = { IPv4: '192.168.99.1', IPv6: '2001:db8:99::1' } as const
export const loadBalancerIps = { IPv4: '1.2.3.4', IPv6: '2001:db8:1234::1' } as const
export const nodePort = 30_080
export const servicePort = 80

export function clusterIp(family: FamilyName, number: number): string {
  return `${family === 'IPv4' ? '172.30.0.' : 'fd00:10:96::'}${number}`
}

/** The pods of the lab by name, or any other addresses of one family each. */
export type Endpoints = readonly (keyof (typeof addresses)['IPv4'])[] | { readonly addresses: readonly string[] }

/** A Service with TCP and UDP port 80 in both families, and its endpoints at port 8080. */
export function service(
  number: number,
  endpoints: Endpoints,
  { isOptedOut = false, spec = {}, status = {} }: { isOptedOut?: boolean; spec?: Manifest; status?: Manifest } = {},
): readonly Manifest[] {
  const name = `service-${number}`
  const annotations = isOptedOut ? { 'flowproxy.dev/fastpath': 'off' } : {}
  const clusterIPs = familyNames.map((family) => clusterIp(family, number))
  const ports = protocols.map(({ name, protocol }) => ({ name, protocol, port: servicePort, targetPort: 8080 }))
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'shop', name, annotations, creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { clusterIP: clusterIPs[0], clusterIPs, ipFamilies: familyNames, ports, ...spec },
      status,
    },
    ...familyNames.map((family) => slice(name, family, endpointAddresses(endpoints, family))),
  ]
}

/** One with all kinds of frontends. */
export function serviceWithAllFrontends(number: number, endpoints: Endpoints): readonly Manifest[] {
  return service(number, endpoints, {
    spec: {
      type: 'LoadBalancer',
      externalIPs: Object.values(externalIps),
      ports: protocols.map((port) => ({ ...port, port: servicePort, targetPort: 8080, nodePort })),
    },
    status: { loadBalancer: { ingress: Object.values(loadBalancerIps).map((ip) => ({ ip })) } },
  })
}

const protocols = [
  { name: 'web', protocol: 'TCP' },
  { name: 'datagrams', protocol: 'UDP' },
] as const

function endpointAddresses(endpoints: Endpoints, family: FamilyName): readonly string[] {
  if (!('addresses' in endpoints)) return endpoints.map((name) => addresses[family][name])
  return endpoints.addresses.filter((address) => isIPv6(address) === (family === 'IPv6'))
}

function slice(service: string, family: FamilyName, endpoints: readonly string[]): Manifest {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace: 'shop',
      name: `${service}-${family.toLowerCase()}`,
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType: family,
    ports: protocols.map((port) => ({ ...port, port: 8080 })),
    endpoints: endpoints.map((address) => ({ addresses: [address], nodeName: 'node-a' })),
  }
}
