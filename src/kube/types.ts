/** metadata.labels of a Service: its presence, with any value, hands the Service to another proxy. */
export const proxyNameLabel = 'service.kubernetes.io/service-proxy-name'
/** metadata.labels of an EndpointSlice: its presence, with any value, says that no proxy needs the slice. */
export const headlessLabel = 'service.kubernetes.io/headless'
/** metadata.labels of an EndpointSlice: the Service, in the slice's namespace, that the slice belongs to. */
export const serviceNameLabel = 'kubernetes.io/service-name'
/** metadata.labels of a Node: the zone that topology hints are compared with. */
export const zoneLabel = 'topology.kubernetes.io/zone'
/** metadata.annotations of an EndpointSlice: the RFC 3339 time of the Pod or Service change that led to the slice. */
export const triggerTimeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'
/** metadata.annotations of a Service: `off` keeps its connections out of the fast path. */
export const fastpathAnnotation = 'flowproxy.dev/fastpath'

/**
 * The types below are subsets of the Kubernetes API's JSON: only the fields we read, under their API names, so that an
 * object as the API server sends it is assignable. The decoders add the API server's defaults.
 */
export interface ObjectMeta {
  /** Empty for kinds without a namespace (Node, ServiceCIDR). */
  readonly namespace: string
  readonly name: string
  /** RFC 3339 in UTC with whole seconds, so that text order is time order. */
  readonly creationTimestamp?: string | undefined
  readonly deletionTimestamp?: string | undefined
  readonly resourceVersion?: string | undefined
  /** Only the labels named at the top of this file. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Only the annotations named at the top of this file. */
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

export type IpFamilyName = 'IPv4' | 'IPv6'
export type ProtocolName = 'TCP' | 'UDP' | 'SCTP'
export type TrafficPolicy = 'Cluster' | 'Local'

/** core/v1 Service. */
export interface Service {
  readonly kind: 'Service'
  readonly metadata: ObjectMeta
  readonly spec: ServiceSpec
  readonly status?: ServiceStatus | undefined
}

export interface ServiceSpec {
  readonly type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName' | undefined
  /** Empty, an address or `None`. */
  readonly clusterIP?: string | undefined
  /** One entry per entry of `ipFamilies`, or the single entry `None`. */
  readonly clusterIPs?: readonly string[] | undefined
  readonly ipFamilies?: readonly IpFamilyName[] | undefined
  readonly ports?: readonly ServiceSpecPort[] | undefined
  readonly externalIPs?: readonly string[] | undefined
  readonly loadBalancerSourceRanges?: readonly string[] | undefined
  readonly sessionAffinity?: 'None' | 'ClientIP' | undefined
  readonly sessionAffinityConfig?:
    | { readonly clientIP?: { readonly timeoutSeconds?: number | undefined } | undefined }
    | undefined
  readonly internalTrafficPolicy?: TrafficPolicy | undefined
  readonly externalTrafficPolicy?: TrafficPolicy | undefined
  readonly healthCheckNodePort?: number | undefined
}

export interface ServiceSpecPort {
  readonly name?: string | undefined
  readonly protocol?: ProtocolName | undefined
  /** 1 to 65535. */
  readonly port: number
  /** 0 to 65535; 0 and absent mean none. */
  readonly nodePort?: number | undefined
}

export interface ServiceStatus {
  readonly loadBalancer?: { readonly ingress?: readonly LoadBalancerIngress[] | undefined } | undefined
}

/** An entry of status.loadBalancer.ingress; entries that have a host name only keep their place, without `ip`. */
export interface LoadBalancerIngress {
  readonly ip?: string | undefined
  readonly ipMode?: string | undefined
}

/** discovery.k8s.io/v1 EndpointSlice. */
export interface EndpointSlice {
  readonly kind: 'EndpointSlice'
  readonly metadata: ObjectMeta
  readonly addressType: IpFamilyName
  readonly ports?: readonly EndpointSlicePort[] | undefined
  readonly endpoints?: readonly SliceEndpoint[] | undefined
}

export interface EndpointSlicePort {
  readonly name?: string | undefined
  readonly protocol?: ProtocolName | undefined
  readonly port?: number | undefined
}

export interface SliceEndpoint {
  /** Only the first address counts (KEP-752); the decoder keeps no other. */
  readonly addresses: readonly string[]
  readonly conditions?: EndpointConditions | undefined
  readonly nodeName?: string | undefined
  readonly hints?: EndpointHints | undefined
}

/** Absent means: ready true, serving true, terminating false. */
export interface EndpointConditions {
  readonly ready?: boolean | undefined
  readonly serving?: boolean | undefined
  readonly terminating?: boolean | undefined
}

export interface EndpointHints {
  readonly forZones?: readonly HintTarget[] | undefined
  readonly forNodes?: readonly HintTarget[] | undefined
}

/** A zone or a Node that an endpoint is meant for. */
export interface HintTarget {
  readonly name: string
}

/** core/v1 Node. */
export interface Node {
  readonly kind: 'Node'
  readonly metadata: ObjectMeta
  readonly spec?: NodeSpec | undefined
  readonly status?: { readonly addresses?: readonly NodeAddress[] | undefined } | undefined
}

export interface NodeSpec {
  readonly podCIDRs?: readonly string[] | undefined
  readonly taints?: readonly { readonly key: string }[] | undefined
}

/** `type` is InternalIP, ExternalIP, Hostname, InternalDNS or ExternalDNS. */
export interface NodeAddress {
  readonly type: string
  readonly address: string
}

/** networking.k8s.io/v1 ServiceCIDR. */
export interface ServiceCIDR {
  readonly kind: 'ServiceCIDR'
  readonly metadata: ObjectMeta
  readonly spec: { readonly cidrs?: readonly string[] | undefined }
}

export type KubeObject = Service | EndpointSlice | Node | ServiceCIDR
export type Kind = KubeObject['kind']

/** What happened to one object. */
export type ObjectEvent =
  | { readonly type: 'set'; readonly object: KubeObject }
  | { readonly type: 'deleted'; readonly kind: Kind; readonly namespace: string; readonly name: string }

/** `namespace/name`: unique among objects of one kind. */
export type ObjectKey = `${string}/${string}`

/** The key of the object that has this metadata. */
export function objectKey(meta: { readonly namespace: string; readonly name: string }): ObjectKey {
  return `${meta.namespace}/${meta.name}`
}

/** Something wrong with one object that did not stop the others. */
export interface Warning {
  /** Kind and name, as in `Service shop/cart` or `Node worker-1`. */
  readonly object: string
  /** The API field, as in `spec.ports[0].port`. */
  readonly field: string
  readonly message: string
}

/** An object in a warning's words: `Service shop/cart`, `Node worker-1`. */
export function describeObject(kind: string, meta: { readonly namespace: string; readonly name: string }): string {
  return meta.namespace === '' ? `${kind} ${meta.name}` : `${kind} ${meta.namespace}/${meta.name}`
}

/** One line: `Service shop/cart: spec.externalIPs[1]: "1.2.3" is not an IP address`. */
export function formatWarning(warning: Warning): string {
  return `${warning.object}: ${warning.field}: ${warning.message}`
}
