import { describeObject, fastpathAnnotation, objectKey } from '../kube/types.ts'
import type { ObjectKey, Service, Warning } from '../kube/types.ts'
import { cidrFamily, cidrParts, parseCidr } from './cidr.ts'
import type { Cidr } from './cidr.ts'
import { familyOf, parseIp } from './ip.ts'
import type { Family, IpAddress } from './ip.ts'

export { fastpathAnnotation }

/** In nft's spelling. */
export type Protocol = 'tcp' | 'udp' | 'sctp'

/** What, within one Service, a service port and its endpoints have in common: `tcp:http`, or `tcp:` without a name. */
export type PortKey = `${Protocol}:${string}`

/** One port of one Service as one IP family sees it. */
export interface ServicePort {
  readonly namespace: string
  readonly name: string
  /** Empty for the port of a Service with one unnamed port. */
  readonly portName: string
  readonly protocol: Protocol
  readonly clusterIp: IpAddress
  readonly port: number
  /** 0 for none. */
  readonly nodePort: number
  readonly externalIps: readonly IpAddress[]
  /** The status.loadBalancer.ingress addresses that are delivered to the node as they are (ipMode VIP, KEP-1860). */
  readonly loadBalancerIps: readonly IpAddress[]
  /** Who may use the load-balancer IPs; empty for everybody. */
  readonly sourceRanges: readonly Cidr[]
  /** ClientIP session affinity; 0 for none. */
  readonly affinityTimeoutSeconds: number
  /** internalTrafficPolicy Local. */
  readonly internalPolicyLocal: boolean
  /** externalTrafficPolicy Local, on a Service that can receive external traffic. */
  readonly externalPolicyLocal: boolean
  /** Long connections may leave the rules for the kernel's flow table, unless the Service's annotation says `off`. */
  readonly usesFastpath: boolean
  /** 0 for none. */
  readonly healthCheckNodePort: number
  /** RFC 3339 with whole seconds, so that text order is time order; empty when unknown. */
  readonly creationTimestamp: string
}

export interface ServicePorts {
  readonly ports: readonly ServicePort[]
  readonly warnings: readonly Warning[]
}

const noPorts: ServicePorts = { ports: [], warnings: [] }
const none: readonly never[] = []
/** The API server's default of sessionAffinityConfig.clientIP.timeoutSeconds. */
const defaultAffinityTimeoutSeconds = 10_800

/**
 * The ports of a Service for one IP family: none for an ExternalName or headless Service and for one without a cluster
 * IP of the family. What both families would find wrong is reported for the Service's first family only.
 */
export function servicePorts(service: Service, family: Family, usesExternalIps = true): ServicePorts {
  const { metadata, spec } = service
  if (spec.type === 'ExternalName' || isHeadless(service)) return noPorts
  const address = clusterAddress(service, family)
  if (address === undefined) return noPorts
  const warnings: Warning[] = []
  const warn = (field: string, message: string): void => {
    warnings.push({ object: describeObject('Service', metadata), field, message })
  }
  const clusterIp = parseIp(address.text)
  if (clusterIp === undefined || familyOf(clusterIp) !== family) {
    warn(address.field, `"${address.text}" is not an ${family} address`)
    return { ports: none, warnings }
  }
  const warnOnce = family === firstFamily(service) ? warn : ignoreWarning
  const externalIPs = usesExternalIps ? (spec.externalIPs ?? none) : none
  const externalIps = addresses(externalIPs, 'spec.externalIPs', family, warnOnce)
  const loadBalancerIps = loadBalancerAddresses(service, family, warnOnce)
  const ranges = sourceRanges(spec.loadBalancerSourceRanges ?? none, family, warnOnce)
  const healthPort = healthCheckNodePort(service, warnOnce)
  const usesFastpath = mayUseFastpath(service, warnOnce)
  const ports = (spec.ports ?? none).map((port) => ({
    namespace: metadata.namespace,
    name: metadata.name,
    portName: port.name ?? '',
    protocol: protocolOf(port.protocol),
    clusterIp,
    port: port.port,
    nodePort: port.nodePort ?? 0,
    externalIps,
    loadBalancerIps,
    sourceRanges: ranges,
    affinityTimeoutSeconds: affinityTimeoutSeconds(service),
    internalPolicyLocal: spec.internalTrafficPolicy === 'Local',
    externalPolicyLocal: hasExternalPolicyLocal(service),
    usesFastpath,
    healthCheckNodePort: healthPort,
    creationTimestamp: metadata.creationTimestamp ?? '',
  }))
  return { ports, warnings }
}

export function portKey(protocol: Protocol, portName: string): PortKey {
  return `${protocol}:${portName}`
}

/** The key of the Service that the port belongs to. */
export function serviceKeyOf(port: ServicePort): ObjectKey {
  return objectKey(port)
}

/** `namespace/name:port`, and `namespace/name` for a port without a name. */
export function displayName(port: ServicePort): string {
  const service = `${port.namespace}/${port.name}`
  return port.portName === '' ? service : `${service}:${port.portName}`
}

/** `172.30.0.41:80/TCP`. */
export function displayAddress(port: ServicePort): string {
  const host = familyOf(port.clusterIp) === 'IPv6' ? `[${port.clusterIp}]` : port.clusterIp
  return `${host}:${port.port}/${port.protocol.toUpperCase()}`
}

