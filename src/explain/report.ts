/** A trace in Service terms: what happens, to whose traffic, where it goes, by which rules, and what was not used. */
import { chainNames } from '../dataplane/names.ts'
import { endpointKey } from '../model/endpoint.ts'
import { displayName, type ServicePort } from '../model/service-port.ts'
import type { NodeTopology } from '../model/topology.ts'
import type { Destination, Dialled } from './destination.ts'
import { effectText } from './effect-text.ts'
import { type FastpathReport, fastpathReport, fastpathText } from './fastpath.ts'
import type { Effect, Outcome, Step, Verdict } from './trace.ts'
import { type UnusedEndpoint, unusedEndpoints } from './unused-endpoints.ts'

/** Readonly data, as `--json` prints it. */
export type Report = {
  readonly verdict: Uppercase<Verdict>
  /** The whole first line. */
  readonly headline: string
  readonly service?: string
  /** `10.96.4.17:80/tcp`, as dialled. */
  readonly destination: string
  /** Whether the traffic would arrive somewhere. */
  readonly arrives: boolean
  readonly endpoints: readonly { readonly endpoint: string; readonly probability: number }[]
  /** The address that the other end sees. */
  readonly source: { readonly address: string; readonly isMasqueraded: boolean }
  /** Of connections that pass. */
  readonly fastpath?: FastpathReport
  readonly steps: readonly { readonly place: string; readonly rule: string; readonly effects: readonly string[] }[]
  readonly unused: readonly UnusedEndpoint[]
  readonly remarks: readonly string[]
}

/** Puts the outcomes of one packet into words. There is at least one outcome. A `fastpathThreshold` of 0 is no fast path. */
export function reportOf(
  outcomes: readonly Outcome[],
  dialled: Dialled,
  destination: Destination,
  node: NodeTopology,
  fastpathThreshold: number,
): Report {
  const [likeliest] = outcomes.toSorted((a, b) => b.probability - a.probability)
  if (likeliest === undefined) throw new RangeError('a packet has at least one outcome')
  const { verdict } = likeliest
  const endpoints = translatedTo(outcomes)
  const used = new Set(endpoints.map(({ endpoint }) => endpoint))
  const address = addressText(dialled)
  const isFrontend = destination.kind === 'frontend'
  return {
    verdict: verdict.toUpperCase() as Uppercase<Verdict>,
    headline: headlineOf(likeliest, address, destination, endpoints.length),
    ...(isFrontend ? { service: displayName(destination.servicePort) } : {}),
    destination: address,
    arrives: verdict === 'pass' && (!isFrontend || endpoints.length > 0),
    endpoints,
    source: { address: likeliest.source.address, isMasqueraded: likeliest.isMasqueraded },
    ...(verdict === 'pass' ? { fastpath: fastpathReport(likeliest, dialled, destination, fastpathThreshold) } : {}),
    steps: likeliest.steps.map(stepOf).filter(({ effects }) => effects.length > 0),
    unused: isFrontend ? unusedEndpoints(destination, used, node) : [],
    remarks: isFrontend ? remarksOf(destination) : [],
  }
}

/** The report as text: the verdict on the first line, then the rest in paragraphs. */
export function reportText(report: Report): string {
  const { headline, endpoints, source, fastpath, verdict, steps, unused, remarks } = report
  const share = (probability: number): string => `${(probability * 100).toFixed(probability < 0.1 ? 1 : 0)} %`
  const paragraphs = [
    [headline],
    endpoints.map(({ endpoint, probability }) => `  ${endpoint.padEnd(24)} ${share(probability)}`),
    verdict === 'PASS'
      ? [`  the other end sees ${source.address}${source.isMasqueraded ? ', since it is masqueraded' : ''}`]
      : [],
    fastpath === undefined ? [] : [`  ${fastpathText(fastpath)}`],
    remarks.map((remark) => `  ${remark}`),
    steps.length === 0 ? [] : ['', 'By these rules:'],
    steps.flatMap(({ place, rule, effects }) => [
      `  ${place}`,
      `    ${rule}`,
      ...effects.map((effect) => `      ${effect}`),
    ]),
    unused.length === 0 ? [] : ['', 'Not used:'],
    unused.map(({ endpoint, reason }) => `  ${endpoint.padEnd(24)} ${reason}`),
  ]
  return `${paragraphs.flat().join('\n')}\n`
}

/** `10.96.4.17:80/tcp` or `[fd00::1]:80/tcp`. */
function addressText({ ip, port, protocol }: Dialled): string {
  return `${endpointKey({ ip, port })}/${protocol}`
}

