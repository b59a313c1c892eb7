/* Worlds and packets by chance, with few enough addresses for packets to meet Services. */
import * as fc from 'fast-check'
import type { DataplaneFlags } from '../../src/config/dataplane-flags.ts'
import { ipv4 } from '../lab/addresses.ts'
import { clusterPlan } from '../lab/plan.ts'
import { ip } from '../model/fixtures.ts'
import type { Probe } from './sight.ts'
import { podsByRange, port, type TestEndpoint, type TestPort, type TestService, type World } from './world.ts'

/** A world in IPv4, and packets that are sent in it. */
export type RandomSituation = { readonly world: World; readonly probes: readonly Probe[] }

const { clusterIps, externalIps, nodeExternalIp, loadBalancerIps, localEndpoints, remoteEndpoints, mixedEndpoints } =
  ipv4
const { node, secondNodeIp, pod, remotePod, outsideClient, blockedClient, unallocatedClusterIp } = ipv4
const nodePorts = [3001, 3002, 3003]
const zones = ['zone-a', 'zone-b']
const sourceRangeTexts = [ipv4.sourceRange, ipv4.nodeRange, ipv4.otherRange, ipv4.podCidr]

const testPort = (parts: Partial<TestPort>): fc.Arbitrary<TestPort> =>
  fc
    .option(fc.constantFrom(...nodePorts), { nil: undefined })
    .map((nodePort) => port({ ...parts, ...(nodePort === undefined ? {} : { nodePort }) }))

const testPorts: fc.Arbitrary<readonly TestPort[]> = fc
  .tuple(
    testPort({ name: 'http' }),
    testPort({ name: 'http-udp', protocol: 'UDP' }),
    testPort({ name: 'https', port: 443, targetPort: 8443 }),
  )
  .chain((ports) => fc.subarray(ports, { minLength: 1 }))

const testEndpoint: fc.Arbitrary<TestEndpoint> = fc.record({
  address: fc.constantFrom(
    ...localEndpoints.slice(0, 2),
    ...remoteEndpoints.slice(0, 2),
    ...mixedEndpoints.slice(0, 2),
  ),
  isHere: fc.boolean(),
  state: fc.constantFrom('ready', 'ready', 'ready', 'terminating', 'gone'),
  zones: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.subarray(zones)),
})

/** `createdAt` decides whose a frontend is that several of them claim. */
const testService: fc.Arbitrary<Omit<TestService, 'name' | 'clusterIp'>> = fc.record({
  type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer'),
  ports: testPorts,
  externalIps: fc.subarray([...externalIps, nodeExternalIp], { maxLength: 2 }),
  loadBalancerIps: fc.subarray([...loadBalancerIps], { maxLength: 2 }),
  ipMode: fc.constantFrom('VIP', 'VIP', 'VIP', 'Proxy'),
  externalPolicy: fc.constantFrom('Cluster', 'Local'),
  internalPolicy: fc.constantFrom('Cluster', 'Cluster', 'Local'),
  sourceRanges: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.subarray(sourceRangeTexts, { maxLength: 3 })),
  affinitySeconds: fc.constantFrom(0, 0, 10_800),
  optsOutOfFastpath: fc.boolean(),
  createdAt: fc.constantFrom('2024-01-01T00:00:00Z', '2025-01-01T00:00:00Z'),
  endpoints: fc.uniqueArray(testEndpoint, { maxLength: 4, selector: ({ address }) => address }),
})

const services: fc.Arbitrary<readonly TestService[]> = fc
  .array(testService, { minLength: 1, maxLength: 3 })
  .map((all) =>
    all.map((parts, index) => ({ ...parts, name: `svc${index + 1}`, clusterIp: clusterIps[index] ?? clusterIps[0] })),
  )

const detectorFlags: fc.Arbitrary<DataplaneFlags> = fc.constantFrom<DataplaneFlags>(
  podsByRange,
  podsByRange,
  {},
  { detectLocalMode: 'NodeCIDR' },
  { detectLocalMode: 'InterfaceNamePrefix', podInterfaceNamePrefix: 'veth-' },
  { detectLocalMode: 'BridgeInterface', podBridgeInterface: clusterPlan.pods.pod.link },
)

const flags: fc.Arbitrary<DataplaneFlags> = fc
  .record({
    detector: detectorFlags,
    masqueradeAll: fc.constantFrom(false, false, true),
    nodeportAddresses: fc.constantFrom(
      'primary',
      '',
      ipv4.secondNodeRange,
      `${ipv4.nodeRange},${ipv4.secondNodeRange}`,
    ),
  })
  .map(({ detector, ...others }) => ({ ...detector, ...others }))

const randomWorld: fc.Arbitrary<World> = fc.record({
  services,
  serviceCidrs: fc.constantFrom([ipv4.serviceCidr], [ipv4.serviceCidr], []),
  flags,
  podCidrs: fc.constant([ipv4.nodePodCidr]),
  zone: fc.constantFrom(...zones),
  boundAddresses: fc.constant([]),
  hasFastpath: fc.boolean(),
})

/** Senders have hosts of their own: between two addresses of one host no packet crosses the node. */
const sender = fc.constantFrom(pod, node, secondNodeIp, remotePod, outsideClient, blockedClient, localEndpoints[0])

/** Mostly something that a Service of the world has. */
const probeIn = ({ services }: World): fc.Arbitrary<Probe> => {
  const frontends = services.flatMap(({ clusterIp, externalIps, loadBalancerIps, ports }) =>
    ports.flatMap(({ port, nodePort = 3001, protocol }) => [
      ...[clusterIp, ...externalIps, ...loadBalancerIps].map((to) => ({ to, port, protocol })),
      ...[node, secondNodeIp, nodeExternalIp].map((to) => ({ to, port: nodePort, protocol })),
    ]),
  )
  const anything = fc.record({
    to: fc.constantFrom(...clusterIps, unallocatedClusterIp, node, secondNodeIp, ...externalIps, ...loadBalancerIps),
    port: fc.constantFrom(80, 443, ...nodePorts),
    protocol: fc.constantFrom('TCP', 'UDP'),
  })
  const dialled = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...frontends) }, anything)
  return fc.tuple(sender, dialled).map(([from, { to, port, protocol }]) => ({
    from: ip(from),
    to: ip(to),
    port,
    protocol: protocol === 'UDP' ? 'udp' : 'tcp',
  }))
}

export const randomSituation: fc.Arbitrary<RandomSituation> = randomWorld.chain((world) =>
  fc.record({ world: fc.constant(world), probes: fc.array(probeIn(world), { minLength: 8, maxLength: 16 }) }),
)
