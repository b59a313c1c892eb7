import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { type IpAddress, parseIp } from '../model/ip.ts'
import { parseSocketAddress, type SocketAddress } from './bind-address.ts'
import { fileErrorCode, readConfiguration } from './configuration-file.ts'
import { dataplaneConfig, type DataplaneConfig } from './dataplane-flags.ts'
import { deepFreeze } from './deep-freeze.ts'
import { ConfigError, refuse } from './errors.ts'
import { allFlagTexts, givenFlags, type RunFlags, valueOf } from './flag-values.ts'
import { configurationKind, type KubeProxyConfiguration } from './kube-proxy-configuration.ts'
import { type LogLevel, logLevelOf, parseLogLevel } from './log-level.ts'
import { contradictions, underFlagsName, withFlags, withoutFile, withPortFlags } from './merge-flags.ts'
import { type Note, notesOnConfiguration, notesOnFlags } from './notes.ts'
import { validateConfiguration } from './validation.ts'

/** All that `run` is told by flags and configuration file, checked and frozen. */
export type Config = {
  /** With defaults and flags, as /configz shows it. */
  readonly configuration: KubeProxyConfiguration
  readonly dataplane: DataplaneConfig
  /** This Node's name in the API, trimmed and in lower case. */
  readonly nodeName: string
  /** Stands for the Node's address of its family unless unspecified. */
  readonly bindAddress: IpAddress
  /** Undefined: there is no health server. */
  readonly healthzBindAddress: SocketAddress | undefined
  readonly metricsBindAddress: SocketAddress
  /** The path of manifests to follow instead of an API server; then there is neither kubeconfig nor master. */
  readonly manifests: string | undefined
  readonly kubeconfig: string | undefined
  readonly master: string | undefined
  readonly configFile: { readonly path: string; readonly text: string } | undefined
  /** The first of these three that is asked for is all that is done. */
  readonly writeConfigTo: string | undefined
  readonly cleanup: boolean
  readonly initOnly: boolean
  readonly logLevel: LogLevel
  readonly logFormat: 'text' | 'json'
  /** All flags by name, as they were given or else with their defaults. */
  readonly flags: Readonly<Record<string, string>>
  /** To be logged at the start. */
  readonly notes: readonly Note[]
}

/** What is not in the flags themselves. */
export type Environment = {
  readonly hostname: string
  readonly readFile: (path: string) => string
}

export const hostEnvironment: Environment = Object.freeze({
  hostname: hostname(),
  readFile: (path: string) => readFileSync(path, 'utf8'),
})

/** Throws ConfigError for all that is wrong with the flags, with the file, or with what they make together. */
export function loadConfig(flags: RunFlags, environment: Environment = hostEnvironment): Config {
  const given = givenFlags(flags)
  const textOf = (name: string): string | undefined => (valueOf(given, name) as string | undefined) || undefined
  const manifests = textOf('manifests')
  const writeConfigTo = textOf('write-config-to')
  const configFile = readConfigFile(textOf('config'), environment)
  const file = configFile && readConfiguration(configFile.text, configFile.path)
  const acting = given.filter(({ flag }) => file === undefined || flag.withConfig)
  refuse(contradictions(acting))

  const merged =
    file === undefined
      ? withPortFlags(withFlags(withoutFile(manifests !== undefined), acting), writeConfigTo === undefined ? given : [])
      : withFlags(file.configuration, acting)
  const configuration = withRunTimeDefaults(merged)
  refuse(validateConfiguration(configuration).map((problem) => underFlagsName(problem, acting)))

  const { clientConnection, logging } = configuration
  return deepFreeze({
    configuration,
    dataplane: dataplaneOf(configuration),
    nodeName: nodeName(configuration, environment),
    bindAddress: present(parseIp(configuration.bindAddress)),
    healthzBindAddress: parseSocketAddress(configuration.healthzBindAddress),
    metricsBindAddress: present(parseSocketAddress(configuration.metricsBindAddress)),
    manifests,
    kubeconfig: manifests === undefined ? clientConnection.kubeconfig || undefined : undefined,
    master: textOf('master'),
    configFile,
    writeConfigTo,
    cleanup: valueOf(given, 'cleanup') === true,
    initOnly: valueOf(given, 'init-only') === true,
    logLevel: parseLogLevel(textOf('log-level')) ?? logLevelOf(logging.verbosity),
    logFormat: logging.format === 'json' ? 'json' : 'text',
    flags: allFlagTexts(flags),
    notes: [
      ...(file?.warnings ?? []).map((message): Note => ({ level: 'warn', message })),
      ...notesOnFlags(given, acting, configuration),
      ...notesOnConfiguration(merged),
    ],
  })
}

function readConfigFile(path: string | undefined, { readFile }: Environment): Config['configFile'] {
  if (path === undefined) return undefined
  try {
    return { path, text: readFile(path) }
  } catch (error) {
    throw new ConfigError('--config', `${path} cannot be read: ${fileErrorCode(error)}`)
  }
}

/** What empty fields mean when it comes to running. */
function withRunTimeDefaults(configuration: KubeProxyConfiguration): KubeProxyConfiguration {
  const { mode, nodePortAddresses, detectLocalMode } = configuration
  return {
    ...configuration,
    mode: mode || 'nftables',
    nodePortAddresses: nodePortAddresses.length === 0 ? ['primary'] : nodePortAddresses,
    detectLocalMode: detectLocalMode || 'ClusterCIDR',
  }
}

function dataplaneOf(configuration: KubeProxyConfiguration): DataplaneConfig {
  const { clusterCIDR, detectLocalMode, detectLocal, nftables, nodePortAddresses } = configuration
  return dataplaneConfig({
    clusterCidr: clusterCIDR,
    detectLocalMode,
    podBridgeInterface: detectLocal.bridgeInterface,
    podInterfaceNamePrefix: detectLocal.interfaceNamePrefix,
    masqueradeAll: nftables.masqueradeAll,
    masqueradeBit: String(nftables.masqueradeBit),
    nodeportAddresses: nodePortAddresses.join(','),
  })
}

/** As the kubelet registers it. */
function nodeName({ hostnameOverride }: KubeProxyConfiguration, { hostname }: Environment): string {
  const name = (hostnameOverride || hostname).trim().toLowerCase()
  if (name === '') throw new ConfigError(`${configurationKind}.hostnameOverride`, 'there are only blanks')
  return name
}

/** What was validated is there. */
function present<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new TypeError('a validated address cannot be read')
  return value
}
