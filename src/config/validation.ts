import { cidrFamily, parseCidr } from '../model/cidr.ts'
import { interfacePatternProblem } from '../model/interface-pattern.ts'
import { parseIp } from '../model/ip.ts'
import { show } from './api-fields.ts'
import { parseSocketAddress } from './bind-address.ts'
import { formatDuration } from './duration.ts'
import type { ConfigProblem } from './errors.ts'
import { gateProblem, isGateOn } from './feature-gates.ts'
import { type FieldPath, configurationKind, type KubeProxyConfiguration } from './kube-proxy-configuration.ts'

/** The minor version of Kubernetes before the one whose kube-proxy is followed. */
const previousMinorVersion = '1.35'

/** A sync runs at least this often, changes or not; so no pause between two syncs can be longer. */
export const maxSyncPeriodMs = 3_600_000

const maxInt32 = 2 ** 31 - 1

const cidrWords = 'an IP address range such as 10.244.0.0/16'
const socketAddressWords = 'an IP address and port such as 0.0.0.0:10256 or [::]:10256'

/** What is wrong with a configuration that has its run-time defaults, all of it. */
export function validateConfiguration(configuration: KubeProxyConfiguration): readonly ConfigProblem[] {
  return checks.flatMap((check) =>
    [...check(configuration)].map(([path, message]) => ({ field: `${configurationKind}.${path}`, message })),
  )
}

type Path = FieldPath | `${FieldPath}[${string}`
type Check = (configuration: KubeProxyConfiguration) => Iterable<readonly [path: Path, message: string]>

const checks: readonly Check[] = [
  mode,
  featureGates,
  addresses,
  logging,
  periods,
  numbers,
  detectLocal,
  nodePortAddresses,
  fastpathInterfaces,
  hiddenMetrics,
]

function* mode({ mode }: KubeProxyConfiguration): ReturnType<Check> {
  if (mode === 'nftables') return
  const remedy = 'set mode: nftables (--proxy-mode=nftables), or leave it empty'
  if (mode === 'iptables' || mode === 'ipvs') yield ['mode', `"${mode}" is not offered here; ${remedy}`]
  else yield ['mode', `${show(mode)} is not a mode; ${remedy}`]
}

function* featureGates({ featureGates }: KubeProxyConfiguration): ReturnType<Check> {
  for (const [name, isOn] of Object.entries(featureGates)) {
    const problem = gateProblem(name, isOn)
    if (problem !== undefined) yield ['featureGates', `${name} ${problem}`]
  }
}

function* addresses(configuration: KubeProxyConfiguration): ReturnType<Check> {
  const { bindAddress, healthzBindAddress, metricsBindAddress } = configuration
  if (parseIp(bindAddress) === undefined) yield ['bindAddress', `${show(bindAddress)} is not an IP address`]
  if (healthzBindAddress !== '' && parseSocketAddress(healthzBindAddress) === undefined)
    yield ['healthzBindAddress', `${show(healthzBindAddress)} is not ${socketAddressWords}`]
  if (parseSocketAddress(metricsBindAddress) === undefined)
    yield ['metricsBindAddress', `${show(metricsBindAddress)} is not ${socketAddressWords}`]
}

function* logging({ featureGates, logging }: KubeProxyConfiguration): ReturnType<Check> {
  const { format, flushFrequency, vmodule, options } = logging
  if (format !== 'text' && format !== 'json') yield ['logging.format', `${show(format)} is neither text nor json`]
  if (flushFrequency <= 0) yield ['logging.flushFrequency', `${formatDuration(flushFrequency)} is not more than 0`]
  if (vmodule.length > 0 && format !== 'text') yield ['logging.vmodule', 'only goes with the format text']
  for (const [index, { filePattern, verbosity }] of vmodule.entries()) {
    if (!/^[^=,]+$/.test(filePattern))
      yield [`logging.vmodule[${index}].filePattern`, `${show(filePattern)} is empty or has one of = and ,`]
    if (verbosity < 0 || verbosity > maxInt32)
      yield [`logging.vmodule[${index}].verbosity`, `${verbosity} is not between 0 and ${maxInt32}`]
  }
  if (isGateOn(featureGates, 'LoggingAlphaOptions')) return
  for (const format of ['text', 'json'] as const) {
    const { splitStream, infoBufferSize } = options[format]
    const needed = 'needs the feature gate LoggingAlphaOptions'
    if (splitStream) yield [`logging.options.${format}.splitStream`, needed]
    if (Number.parseFloat(infoBufferSize) !== 0) yield [`logging.options.${format}.infoBufferSize`, needed]
  }
}

