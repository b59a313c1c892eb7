/* What a node is to be programmed with, as plain data: Services with their endpoints, and how the program is started. */
import { type NodeFacts, dataplaneOptions } from '../../src/agent/dataplane-options.ts'
import { nodePortRanges, selectNodePortIps } from '../../src/agent/node-port-addresses.ts'
import { type DataplaneFlags, dataplaneConfig } from '../../src/config/dataplane-flags.ts'
import { fastpathLabelBit } from '../../src/dataplane/names.ts'
import type { DataplaneOptions } from '../../src/dataplane/options.ts'
import {
  type EndpointConditions,
  fastpathAnnotation,
  type KubeObject,
  type LoadBalancerIngress,
  type ProtocolName,
  serviceNameLabel,
  type ServiceSpec,
  type SliceEndpoint,
  type TrafficPolicy,
  zoneLabel,
} from '../../src/kube/types.ts'
import type { Family, IpAddress } from '../../src/model/ip.ts'
import { ipv4, ipv6 } from '../lab/addresses.ts'
import { nodeAddresses } from '../lab/plan.ts'
import { ip, nodeName } from '../model/fixtures.ts'

/** A Service, the slice with its endpoints, and all that decides how packets to it are treated. */
export type TestService = {
  readonly name: string
  readonly type: NonNullable<ServiceSpec['type']>
  /** `None` for a headless Service. */
  readonly clusterIp: string
  readonly ports: readonly TestPort[]
  readonly externalIps: readonly string[]
  readonly loadBalancerIps: readonly string[]
  readonly ipMode?: NonNullable<LoadBalancerIngress['ipMode']>
  readonly externalPolicy: TrafficPolicy
  readonly internalPolicy: TrafficPolicy
  readonly sourceRanges: readonly string[]
  /** 0 for none. */
  readonly affinitySeconds: number
  /** Its annotation; by default it has none. */
  readonly optsOutOfFastpath?: boolean
  /** RFC 3339; the older of two Services that claim one frontend gets it. */
  readonly createdAt?: string
  readonly endpoints: readonly TestEndpoint[]
}

export type TestPort = {
  readonly name: string
  readonly protocol: ProtocolName
  readonly port: number
  readonly targetPort: number
  readonly nodePort?: number
}

/** `terminating` ones still serve, `gone` ones do not. */
export type TestEndpoint = {
  readonly address: string
  readonly isHere: boolean
  readonly state: 'ready' | 'terminating' | 'gone'
  /** Zones that it is meant for; none for no hint. */
  readonly zones?: readonly string[]
}

export type World = {
  readonly services: readonly TestService[]
  readonly serviceCidrs: readonly string[]
  /** As on the command line. */
  readonly flags: DataplaneFlags
  /** Of the Node object. */
  readonly podCidrs: readonly string[]
  readonly zone: string
  /** Addresses that the node has beside those of the plan, such as a load-balancer IP bound to it. */
  readonly boundAddresses: readonly string[]
  /** Connections get the label by which the fast path knows them. */
  readonly hasFastpath?: boolean
}

/** The world of most tables: pods are told by their range, node ports work on the node's main address. */
export function world(parts: Partial<World> = {}): World {
  return {
    services: [],
    serviceCidrs: [ipv4.serviceCidr],
    flags: podsByRange,
    podCidrs: [ipv4.nodePodCidr],
    zone: 'zone-a',
    boundAddresses: [],
    ...parts,
  }
}

/** The detector of most tables. */
export const podsByRange: DataplaneFlags = { clusterCidr: ipv4.podCidr }

/** A Service svc1 with the first cluster IP and one port `http`, TCP 80 to 80. `nodePort` is that of the first port. */
export function service({ nodePort, ...parts }: Partial<TestService> & { readonly nodePort?: number }): TestService {
  const ports = parts.ports ?? [port({})]
  const [first, ...others] = ports
  return {
    name: 'svc1',
    type: 'ClusterIP',
    clusterIp: ipv4.clusterIps[0],
    externalIps: [],
    loadBalancerIps: [],
    externalPolicy: 'Cluster',
    internalPolicy: 'Cluster',
    sourceRanges: [],
    affinitySeconds: 0,
    endpoints: [],
    ...parts,
    ports: first === undefined || nodePort === undefined ? ports : [{ ...first, nodePort }, ...others],
  }
}