/** Whether clients outside the cluster have an address for this port. */
export function isExternallyAccessible(port: ServicePort): boolean {
  return port.nodePort !== 0 || port.loadBalancerIps.length > 0 || port.externalIps.length > 0
}

/** Whether some traffic may go to endpoints on any Node. */
export function usesClusterEndpoints(port: ServicePort): boolean {
  return !port.internalPolicyLocal || isExternallyAccessible(port)
}

/** Whether some traffic must stay on this Node. */
export function usesLocalEndpoints(port: ServicePort): boolean {
  return port.internalPolicyLocal || (port.externalPolicyLocal && isExternallyAccessible(port))
}

type Warn = (field: string, message: string) => void

function ignoreWarning(): void {}

function isHeadless(service: Service): boolean {
  const { clusterIP, clusterIPs } = service.spec
  const first = clusterIP ?? clusterIPs?.[0] ?? ''
  return first === '' || first === 'None'
}

/** The entry of clusterIPs at the family's place in ipFamilies; without ipFamilies, clusterIP if it is of the family. */
function clusterAddress(service: Service, family: Family): { text: string; field: string } | undefined {
  const { clusterIP = '', clusterIPs = none, ipFamilies = none } = service.spec
  if (ipFamilies.length === 0) {
    return textualFamily(clusterIP) === family ? { text: clusterIP, field: 'spec.clusterIP' } : undefined
  }
  const index = ipFamilies.indexOf(family)
  const text = clusterIPs[index]
  return text === undefined ? undefined : { text, field: `spec.clusterIPs[${index}]` }
}

function firstFamily(service: Service): Family {
  return service.spec.ipFamilies?.[0] ?? textualFamily(service.spec.clusterIP ?? '')
}

function textualFamily(text: string): Family {
  return text.includes(':') ? 'IPv6' : 'IPv4'
}

const protocols = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const

/** In nft's spelling; TCP when absent, as the API server has it. */
export function protocolOf(name: keyof typeof protocols | undefined): Protocol {
  return protocols[name ?? 'TCP']
}

/** The addresses of the family, canonical and each once. Blank entries and those of the other family mean nothing. */
function addresses(texts: readonly string[], field: string, family: Family, warn: Warn): readonly IpAddress[] {
  const found = new Set<IpAddress>()
  for (const [index, text] of texts.entries()) {
    const ip = parseIp(text)
    if (ip !== undefined && familyOf(ip) === family) found.add(ip)
    if (ip === undefined && text.trim() !== '') warn(`${field}[${index}]`, `"${text}" is not an IP address`)
  }
  return found.size === 0 ? none : [...found]
}

/** The Service's type does not matter, nor do the ports of an entry. */
function loadBalancerAddresses(service: Service, family: Family, warn: Warn): readonly IpAddress[] {
  const ingress = service.status?.loadBalancer?.ingress ?? none
  if (ingress.length === 0) return none
  const texts = ingress.map(({ ip = '', ipMode = 'VIP' }) => (ipMode === 'VIP' ? ip : ''))
  return addresses(texts, 'status.loadBalancer.ingress', family, (field, message) => warn(`${field}.ip`, message))
}

/** A range that holds all addresses lifts the restriction of its family; so does a list without one valid range. */
function sourceRanges(texts: readonly string[], family: Family, warn: Warn): readonly Cidr[] {
  if (texts.length === 0) return none
  const found = new Set<Cidr>()
  for (const [index, text] of texts.entries()) {
    const cidr = parseCidr(text)
    if (cidr !== undefined && cidrFamily(cidr) === family) found.add(cidr)
    if (cidr === undefined && text.trim() !== '') {
      warn(`spec.loadBalancerSourceRanges[${index}]`, `"${text}" is not an IP address range`)
    }
  }
  const ranges = [...found]
  return ranges.some((cidr) => cidrParts(cidr).prefixLength === 0) ? none : ranges
}

function affinityTimeoutSeconds({ spec }: Service): number {
  if (spec.sessionAffinity !== 'ClientIP') return 0
  return spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinityTimeoutSeconds
}

/** externalTrafficPolicy counts only where external traffic can arrive. */
function hasExternalPolicyLocal({ spec }: Service): boolean {
  if (spec.externalTrafficPolicy !== 'Local') return false
  if (spec.type === 'NodePort' || spec.type === 'LoadBalancer') return true
  return (spec.externalIPs ?? none).length > 0
}

/** On unless the Service opts out. */
function mayUseFastpath({ metadata }: Service, warn: Warn): boolean {
  const value = metadata.annotations?.[fastpathAnnotation] ?? 'on'
  if (value !== 'on' && value !== 'off') {
    warn(`metadata.annotations[${fastpathAnnotation}]`, `"${value}" is neither on nor off`)
  }
  return value !== 'off'
}

/** Only a load balancer that must find the Nodes with local endpoints asks for health. */
function healthCheckNodePort({ spec }: Service, warn: Warn): number {
  if (spec.type !== 'LoadBalancer' || spec.externalTrafficPolicy !== 'Local') return 0
  const port = spec.healthCheckNodePort ?? 0
  if (port === 0) warn('spec.healthCheckNodePort', 'is missing; load balancers cannot tell which Nodes have endpoints')
  return port
}
