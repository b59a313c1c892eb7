import { withPort } from './bind-address.ts'
import type { ConfigProblem } from './errors.ts'
import { type GivenFlag, nameOf, valueOf } from './flag-values.ts'
import {
  configurationKind,
  defaultConfiguration,
  type FieldPath,
  fieldAt,
  healthzPort,
  type KubeProxyConfiguration,
  metricsPort,
  withField,
} from './kube-proxy-configuration.ts'

/** A directory costs nothing to look at, so its changes need not wait as those of an API server. */
const manifestsMinSyncPeriodMs = 100

/**
 * What flags alone start from. With manifests there may be no node agent on this machine that anybody planned for:
 * nothing of it is changed but the tables, unless a flag says so, and there is no other mode to be mistaken for.
 */
export function withoutFile(hasManifests: boolean): KubeProxyConfiguration {
  if (!hasManifests) return defaultConfiguration
  const { nftables, conntrack } = defaultConfiguration
  return {
    ...defaultConfiguration,
    mode: 'nftables',
    nftables: { ...nftables, minSyncPeriod: manifestsMinSyncPeriodMs },
    oomScoreAdj: 0,
    conntrack: { ...conntrack, maxPerCore: 0, tcpEstablishedTimeout: 0, tcpCloseWaitTimeout: 0 },
  }
}

/** Flags that cannot be meant together. */
export function contradictions(given: readonly GivenFlag[]): readonly ConfigProblem[] {
  const problems = given.flatMap(({ flag, value }, index): ConfigProblem[] => {
    const before = given.slice(0, index).find((other) => flag.sets !== undefined && other.flag.sets === flag.sets)
    if (before === undefined || JSON.stringify(before.value) === JSON.stringify(value)) return []
    return [{ field: nameOf(flag), message: `contradicts ${nameOf(before.flag)}` }]
  })
  const isGiven = (name: string): boolean => Boolean(valueOf(given, name))
  for (const name of ['kubeconfig', 'master']) {
    if (isGiven('manifests') && isGiven(name))
      problems.push({ field: `--${name}`, message: 'is of no use with --manifests, which stands for an API server' })
  }
  return problems
}

/** The configuration with what these flags set. */
export function withFlags(base: KubeProxyConfiguration, given: readonly GivenFlag[]): KubeProxyConfiguration {
  return given.reduce((configuration, { flag, value }) => {
    if (flag.sets === undefined) return configuration
    const before = fieldAt(configuration, flag.sets)
    const merged = flag.kind === 'vmodule' ? [...(value as unknown[]), ...(before as unknown[])] : value
    return withField(configuration, flag.sets, merged)
  }, base)
}

/** Server addresses without a port get the one of the flag for ports, or the default one; a port flag of 0 empties them. */
export function withPortFlags(base: KubeProxyConfiguration, given: readonly GivenFlag[]): KubeProxyConfiguration {
  return serverPorts.reduce((configuration, { flag, sets, preset }) => {
    const port = (valueOf(given, flag) as number | undefined) ?? preset
    return withField(configuration, sets, port === 0 ? '' : withPort(configuration[sets], port))
  }, base)
}

export const serverPorts = [
  { flag: 'healthz-port', sets: 'healthzBindAddress', preset: healthzPort },
  { flag: 'metrics-port', sets: 'metricsBindAddress', preset: metricsPort },
] as const satisfies readonly { flag: string; sets: FieldPath; preset: number }[]

/** The problem of a field that a flag has set, as one of the flag. */
export function underFlagsName(problem: ConfigProblem, given: readonly GivenFlag[]): ConfigProblem {
  const isAt = (sets: FieldPath | undefined): boolean => {
    const path = `${configurationKind}.${sets}`
    return problem.field === path || problem.field.startsWith(`${path}[`)
  }
  const culprit =
    given.findLast(({ flag }) => isAt(flag.sets)) ??
    given.find(({ flag }) => serverPorts.some((port) => port.flag === flag.name && isAt(port.sets)))
  return culprit === undefined ? problem : { field: nameOf(culprit.flag), message: problem.message }
}