/** The endpoints that destination NAT leads to, with the chance of each. */
function translatedTo(outcomes: readonly Outcome[]): Report['endpoints'] {
  const chances = new Map<string, number>()
  for (const { verdict, isTranslated, destination, probability } of outcomes) {
    if (verdict !== 'pass' || !isTranslated) continue
    const endpoint = endpointKey({ ip: destination.address, port: destination.port })
    chances.set(endpoint, (chances.get(endpoint) ?? 0) + probability)
  }
  return [...chances].map(([endpoint, probability]) => ({ endpoint, probability }))
}

function headlineOf(outcome: Outcome, address: string, destination: Destination, endpointCount: number): string {
  const name = destination.kind === 'frontend' ? `${displayName(destination.servicePort)} ${address}` : address
  const verdict = outcome.verdict.toUpperCase()
  if (outcome.verdict !== 'pass') return `${verdict} ${name}: ${refusalReason(outcome, destination)}`
  if (endpointCount > 0) return `${verdict} ${name} -> ${endpointCount} endpoint${endpointCount === 1 ? '' : 's'}`
  return `${verdict} ${name}: ${untouchedReason(destination)}`
}

function untouchedReason(destination: Destination): string {
  if (destination.kind === 'frontend') return 'is a Service, but not for this sender; the packet goes on as it is'
  return 'is no Service; the packet goes on as it is'
}

/** Where packets end that no endpoint takes, or that were sent to a cluster IP in vain. */
const noEndpointChains: ReadonlySet<string> = new Set([
  chainNames.serviceEndpointsCheck,
  chainNames.nodePortEndpointsCheck,
  chainNames.clusterIpsCheck,
  chainNames.reject,
])

/** Why a packet goes no further, from the last rule that it met and the state of the Service. */
function refusalReason({ verdict, steps }: Outcome, destination: Destination): string {
  const chain = steps.at(-1)?.chain
  if (verdict === 'unknown') return 'a rule was met that is not understood here'
  if (chain === chainNames.firewallCheck) return 'the source is not in loadBalancerSourceRanges'
  if (!noEndpointChains.has(chain ?? '')) return `in chain ${chain}`
  if (destination.kind === 'frontend') return noEndpointReason(verdict, destination)
  if (destination.kind === 'other port') return `${owners(destination.servicePorts)}, but not this port`
  return 'a cluster IP that no Service has'
}

function noEndpointReason(
  verdict: Verdict,
  { frontend, endpoints, servicePort }: Extract<Destination, { kind: 'frontend' }>,
): string {
  if (verdict === 'drop') {
    const isInternal = frontend.kind === 'ip' && frontend.origin === 'cluster'
    const policy = isInternal && servicePort.internalPolicyLocal ? 'internalTrafficPolicy' : 'externalTrafficPolicy'
    return `${policy} Local and no local endpoint`
  }
  return endpoints.length === 0 ? 'the Service has no endpoints' : 'none of the endpoints is usable'
}

function owners(servicePorts: readonly ServicePort[]): string {
  const [first] = servicePorts
  const ports = servicePorts.map(({ port, protocol }) => `${port}/${protocol}`).join(', ')
  return `the cluster IP of ${first?.namespace}/${first?.name} has ports ${ports}`
}

function remarksOf({ selection, rivals, servicePort }: Extract<Destination, { kind: 'frontend' }>): string[] {
  const { unusedHints, isClusterTerminating } = selection
  return [
    ...rivals.map((rival) => `${rival} claims the same address and is not served`),
    ...(isClusterTerminating ? ['no endpoint is ready: those that still serve while terminating are used'] : []),
    ...(servicePort.affinityTimeoutSeconds > 0
      ? [
          `session affinity: a client stays with its endpoint until ${servicePort.affinityTimeoutSeconds} s without a new connection`,
        ]
      : []),
    ...(unusedHints === undefined ? [] : [hintRemarks[unusedHints]]),
  ]
}

const hintRemarks = {
  'some-missing': 'topology hints are ignored: not every ready endpoint has one',
  'zone-unknown': 'topology hints are ignored: this node has no zone',
  'other-zones': 'topology hints are ignored: no endpoint is meant for this node or its zone',
} as const

/** Where a rule sends the packet stands in the rule, and the next step shows it. */
function isTelling({ kind }: Effect): boolean {
  return !['jump', 'goto', 'return', 'accept'].includes(kind)
}

function stepOf(step: Step): Report['steps'][number] {
  const place = `${step.hook}, chain ${step.chain}`
  switch (step.kind) {
    case 'rule':
    case 'mismatch':
      return { place, rule: step.text, effects: step.effects.filter(isTelling).map(effectText) }
    case 'not understood':
      return { place, rule: step.text, effects: [`not understood: ${step.reason}`] }
    case 'policy':
      return { place, rule: 'policy drop', effects: ['drop'] }
  }
}