/** `http`, TCP 80 to 80. */
export function port(parts: Partial<TestPort>): TestPort {
  return { name: 'http', protocol: 'TCP', port: 80, targetPort: 80, ...parts }
}

/** An endpoint on this node. */
export function here(address: string, state: TestEndpoint['state'] = 'ready'): TestEndpoint {
  return { address, isHere: true, state }
}

/** An endpoint on another node. */
export function remote(address: string, state: TestEndpoint['state'] = 'ready'): TestEndpoint {
  return { address, isHere: false, state }
}

/** All that the program is told of a world. */
export function objectsOf({ services, serviceCidrs, zone }: World, family: Family): readonly KubeObject[] {
  return [
    { kind: 'Node', metadata: { namespace: '', name: nodeName, labels: { [zoneLabel]: zone } } },
    { kind: 'ServiceCIDR', metadata: { namespace: '', name: 'kubernetes' }, spec: { cidrs: serviceCidrs } },
    ...services.flatMap((one) => [serviceObject(one, family), ...sliceObjects(one, family)]),
  ]
}

/** How the table is laid out, and the members of `nodeport-ips`. */
export function dataplaneOf(
  { flags, podCidrs, boundAddresses, hasFastpath = false }: World,
  family: Family,
): { readonly options: DataplaneOptions; readonly nodePortIps: readonly IpAddress[] } {
  const config = dataplaneConfig(flags)
  const label = hasFastpath ? { fastpathLabelBit } : {}
  const facts: NodeFacts = { ips: { IPv4: ip(ipv4.node), IPv6: ip(ipv6.node) }, podCidrs, ...label }
  const interfaceAddresses = [ipv4, ipv6].flatMap((plan) => [...nodeAddresses(plan), plan.loopback])
  return {
    options: dataplaneOptions(family, config, facts),
    nodePortIps: selectNodePortIps(
      nodePortRanges(family, config, facts),
      [...interfaceAddresses, ...boundAddresses].map(ip),
    ),
  }
}

const namespace = 'ns'

function serviceObject(parts: TestService, family: Family): KubeObject {
  const {
    name,
    clusterIp,
    ports,
    createdAt,
    affinitySeconds,
    loadBalancerIps,
    ipMode,
    optsOutOfFastpath = false,
  } = parts
  const annotations = optsOutOfFastpath ? { [fastpathAnnotation]: 'off' } : undefined
  return {
    kind: 'Service',
    metadata: { namespace, name, creationTimestamp: createdAt, annotations },
    spec: {
      type: parts.type,
      clusterIP: clusterIp,
      clusterIPs: [clusterIp],
      ipFamilies: [family],
      ports,
      externalIPs: parts.externalIps,
      loadBalancerSourceRanges: parts.sourceRanges,
      sessionAffinity: affinitySeconds > 0 ? 'ClientIP' : 'None',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: affinitySeconds } },
      internalTrafficPolicy: parts.internalPolicy,
      externalTrafficPolicy: parts.externalPolicy,
      healthCheckNodePort: parts.type === 'LoadBalancer' && parts.externalPolicy === 'Local' ? 30_000 : 0,
    },
    status: { loadBalancer: { ingress: loadBalancerIps.map((ip) => ({ ip, ipMode })) } },
  }
}

/** No slice without endpoints: that of a Service whose last endpoint goes is deleted. */
function sliceObjects({ name, ports, endpoints }: TestService, family: Family): KubeObject[] {
  if (endpoints.length === 0) return []
  return [
    {
      kind: 'EndpointSlice',
      metadata: { namespace, name: `${name}-1`, labels: { [serviceNameLabel]: name } },
      addressType: family,
      ports: ports.map(({ name, protocol, targetPort }) => ({ name, protocol, port: targetPort })),
      endpoints: endpoints.map(sliceEndpoint),
    },
  ]
}

function sliceEndpoint({ address, isHere, state, zones = [] }: TestEndpoint): SliceEndpoint {
  return {
    addresses: [address],
    nodeName: isHere ? nodeName : 'node-2',
    conditions: conditions[state],
    ...(zones.length === 0 ? {} : { hints: { forZones: zones.map((name) => ({ name })) } }),
  }
}

const conditions = {
  ready: { ready: true, serving: true, terminating: false },
  terminating: { ready: false, serving: true, terminating: true },
  gone: { ready: false, serving: false, terminating: true },
} as const satisfies Record<TestEndpoint['state'], EndpointConditions>
