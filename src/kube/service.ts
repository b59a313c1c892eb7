import {
  readFields,
  readObjects,
  readInteger,
  readString,
  readStrings,
  readWord,
  show,
  warn,
  within,
} from './fields.ts'
import type { Fields, Scope } from './fields.ts'
import type {
  IpFamilyName,
  LoadBalancerIngress,
  ObjectMeta,
  Service,
  ServiceSpec,
  ServiceSpecPort,
  ServiceStatus,
} from './types.ts'

export const ipFamilyNames = ['IPv4', 'IPv6'] as const
export const protocolNames = ['TCP', 'UDP', 'SCTP'] as const
const serviceTypes = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'] as const
const trafficPolicies = ['Cluster', 'Local'] as const
const defaultAffinityTimeoutSeconds = 10_800
const maxAffinityTimeoutSeconds = 86_400
/** RFC 1123 label, the form of a port name. */
const dnsLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** The fields of a core/v1 Service that we read, with the API server's defaults. */
export function decodeService(scope: Scope, raw: Fields, metadata: ObjectMeta): Service {
  const spec = readFields(scope, raw, 'spec')
  if (spec === undefined && raw['spec'] == null) warn(scope, 'spec', 'is missing')
  return {
    kind: 'Service',
    metadata,
    spec: decodeSpec(within(scope, 'spec'), spec ?? {}),
    status: decodeStatus(scope, raw),
  }
}

/** A port name: empty, or a DNS label; undefined, with a warning, when it is neither. */
export function decodePortName(scope: Scope, fields: Fields): string | undefined {
  const name = fields['name'] ?? ''
  if (typeof name === 'string' && (name === '' || dnsLabel.test(name))) return name
  warn(scope, 'name', `${JSON.stringify(name)} is not a DNS label`)
  return undefined
}

/** TCP when absent; undefined, with a warning, when it is no protocol we know. */
export function decodeProtocol(scope: Scope, fields: Fields): (typeof protocolNames)[number] | undefined {
  if (fields['protocol'] === undefined || fields['protocol'] === null) return 'TCP'
  return readWord(scope, fields, 'protocol', protocolNames)
}

function decodeSpec(scope: Scope, fields: Fields): ServiceSpec {
  const clusterIPs = decodeClusterIPs(scope, fields)
  const sessionAffinity = readWord(scope, fields, 'sessionAffinity', ['None', 'ClientIP'] as const) ?? 'None'
  return {
    type: readWord(scope, fields, 'type', serviceTypes) ?? 'ClusterIP',
    clusterIP: clusterIPs[0] ?? '',
    clusterIPs,
    ipFamilies: decodeFamilies(scope, fields, clusterIPs),
    ports: decodePorts(scope, fields),
    externalIPs: readStrings(scope, fields, 'externalIPs'),
    loadBalancerSourceRanges: readStrings(scope, fields, 'loadBalancerSourceRanges'),
    sessionAffinity,
    sessionAffinityConfig: sessionAffinity === 'ClientIP' ? decodeAffinityConfig(scope, fields) : undefined,
    internalTrafficPolicy: readWord(scope, fields, 'internalTrafficPolicy', trafficPolicies) ?? 'Cluster',
    externalTrafficPolicy: readWord(scope, fields, 'externalTrafficPolicy', trafficPolicies),
    healthCheckNodePort: readInteger(scope, fields, 'healthCheckNodePort', 0, 65_535),
  }
}

function decodeClusterIPs(scope: Scope, fields: Fields): readonly string[] {
  const clusterIPs = readStrings(scope, fields, 'clusterIPs') ?? []
  if (clusterIPs.length > 0) return clusterIPs
  const clusterIP = readString(scope, fields, 'clusterIP') ?? ''
  return clusterIP === '' ? [] : [clusterIP]
}

/** Derived from the addresses when absent, or when a word in it is unknown: the two lists must stay in step. */
function decodeFamilies(scope: Scope, fields: Fields, clusterIPs: readonly string[]): readonly IpFamilyName[] {
  const written = readStrings(scope, fields, 'ipFamilies') ?? []
  const known = written.flatMap((word) => ipFamilyNames.find((family) => family === word) ?? [])
  if (known.length > 0 && known.length === written.length) return known
  if (written.length > 0)
    warn(scope, 'ipFamilies', `${show(written)} has a word other than ${ipFamilyNames.join(', ')}`)
  return clusterIPs.filter((ip) => ip !== 'None').map((ip) => (ip.includes(':') ? 'IPv6' : 'IPv4'))
}

function decodeAffinityConfig(scope: Scope, fields: Fields): ServiceSpec['sessionAffinityConfig'] {
  const config = readFields(scope, fields, 'sessionAffinityConfig') ?? {}
  const clientIP = readFields(within(scope, 'sessionAffinityConfig'), config, 'clientIP') ?? {}
  const inClientIP = within(scope, 'sessionAffinityConfig.clientIP')
  const timeoutSeconds = readInteger(inClientIP, clientIP, 'timeoutSeconds', 1, maxAffinityTimeoutSeconds)
  return { clientIP: { timeoutSeconds: timeoutSeconds ?? defaultAffinityTimeoutSeconds } }
}

function decodePorts(scope: Scope, fields: Fields): readonly ServiceSpecPort[] {
  const seen = new Set<string>()
  return readObjects(scope, fields, 'ports', (inPort, fields) => {
    const port = decodePort(inPort, fields)
    return port === undefined || isRepeated(inPort, port, seen) ? undefined : port
  })
}

function decodePort(scope: Scope, fields: Fields): ServiceSpecPort | undefined {
  const warningsBefore = scope.warnings.length
  const name = decodePortName(scope, fields)
  const protocol = decodeProtocol(scope, fields)
  const port = readInteger(scope, fields, 'port', 1, 65_535)
  const nodePort = readInteger(scope, fields, 'nodePort', 0, 65_535) ?? 0
  if (scope.warnings.length > warningsBefore) return undefined
  if (port === undefined) {
    warn(scope, 'port', 'is missing')
    return undefined
  }
  return { name, protocol, port, nodePort }
}

/** Within a Service both (name, protocol) and (port, protocol) are unique; the first port that has them is kept. */
function isRepeated(scope: Scope, port: ServiceSpecPort, seen: Set<string>): boolean {
  const name = `name ${port.name} ${port.protocol}`
  const number = `port ${port.port} ${port.protocol}`
  if (seen.has(name)) {
    warn(scope, 'name', `another ${port.protocol} port of the Service has the name ${JSON.stringify(port.name)}`)
    return true
  }
  if (seen.has(number)) {
    warn(scope, 'port', `another port of the Service is ${port.port}/${port.protocol}`)
    return true
  }
  seen.add(name).add(number)
  return false
}

function decodeStatus(scope: Scope, raw: Fields): ServiceStatus | undefined {
  const status = readFields(scope, raw, 'status') ?? {}
  const loadBalancer = readFields(within(scope, 'status'), status, 'loadBalancer') ?? {}
  const ingress = readObjects(within(scope, 'status.loadBalancer'), loadBalancer, 'ingress', decodeIngress)
  return ingress.length === 0 ? undefined : { loadBalancer: { ingress } }
}

function decodeIngress(scope: Scope, fields: Fields): LoadBalancerIngress {
  return { ip: readString(scope, fields, 'ip'), ipMode: readString(scope, fields, 'ipMode') }
}
