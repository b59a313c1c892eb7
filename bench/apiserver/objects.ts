import { serviceNameLabel, zoneLabel } from '../../src/kube/types.ts'
import type { Kind } from '../../src/kube/types.ts'
import { clusterIp, endpointAddress } from '../cluster.ts'

/** What a Service is for; decides its type and policies. */
export type ServiceVariety = 'cluster-ip' | 'node-port' | 'load-balancer' | 'affinity'

/** The little that tells one generated object, in one of its versions, from all others; the rest is made of it. */
export type StoredObject =
  | { readonly kind: 'Service'; readonly version: number; readonly index: number; readonly variety: ServiceVariety }
  | StoredSlice
  | { readonly kind: 'Node'; readonly version: number; readonly index: number }
  | { readonly kind: 'ServiceCIDR'; readonly version: number; readonly index: number }

export type StoredSlice = {
  readonly kind: 'EndpointSlice'
  readonly version: number
  /** Number of the Service, and which of its slices this is. */
  readonly index: number
  readonly part: number
  readonly generation: number
  /** The endpoints: pods, all numbered in one row. */
  readonly pods: readonly number[]
  /** When the pods last changed; at the start all are old. */
  readonly changedAt?: Date
}

/** The one namespace that all namespaced objects are in. */
export const objectNamespace = 'bench'
/** All objects have this age. */
export const creationTime = '2026-01-01T00:00:00Z'
/** Pods are spread over so many Nodes in three zones. */
export const nodeCount = 100
const mixSize = 20
const firstExternal = 12
const zones = ['zone-a', 'zone-b', 'zone-c'] as const

/** Name of Service number `index`, and of its application. */
export function serviceName(index: number): string {
  return `app-${index}`
}

/** The first address of the range stays unused, as in a cluster. */
export function serviceIp(index: number): string {
  return clusterIp(index + 1)
}

export function nodeName(index: number): string {
  return `node-${index}`
}

export function zoneOf(node: number): string {
  return zones[node % zones.length] ?? zones[0]
}

export function podNode(pod: number): number {
  return pod % nodeCount
}

export function podAddress(pod: number): string {
  return endpointAddress(0, pod, 1)
}

export function nameOf(object: StoredObject): string {
  if (object.kind === 'Service') return serviceName(object.index)
  if (object.kind === 'EndpointSlice') return `${serviceName(object.index)}-${nameSuffix(object.index, object.part)}`
  if (object.kind === 'Node') return nodeName(object.index)
  return 'kubernetes'
}

/** The mixed cluster of bench/cluster.ts: of twenty Services twelve, four, three and one. */
export function mixedVariety(index: number): ServiceVariety {
  const place = index % mixSize
  if (place < firstExternal) return 'cluster-ip'
  if (place < 16) return 'node-port'
  return place === 19 ? 'affinity' : 'load-balancer'
}

/** Numbers the external Services of a mixed cluster without gaps, so that there is a node port for each. */
export function externalNumber(index: number): number {
  return Math.floor(index / mixSize) * (mixSize - firstExternal) + (index % mixSize) - firstExternal
}

/** Labels as the objects bear them, for the text and for label selectors. */
export function labelsOf(object: StoredObject): Readonly<Record<string, string>> {
  if (object.kind === 'Service') return applicationLabels(object.index)
  if (object.kind === 'EndpointSlice') {
    return {
      ...applicationLabels(object.index),
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      [serviceNameLabel]: serviceName(object.index),
    }
  }
  if (object.kind === 'ServiceCIDR') return {}
  return {
    'kubernetes.io/arch': 'amd64',
    'kubernetes.io/hostname': nodeName(object.index),
    'kubernetes.io/os': 'linux',
    'node.kubernetes.io/instance-type': 'm5.2xlarge',
    'topology.kubernetes.io/region': 'region-1',
    [zoneLabel]: zoneOf(object.index),
  }
}

/** The fields that the API server's field selectors know of a kind; undefined for one that they do not. */
export function selectableField(object: StoredObject, field: string): string | undefined {
  if (field === 'metadata.name') return nameOf(object)
  if (field === 'metadata.namespace') return isNamespaced(object.kind) ? objectNamespace : undefined
  if (object.kind !== 'Service') return undefined
  if (field === 'spec.clusterIP') return serviceIp(object.index)
  return field === 'spec.type' ? serviceType(object.variety) : undefined
}

export function isNamespaced(kind: Kind): boolean {
  return kind === 'Service' || kind === 'EndpointSlice'
}

export function serviceType(variety: ServiceVariety): 'ClusterIP' | 'NodePort' | 'LoadBalancer' {
  if (variety === 'node-port') return 'NodePort'
  return variety === 'load-balancer' ? 'LoadBalancer' : 'ClusterIP'
}

/** Five characters as the API server appends them to generated names. */
export function nameSuffix(...numbers: readonly number[]): string {
  const mixed = numbers.reduce((mix, number) => Math.imul(mix ^ number, 0x9e3779b1) >>> 0, 0x811c9dc5)
  return (mixed % 36 ** 5).toString(36).padStart(5, '0')
}

function applicationLabels(index: number): Readonly<Record<string, string>> {
  return {
    'app.kubernetes.io/instance': serviceName(index),
    'app.kubernetes.io/managed-by': 'Helm',
    'app.kubernetes.io/name': 'app',
    'app.kubernetes.io/version': '1.27.3',
    'helm.sh/chart': 'app-0.14.2',
  }
}
