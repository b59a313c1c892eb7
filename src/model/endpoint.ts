import { describeObject } from '../kube/types.ts'
import type { EndpointHints, EndpointSlice, EndpointSlicePort, SliceEndpoint, Warning } from '../kube/types.ts'
import { familyOf, parseIp } from './ip.ts'
import type { Family, IpAddress } from './ip.ts'
import { portKey, protocolOf } from './service-port.ts'
import type { PortKey } from './service-port.ts'

/** One address and port behind a service port. There may be 250,000 of them: the strings and arrays are shared. */
export interface Endpoint {
  readonly ip: IpAddress
  readonly port: number
  readonly isReady: boolean
  readonly isServing: boolean
  readonly isTerminating: boolean
  /** On this Node. */
  readonly isLocal: boolean
  readonly nodeName: string | undefined
  /** Empty for no hint. */
  readonly zoneHints: readonly string[]
  readonly nodeHints: readonly string[]
}

export type EndpointsByPort = ReadonlyMap<PortKey, readonly Endpoint[]>

const none: readonly never[] = []

/**
 * The endpoints in the slices of one Service, each list in byte order of `ip:port`, without duplicates and not empty.
 * Slices of the other family and what `sliceWarnings` warns of are passed over. `nodeName` is this Node's name; with an
 * empty one no endpoint is local.
 */
export function serviceEndpoints(slices: readonly EndpointSlice[], family: Family, nodeName: string): EndpointsByPort {
  const found = new Map<PortKey, KeyedEndpoint[]>()
  for (const slice of inNameOrder(slices)) {
    if (slice.addressType === family) collectSlice(slice, nodeName, found)
  }
  const byPort = new Map<PortKey, readonly Endpoint[]>()
  for (const [key, endpoints] of found) byPort.set(key, inKeyOrder(endpoints))
  return byPort
}

/** What is wrong with a slice, and left out of the endpoints of its Service. */
export function sliceWarnings(slice: EndpointSlice): readonly Warning[] {
  const warnings: Warning[] = []
  const warn: Warn = (field, message) => {
    warnings.push({ object: describeObject('EndpointSlice', slice.metadata), field, message })
  }
  usablePorts(slice, warn)
  for (const [index, endpoint] of (slice.endpoints ?? none).entries()) {
    endpointAddress(endpoint, index, slice.addressType, warn)
  }
  return warnings
}

/** `10.180.0.1:80`, `[fd00:10:180::1]:80`: two endpoints of a service port with the same key are one. */
export function endpointKey(endpoint: { readonly ip: IpAddress; readonly port: number }): string {
  const { ip, port } = endpoint
  return familyOf(ip) === 'IPv6' ? `[${ip}]:${port}` : `${ip}:${port}`
}

/** An order that does not depend on when slices arrived, so that equal content always gives equal endpoints. */
function inNameOrder(slices: readonly EndpointSlice[]): readonly EndpointSlice[] {
  if (slices.length < 2) return slices
  return slices.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
}

interface KeyedEndpoint {
  readonly key: string
  readonly endpoint: Endpoint
}

/** Sorted; of those with one key the last that is not terminating, or the first if all are. */
function inKeyOrder(visited: KeyedEndpoint[]): readonly Endpoint[] {
  if (visited.length > 1) visited.sort(byKey)
  const kept: KeyedEndpoint[] = []
  for (const one of visited) {
    if (kept.at(-1)?.key !== one.key) kept.push(one)
    else if (!one.endpoint.isTerminating) kept[kept.length - 1] = one
  }
  return kept.map(({ endpoint }) => endpoint)
}

/** Array sorting is stable: endpoints with one key stay in the order in which they were visited. */
function byKey(a: KeyedEndpoint, b: KeyedEndpoint): number {
  if (a.key === b.key) return 0
  return a.key < b.key ? -1 : 1
}

type Warn = (field: string, message: string) => void

const ignoreWarning: Warn = () => {}

function collectSlice(slice: EndpointSlice, nodeName: string, found: Map<PortKey, KeyedEndpoint[]>): void {
  const ports = usablePorts(slice, ignoreWarning)
  const hintNames = createHintNames()
  for (const [index, sliceEndpoint] of (slice.endpoints ?? none).entries()) {
    const ip = endpointAddress(sliceEndpoint, index, slice.addressType, ignoreWarning)
    if (ip === undefined) continue
    for (const { key, port } of ports) {
      const endpoint = endpointAt(ip, port, sliceEndpoint, nodeName, hintNames)
      const group = found.get(key)
      if (group === undefined) found.set(key, [{ key: endpointKey(endpoint), endpoint }])
      else group.push({ key: endpointKey(endpoint), endpoint })
    }
  }
}

/** A slice port needs a name, be it empty, and a number: an absent one does not mean "all ports". */
function usablePorts(slice: EndpointSlice, warn: Warn): { key: PortKey; port: number }[] {
  return (slice.ports ?? none).flatMap((slicePort: EndpointSlicePort, index) => {
    const { name, port = 0, protocol } = slicePort
    if (name === undefined) warn(`ports[${index}].name`, 'is missing')
    else if (port === 0) warn(`ports[${index}].port`, 'is missing')
    else return [{ key: portKey(protocolOf(protocol), name), port }]
    return []
  })
}

/** Only the first address counts. */
function endpointAddress(endpoint: SliceEndpoint, index: number, family: Family, warn: Warn): IpAddress | undefined {
  const text = endpoint.addresses[0]
  if (text === undefined) {
    warn(`endpoints[${index}].addresses`, 'has no entry')
    return undefined
  }
  const ip = parseIp(text)
  if (ip !== undefined && familyOf(ip) === family) return ip
  warn(`endpoints[${index}].addresses[0]`, `"${text}" is not an ${family} address`)
  return undefined
}

/** The conditions count as delivered: that ready excludes terminating is for the API to see to. */
function endpointAt(
  ip: IpAddress,
  port: number,
  endpoint: SliceEndpoint,
  nodeName: string,
  hintNames: HintNames,
): Endpoint {
  const { conditions, hints } = endpoint
  const { zoneHints, nodeHints } = hints === undefined ? noHints : hintNames(hints)
  return {
    ip,
    port,
    isReady: conditions?.ready ?? true,
    isServing: conditions?.serving ?? true,
    isTerminating: conditions?.terminating ?? false,
    isLocal: nodeName !== '' && endpoint.nodeName === nodeName,
    nodeName: endpoint.nodeName,
    zoneHints,
    nodeHints,
  }
}

type HintNames = (hints: EndpointHints) => Pick<Endpoint, 'zoneHints' | 'nodeHints'>

const noHints = { zoneHints: none, nodeHints: none }

/** The decoder shares equal hints between endpoints; this keeps their names shared too. */
function createHintNames(): HintNames {
  const known = new Map<EndpointHints, Pick<Endpoint, 'zoneHints' | 'nodeHints'>>()
  return (hints) => {
    const names = known.get(hints) ?? {
      zoneHints: hints.forZones?.map(({ name }) => name) ?? none,
      nodeHints: hints.forNodes?.map(({ name }) => name) ?? none,
    }
    known.set(hints, names)
    return names
  }
}