function* periods({ nftables, configSyncPeriod, conntrack }: KubeProxyConfiguration): ReturnType<Check> {
  const { syncPeriod, minSyncPeriod } = nftables
  if (syncPeriod <= 0)
    yield ['nftables.syncPeriod', `${formatDuration(syncPeriod)} is no pause before a failed sync is tried again`]
  if (minSyncPeriod < 0) yield ['nftables.minSyncPeriod', `${formatDuration(minSyncPeriod)} is less than 0`]
  if (minSyncPeriod > maxSyncPeriodMs)
    yield [
      'nftables.minSyncPeriod',
      `${formatDuration(minSyncPeriod)} is longer than 1h, when a sync is due in any case`,
    ]
  else if (syncPeriod < minSyncPeriod)
    yield [
      'nftables.syncPeriod',
      `${formatDuration(syncPeriod)} is shorter than minSyncPeriod, ${formatDuration(minSyncPeriod)}`,
    ]
  if (configSyncPeriod <= 0) yield ['configSyncPeriod', `${formatDuration(configSyncPeriod)} is not more than 0`]
  for (const name of ['tcpEstablishedTimeout', 'tcpCloseWaitTimeout', 'udpTimeout', 'udpStreamTimeout'] as const) {
    if (conntrack[name] < 0) yield [`conntrack.${name}`, `${formatDuration(conntrack[name])} is less than 0`]
  }
}

function* numbers(configuration: KubeProxyConfiguration): ReturnType<Check> {
  const { iptables, nftables, clientConnection, conntrack, oomScoreAdj, logging } = configuration
  const ranges: readonly [path: FieldPath, value: number, min: number, max: number][] = [
    ['iptables.masqueradeBit', iptables.masqueradeBit, 0, 31],
    ['nftables.masqueradeBit', nftables.masqueradeBit, 0, 31],
    ['nftables.fastpathPacketThreshold', nftables.fastpathPacketThreshold, 0, Infinity],
    ['clientConnection.burst', clientConnection.burst, 0, Infinity],
    ['conntrack.maxPerCore', conntrack.maxPerCore, 0, Infinity],
    ['conntrack.min', conntrack.min, 0, Infinity],
    ['oomScoreAdj', oomScoreAdj, -1000, 1000],
    ['logging.verbosity', logging.verbosity, 0, maxInt32],
  ]
  for (const [path, value, min, max] of ranges) {
    if (value < min || value > max)
      yield [path, max === Infinity ? `${value} is less than ${min}` : `${value} is not between ${min} and ${max}`]
  }
}

function* detectLocal(configuration: KubeProxyConfiguration): ReturnType<Check> {
  const { detectLocalMode, clusterCIDR } = configuration
  const { bridgeInterface, interfaceNamePrefix } = configuration.detectLocal
  switch (detectLocalMode) {
    case 'ClusterCIDR':
      if (clusterCIDR !== '') yield* clusterCidrs(clusterCIDR)
      return
    case 'NodeCIDR':
      return
    case 'BridgeInterface':
      yield* interfaceName('detectLocal.bridgeInterface', bridgeInterface)
      return
    case 'InterfaceNamePrefix':
      yield* interfaceName('detectLocal.interfaceNamePrefix', interfaceNamePrefix)
      return
    default:
      yield [
        'detectLocalMode',
        `${show(detectLocalMode)} is none of ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix`,
      ]
  }
}

function* clusterCidrs(text: string): ReturnType<Check> {
  const parts = text.split(',')
  for (const part of parts.filter((part) => !isCidr(part))) yield ['clusterCIDR', `${show(part)} is not ${cidrWords}`]
  const families = new Set(parts.flatMap((part) => parseCidr(part) ?? []).map(cidrFamily))
  if (parts.length > 2 || (parts.length === 2 && parts.every(isCidr) && families.size < 2))
    yield ['clusterCIDR', `${show(text)} is more than one range for each IP family`]
}

/** IFNAMSIZ is 16 with the final zero. */
function* interfaceName(path: FieldPath, name: string): ReturnType<Check> {
  if (name === '') yield [path, 'is needed for this detectLocalMode']
  if (Buffer.byteLength(name) > 15) yield [path, `${show(name)} is longer than the 15 bytes of an interface name`]
}

function* nodePortAddresses({ nodePortAddresses }: KubeProxyConfiguration): ReturnType<Check> {
  for (const [index, address] of nodePortAddresses.entries()) {
    if (address === 'primary') {
      if (nodePortAddresses.length > 1)
        yield [`nodePortAddresses[${index}]`, '"primary" cannot be combined with others']
    } else if (!isCidr(address)) {
      yield [`nodePortAddresses[${index}]`, `${show(address)} is neither ${cidrWords} nor "primary"`]
    }
  }
}

function* fastpathInterfaces({ nftables }: KubeProxyConfiguration): ReturnType<Check> {
  for (const [index, pattern] of nftables.fastpathInterfaces.entries()) {
    const problem = interfacePatternProblem(pattern)
    if (problem !== undefined) yield [`nftables.fastpathInterfaces[${index}]`, `${show(pattern)} ${problem}`]
  }
}

function* hiddenMetrics({ showHiddenMetricsForVersion: version }: KubeProxyConfiguration): ReturnType<Check> {
  if (version !== '' && version !== previousMinorVersion)
    yield ['showHiddenMetricsForVersion', `${show(version)} is not the previous minor version, ${previousMinorVersion}`]
}

/** Blanks around a range are not accepted here. */
function isCidr(text: string): boolean {
  return text === text.trim() && parseCidr(text) !== undefined
}
