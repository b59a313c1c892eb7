/* Objects as users, the kubelet and the controllers of a cluster make them. */
import type { KubernetesObject, ObjectReference } from '../lab/api-objects.ts'

/** What these tests set of a Service; the rest is the API server's defaults. */
export type ServiceOptions = {
  readonly labels?: Readonly<Record<string, string>>
  readonly ports?: readonly object[]
  readonly spec?: object
}

/** A Service of namespace `default`: by default port 80/TCP, which leads to 8080. */
export function service(
  name: string,
  clusterIP: string,
  { labels = {}, ports = [{ port: 80, targetPort: 8080 }], spec = {} }: ServiceOptions = {},
): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', labels },
    spec: { clusterIP, selector: { app: name }, ports, ...spec },
  }
}

/** One end of a slice: an address, or all that the API has for it. */
export type SliceEndpoint = string | { readonly addresses: readonly string[]; readonly [field: string]: unknown }

/** The Service's only slice as its controller makes it, of IPv4 and for port 8080/TCP unless told otherwise. */
export function endpointSlice(
  serviceName: string,
  endpoints: readonly SliceEndpoint[],
  ports: readonly object[] = [{ port: 8080 }],
): KubernetesObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: serviceName,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': serviceName },
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': new Date().toISOString() },
    },
    addressType: 'IPv4',
    ports,
    endpoints: sliceEndpoints(endpoints),
  }
}

/** The field `endpoints` of a slice; all are ready. */
export function sliceEndpoints(endpoints: readonly SliceEndpoint[]): readonly object[] {
  return endpoints.map((endpoint) => ({
    conditions: { ready: true },
    ...(typeof endpoint === 'string' ? { addresses: [endpoint] } : endpoint),
  }))
}

export function node(name: string, addresses: readonly string[]): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  }
}

export function serviceCidr(name: string, cidrs: readonly string[]): KubernetesObject {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name }, spec: { cidrs } }
}

/** References, for patches and deletions. */
export const serviceNamed = (name: string): ObjectReference => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
})
export const sliceNamed = (name: string): ObjectReference => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace: 'default' },
})
export const nodeNamed = (name: string): ObjectReference => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } })

/** Whom kubeadm's kube-proxy runs as. */
export const proxyAccount: { readonly namespace: string; readonly name: string } = {
  namespace: 'kube-system',
  name: 'kube-proxy',
}

export const serviceAccount: KubernetesObject = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: proxyAccount }

/** kubeadm's binding, to the role that every API server has for service proxies. */
export const proxierBinding: KubernetesObject = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'kubeadm:node-proxier' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:node-proxier' },
  subjects: [{ kind: 'ServiceAccount', ...proxyAccount }],
}
