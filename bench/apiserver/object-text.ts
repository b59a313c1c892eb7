import type { Kind } from '../../src/kube/types.ts'
import { metadataText, uid } from './metadata-text.ts'
import {
  externalNumber,
  nameSuffix,
  nodeName,
  objectNamespace,
  podAddress,
  podNode,
  serviceIp,
  serviceName,
  serviceType,
  type StoredObject,
  type StoredSlice,
  zoneOf,
} from './objects.ts'

export const apiVersions = {
  Service: 'v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  Node: 'v1',
  ServiceCIDR: 'networking.k8s.io/v1',
} as const satisfies Record<Kind, string>

/** The object as it stands alone or in a watch event. */
export function objectText(object: StoredObject): string {
  return `{"kind":"${object.kind}","apiVersion":"${apiVersions[object.kind]}",${fieldsText(object)}}`
}

/** The object as an item of a list, where the API server leaves kind and apiVersion to the list. */
export function itemText(object: StoredObject): string {
  return `{${fieldsText(object)}}`
}

/** A watch's bookmark: an object of the kind that has nothing but a resource version. */
export function bookmarkText(kind: Kind, version: number, isEndOfInitialEvents: boolean): string {
  const annotations = isEndOfInitialEvents ? ',"annotations":{"k8s.io/initial-events-end":"true"}' : ''
  const metadata = `"metadata":{"resourceVersion":"${version}"${annotations}}`
  return `{"kind":"${kind}","apiVersion":"${apiVersions[kind]}",${metadata}${emptyFields[kind]}}`
}

/** What the API server writes of an object of which all is empty. */
const emptyFields = {
  Service: ',"spec":{},"status":{"loadBalancer":{}}',
  EndpointSlice: ',"addressType":"","endpoints":null,"ports":null',
  Node: ',"spec":{},"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":0}},"nodeInfo":{}}',
  ServiceCIDR: ',"spec":{"cidrs":null},"status":{}',
} as const satisfies Record<Kind, string>

function fieldsText(object: StoredObject): string {
  const metadata = metadataText(object)
  switch (object.kind) {
    case 'Service':
      return `${metadata},${serviceText(object)}`
    case 'EndpointSlice':
      return `${metadata},${sliceText(object)}`
    case 'Node':
      return `${metadata},${nodeText(object.index)}`
    case 'ServiceCIDR':
      return `${metadata},"spec":{"cidrs":["10.96.0.0/12"]},"status":{"conditions":[${condition('Ready', 'True')}]}`
  }
}

function serviceText({ index, variety }: StoredObject & { kind: 'Service' }): string {
  const ip = serviceIp(index)
  const isExternal = variety === 'node-port' || variety === 'load-balancer'
  const isLoadBalancer = variety === 'load-balancer'
  const nodePort = isExternal ? `,"nodePort":${30_000 + externalNumber(index)}` : ''
  const selector = `{"app.kubernetes.io/instance":"${serviceName(index)}","app.kubernetes.io/name":"app"}`
  const spec = [
    `"ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":"http"${nodePort}}]`,
    `"selector":${selector},"clusterIP":"${ip}","clusterIPs":["${ip}"],"type":"${serviceType(variety)}"`,
    `"sessionAffinity":"${variety === 'affinity' ? 'ClientIP' : 'None'}"`,
    ...(isExternal ? [`"externalTrafficPolicy":"${isLoadBalancer ? 'Local' : 'Cluster'}"`] : []),
    ...(isLoadBalancer ? [`"healthCheckNodePort":${12_000 + externalNumber(index)}`] : []),
    ...(variety === 'affinity' ? ['"sessionAffinityConfig":{"clientIP":{"timeoutSeconds":10800}}'] : []),
    '"ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack"',
    ...(isLoadBalancer ? ['"allocateLoadBalancerNodePorts":true'] : []),
    '"internalTrafficPolicy":"Cluster"',
  ]
  const ingress = `"ingress":[{"ip":"198.${18 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}","ipMode":"VIP"}]`
  return `"spec":{${spec.join(',')}},"status":{"loadBalancer":{${isLoadBalancer ? ingress : ''}}}`
}

function sliceText({ index, pods }: StoredSlice): string {
  const endpoints = pods.map((pod) => endpointText(index, pod)).join(',')
  const ports = '"ports":[{"name":"http","protocol":"TCP","port":8080}]'
  return `"addressType":"IPv4","endpoints":[${endpoints}],${ports}`
}

function endpointText(service: number, pod: number): string {
  const node = podNode(pod)
  const podName = `${serviceName(service)}-6b9f7c5d88-${nameSuffix(pod)}`
  return (
    `{"addresses":["${podAddress(pod)}"],"conditions":{"ready":true,"serving":true,"terminating":false},` +
    `"targetRef":{"kind":"Pod","namespace":"${objectNamespace}","name":"${podName}","uid":"${uid('Pod', pod)}"},` +
    `"nodeName":"${nodeName(node)}","zone":"${zoneOf(node)}"}`
  )
}

function nodeText(index: number): string {
  const resources = '{"cpu":"8","ephemeral-storage":"101430960Ki","memory":"32461564Ki","pods":"110"}'
  const podCidr = `100.64.${index}.0/24`
  const ready = ['MemoryPressure', 'DiskPressure', 'PIDPressure'].map((type) => condition(type, 'False'))
  const status = [
    `"capacity":${resources},"allocatable":${resources}`,
    `"conditions":[${[...ready, condition('Ready', 'True')].join(',')}]`,
    `"addresses":[{"type":"InternalIP","address":"192.0.2.${index + 1}"},{"type":"Hostname","address":"${nodeName(index)}"}]`,
    '"daemonEndpoints":{"kubeletEndpoint":{"Port":10250}}',
    `"nodeInfo":{"machineID":"${uid('Node', index)}","kernelVersion":"6.12.0","osImage":"Linux","containerRuntimeVersion":` +
      '"containerd://2.1.4","kubeletVersion":"v1.36.0","operatingSystem":"linux","architecture":"amd64"}',
  ]
  const spec = `"podCIDR":"${podCidr}","podCIDRs":["${podCidr}"],"providerID":"cloud:///region-1/i-${index}"`
  return `"spec":{${spec}},"status":{${status.join(',')}}`
}

function condition(type: string, status: 'True' | 'False'): string {
  const time = '"lastTransitionTime":"2026-01-01T00:00:00Z"'
  return `{"type":"${type}","status":"${status}",${time},"reason":"AsItIs","message":""}`
}
