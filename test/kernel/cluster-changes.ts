/* Random changes to a small cluster, in which everything that can meet does meet. */
import * as fc from 'fast-check'
import {
  type EndpointSlice,
  type KubeObject,
  type Node,
  type Service,
  type ServiceSpec,
  type ServiceSpecPort,
  type SliceEndpoint,
  zoneLabel,
} from '../../src/kube/types.ts'
import { metadata, nodeName, service, slice } from '../model/fixtures.ts'
import { serviceCidr } from '../sync/proxy.ts'

export type Change =
  | { readonly kind: 'set' | 'delete'; readonly object: KubeObject }
  | { readonly kind: 'sync' }
  /** So much time passes. */
  | { readonly kind: 'wait'; readonly ms: number }

const names = ['a', 'b', 'c']
const portNames = ['', 'http']
const protocols = ['TCP', 'TCP', 'UDP', 'SCTP'] as const
const zones = ['east', 'west']

const port: fc.Arbitrary<ServiceSpecPort> = fc.record({
  name: fc.constantFrom(...portNames),
  protocol: fc.constantFrom(...protocols),
  port: fc.constantFrom(53, 80),
  nodePort: fc.constantFrom(0, 0, 30_053, 30_080),
})

const addresses = (ipv4: string, ipv6: string, maxLength: number): fc.Arbitrary<string[]> =>
  fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength }).map((hosts) => {
    return hosts.flatMap((host) => [`${ipv4}${host}`, `${ipv6}${host}`])
  })

const spec: fc.Arbitrary<Partial<ServiceSpec>> = fc
  .record({
    host: fc.integer({ min: 1, max: 3 }),
    families: fc.constantFrom<('IPv4' | 'IPv6')[]>(['IPv4'], ['IPv6'], ['IPv4', 'IPv6'], ['IPv6', 'IPv4']),
    ports: fc.uniqueArray(port, { selector: ({ protocol, port }) => `${protocol} ${port}`, maxLength: 3 }),
    type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer'),
    internalTrafficPolicy: fc.constantFrom('Cluster', 'Local'),
    externalTrafficPolicy: fc.constantFrom('Cluster', 'Local'),
    sessionAffinity: fc.constantFrom('None', 'None', 'ClientIP'),
    externalIPs: addresses('192.168.99.', '2001:db8:99::', 2),
    loadBalancerSourceRanges: fc.constantFrom<string[]>([], [], ['203.0.113.0/25', '2001:db8:113::/65']),
  })
  .map(({ host, families, ports, ...rest }) => ({
    ...rest,
    ipFamilies: families,
    clusterIPs: families.map((family) => (family === 'IPv4' ? `172.30.0.${host}` : `fd00:172:30::${host}`)),
    // A name and protocol occur once in a Service, as an API server sees to.
    ports: ports.filter(
      ({ name, protocol }, index) =>
        ports.findIndex((other) => other.name === name && other.protocol === protocol) === index,
    ),
  }))

const serviceObject: fc.Arbitrary<Service> = fc
  .record({
    name: fc.constantFrom(...names),
    createdAt: fc.constantFrom('', '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'),
    spec,
    ingress: addresses('198.51.100.', '2001:db8:100::', 2),
  })
  .map(({ name, createdAt, spec, ingress }) =>
    service(spec, createdAt === '' ? { name } : { name, creationTimestamp: createdAt }, {
      loadBalancer: { ingress: ingress.map((ip) => ({ ip })) },
    }),
  )

/** Hints are followed only where all endpoints have them. */
const sliceEndpoint = (prefix: string, hasHints: boolean): fc.Arbitrary<SliceEndpoint> =>
  fc.record(
    {
      addresses: fc.integer({ min: 1, max: 6 }).map((host) => [`${prefix}${host}`]),
      nodeName: fc.constantFrom(nodeName, 'elsewhere'),
      conditions: fc.constantFrom(
        {},
        {},
        { ready: false, serving: true, terminating: true },
        { ready: false, serving: false },
      ),
      hints: fc.constantFrom(...zones).map((name) => ({ forZones: [{ name }] })),
    },
    { requiredKeys: hasHints ? ['addresses', 'hints'] : ['addresses'] },
  )

const sliceObject: fc.Arbitrary<EndpointSlice> = fc
  .record({
    service: fc.constantFrom(...names),
    number: fc.nat(1),
    isIpv6: fc.boolean(),
    hasHints: fc.nat(3).map((number) => number > 0),
  })
  .chain(({ service, number, isIpv6, hasHints }) => {
    const addressType = isIpv6 ? 'IPv6' : 'IPv4'
    return fc.record({
      name: fc.constant(`${service}-${addressType}-${number}`),
      service: fc.constant(service),
      addressType: fc.constant(addressType),
      endpoints: fc.array(sliceEndpoint(isIpv6 ? 'fd00:10:180::' : '10.180.0.', hasHints), { maxLength: 6 }),
      ports: fc.array(
        fc.record({
          name: fc.constantFrom(...portNames),
          protocol: fc.constantFrom(...protocols),
          port: fc.constantFrom(53, 8080),
        }),
        { maxLength: 4 },
      ),
    } as const)
  })
  .map((parts) => slice(parts))

/** Some lie in others or beside them. */
const cidrs = ['10.96.0.0/15', '10.96.0.0/16', '10.97.0.0/16', 'fd00:172:30::/112', 'fd00:172::/32', 'fd00:173::/32']

const cidrObject = fc
  .record({ name: fc.constantFrom('x', 'y'), cidrs: fc.uniqueArray(fc.constantFrom(...cidrs), { maxLength: 4 }) })
  .map(({ name, cidrs }) => serviceCidr(name, ...cidrs))

const nodeObject = fc.constantFrom(...zones).map((zone): Node => ({
  kind: 'Node',
  metadata: metadata({ namespace: '', name: nodeName, labels: { [zoneLabel]: zone } }),
}))

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 6, arbitrary: serviceObject.map((object): Change => ({ kind: 'set', object })) },
  { weight: 8, arbitrary: sliceObject.map((object): Change => ({ kind: 'set', object })) },
  { weight: 2, arbitrary: serviceObject.map((object): Change => ({ kind: 'delete', object })) },
  { weight: 2, arbitrary: sliceObject.map((object): Change => ({ kind: 'delete', object })) },
  { weight: 4, arbitrary: cidrObject.map((object): Change => ({ kind: 'set', object })) },
  { weight: 1, arbitrary: cidrObject.map((object): Change => ({ kind: 'delete', object })) },
  { weight: 2, arbitrary: nodeObject.map((object): Change => ({ kind: 'set', object })) },
  { weight: 10, arbitrary: fc.constant<Change>({ kind: 'sync' }) },
  { weight: 2, arbitrary: fc.constantFrom(500, 1000).map((ms): Change => ({ kind: 'wait', ms })) },
)

/** Changes to objects, with syncs and waits in between. */
export const clusterChanges: fc.Arbitrary<Change[]> = fc.array(change, { minLength: 20, maxLength: 100, size: 'max' })
