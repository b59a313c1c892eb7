import {
  bool,
  duration,
  durationOrNs,
  filled,
  float,
  int32,
  list,
  map,
  object,
  quantity,
  text,
  uint32,
  type UnknownField,
  type ValueOf,
} from './api-fields.ts'
import { isIpv6Text, withPort } from './bind-address.ts'
import { deepFreeze } from './deep-freeze.ts'
import type { ConfigProblem } from './errors.ts'

export const configurationApiVersion = 'kubeproxy.config.k8s.io/v1alpha1'
export const configurationKind = 'KubeProxyConfiguration'

const second = 1_000
const minute = 60 * second
const hour = 60 * minute

const logOptions = object({ splitStream: bool(), infoBufferSize: quantity() })

/** The fields of KubeProxyConfiguration with their defaults, durations in milliseconds. */
const layout = object({
  featureGates: map(bool()),
  clientConnection: object({
    kubeconfig: text(),
    acceptContentTypes: text(),
    contentType: filled(text('application/vnd.kubernetes.protobuf')),
    qps: filled(float(5)),
    burst: filled(int32(10)),
  }),
  logging: object({
    format: filled(text('text')),
    flushFrequency: filled(durationOrNs(5 * second)),
    verbosity: uint32(),
    vmodule: list(object({ filePattern: text(), verbosity: uint32() })),
    options: object({ text: logOptions, json: logOptions }),
  }),
  hostnameOverride: text(),
  bindAddress: filled(text('0.0.0.0')),
  healthzBindAddress: text(),
  metricsBindAddress: text(),
  bindAddressHardFail: bool(),
  enableProfiling: bool(),
  showHiddenMetricsForVersion: text(),
  mode: text(),
  iptables: object({
    masqueradeBit: int32(14),
    masqueradeAll: bool(),
    localhostNodePorts: bool(true),
    syncPeriod: filled(duration(30 * second)),
    minSyncPeriod: filled(duration(second)),
  }),
  ipvs: object({
    syncPeriod: filled(duration(30 * second)),
    minSyncPeriod: duration(),
    scheduler: text(),
    excludeCIDRs: list(text()),
    strictARP: bool(),
    tcpTimeout: duration(),
    tcpFinTimeout: duration(),
    udpTimeout: duration(),
  }),
  nftables: object({
    masqueradeBit: int32(14),
    masqueradeAll: bool(),
    syncPeriod: filled(duration(30 * second)),
    minSyncPeriod: filled(duration(second)),
    /** Not in kube-proxy: packets after which a connection takes the fast path; 0 turns it off. */
    fastpathPacketThreshold: int32(20),
    /** Not in kube-proxy: names of interfaces that take part, with patterns; empty for all that qualify. */
    fastpathInterfaces: list(text()),
    /** Not in kube-proxy: clients are told when the endpoint of their offloaded TCP connection is gone. */
    fastpathResetTCP: bool(),
  }),
  winkernel: object({
    networkName: text(),
    sourceVip: text(),
    enableDSR: bool(),
    rootHnsEndpointName: text(),
    forwardHealthCheckVip: bool(),
  }),
  detectLocalMode: text(),
  detectLocal: object({ bridgeInterface: text(), interfaceNamePrefix: text() }),
  clusterCIDR: text(),
  nodePortAddresses: list(text()),
  oomScoreAdj: int32(-999),
  conntrack: object({
    maxPerCore: int32(32_768),
    min: int32(131_072),
    tcpEstablishedTimeout: duration(24 * hour),
    tcpCloseWaitTimeout: duration(hour),
    tcpBeLiberal: bool(),
    udpTimeout: duration(),
    udpStreamTimeout: duration(),
  }),
  configSyncPeriod: filled(duration(15 * minute)),
  portRange: text(),
  windowsRunAsService: bool(),
})

/** kubeproxy.config.k8s.io/v1alpha1 KubeProxyConfiguration with all defaults applied, deeply frozen; durations in milliseconds. */
export type KubeProxyConfiguration = ValueOf<typeof layout>

/** The path of a field that has a value of its own, such as `conntrack.min`. */
export type FieldPath = PathsOf<KubeProxyConfiguration>

type PathsOf<T> = {
  [Name in keyof T & string]: HasNamedFields<T[Name]> extends true ? `${Name}.${PathsOf<T[Name]>}` : Name
}[keyof T & string]
/** True for an object that is neither a list nor a map. */
type HasNamedFields<T> = T extends object
  ? T extends readonly unknown[]
    ? false
    : string extends keyof T
      ? false
      : true
  : false

export const healthzPort = 10_256
export const metricsPort = 10_249

/** What an empty file stands for. */
export const defaultConfiguration: KubeProxyConfiguration = deepFreeze(withServerAddresses(layout.preset))

/** What JSON or YAML says that was parsed, with defaults; `problems` are values of the wrong type. */
export function decodeConfiguration(json: unknown): {
  readonly configuration: KubeProxyConfiguration
  readonly problems: readonly ConfigProblem[]
  readonly unknownFields: readonly UnknownField[]
} {
  const problems: ConfigProblem[] = []
  const unknownFields: UnknownField[] = []
  const decoded = layout.read(json, { path: configurationKind, problems, unknownFields })
  return { configuration: deepFreeze(withServerAddresses(decoded)), problems, unknownFields }
}

/** The API object, as JSON and YAML have it. */
export function toApiObject(configuration: KubeProxyConfiguration): Readonly<Record<string, unknown>> {
  const fields = layout.write(configuration) as Readonly<Record<string, unknown>>
  return { apiVersion: configurationApiVersion, kind: configurationKind, ...fields }
}

/** The servers listen on the family of `bindAddress` unless they are told otherwise. */
function withServerAddresses(configuration: KubeProxyConfiguration): KubeProxyConfiguration {
  const { bindAddress, healthzBindAddress, metricsBindAddress } = configuration
  const isIpv6 = isIpv6Text(bindAddress)
  return {
    ...configuration,
    healthzBindAddress: withPort(healthzBindAddress || (isIpv6 ? '::' : '0.0.0.0'), healthzPort),
    metricsBindAddress: withPort(metricsBindAddress || (isIpv6 ? '::1' : '127.0.0.1'), metricsPort),
  }
}

export function fieldAt(configuration: KubeProxyConfiguration, path: FieldPath): unknown {
  return path.split('.').reduce((value: unknown, name) => (value as Record<string, unknown>)[name], configuration)
}

/** The same configuration with another value of this field. */
export function withField(
  configuration: KubeProxyConfiguration,
  path: FieldPath,
  value: unknown,
): KubeProxyConfiguration {
  return replaced(configuration, path.split('.'), value) as KubeProxyConfiguration
}

function replaced(section: unknown, [name, ...rest]: readonly string[], value: unknown): unknown {
  if (name === undefined) return value
  const fields = section as Readonly<Record<string, unknown>>
  return { ...fields, [name]: replaced(fields[name], rest, value) }
}
