import {
  creationTime,
  isNamespaced,
  labelsOf,
  nameOf,
  objectNamespace,
  serviceName,
  type StoredObject,
} from './objects.ts'

/** Numbers that uids begin with, so that no two objects have the same one. */
const uidSpaces = { Service: 1, EndpointSlice: 2, Node: 3, ServiceCIDR: 4, Pod: 5 } as const

/** `"metadata":{...}` as the API server writes it: all fields, in its order, with the fields of the managers. */
export function metadataText(object: StoredObject): string {
  const name = nameOf(object)
  const isSlice = object.kind === 'EndpointSlice'
  const parts = [`"name":"${name}"`]
  if (isSlice) parts.push(`"generateName":"${serviceName(object.index)}-"`)
  if (isNamespaced(object.kind)) parts.push(`"namespace":"${objectNamespace}"`)
  parts.push(`"uid":"${uid(object.kind, object.index, isSlice ? object.part : 0)}"`)
  parts.push(`"resourceVersion":"${object.version}"`)
  if (isSlice) parts.push(`"generation":${object.generation}`)
  parts.push(`"creationTimestamp":"${creationTime}"`)
  if (object.kind !== 'ServiceCIDR') parts.push(`"labels":${JSON.stringify(labelsOf(object))}`)
  const annotations = annotationsText(object)
  if (annotations !== undefined) parts.push(`"annotations":${annotations}`)
  if (isSlice) parts.push(ownerText(object.index))
  parts.push(`"managedFields":${managedFields[object.kind]}`)
  return `"metadata":{${parts.join(',')}}`
}

/** A version 4 uid by its looks, the same for the same numbers. */
export function uid(kind: keyof typeof uidSpaces, number: number, part = 0): string {
  const first = hex((uidSpaces[kind] << 24) | (part & 0xffffff), 8)
  return `${first}-4a6c-4f0e-9d21-${hex(Math.imul(number, 0x9e3779b1) >>> 0, 8)}${hex(number & 0xffff, 4)}`
}

function hex(number: number, length: number): string {
  return number.toString(16).padStart(length, '0')
}

function annotationsText(object: StoredObject): string | undefined {
  if (object.kind === 'Service') {
    return `{"meta.helm.sh/release-name":"${serviceName(object.index)}","meta.helm.sh/release-namespace":"${objectNamespace}"}`
  }
  if (object.kind === 'EndpointSlice') {
    const time = object.changedAt?.toISOString() ?? creationTime
    return `{"endpoints.kubernetes.io/last-change-trigger-time":"${time}"}`
  }
  return object.kind === 'Node' ? '{"volumes.kubernetes.io/controller-managed-attach-detach":"true"}' : undefined
}

function ownerText(service: number): string {
  const owner = `"name":"${serviceName(service)}","uid":"${uid('Service', service)}"`
  return `"ownerReferences":[{"apiVersion":"v1","kind":"Service",${owner},"controller":true,"blockOwnerDeletion":true}]`
}

/** Who set which fields (server-side apply): a good part of the bytes of small objects. */
const managedFields = {
  Service: managed('helm', 'v1', {
    'f:metadata': {
      'f:annotations': { '.': {}, 'f:meta.helm.sh/release-name': {}, 'f:meta.helm.sh/release-namespace': {} },
      'f:labels': {
        '.': {},
        'f:app.kubernetes.io/instance': {},
        'f:app.kubernetes.io/managed-by': {},
        'f:app.kubernetes.io/name': {},
        'f:app.kubernetes.io/version': {},
        'f:helm.sh/chart': {},
      },
    },
    'f:spec': {
      'f:internalTrafficPolicy': {},
      'f:ports': {
        '.': {},
        'k:{"port":80,"protocol":"TCP"}': {
          '.': {},
          'f:name': {},
          'f:port': {},
          'f:protocol': {},
          'f:targetPort': {},
        },
      },
      'f:selector': {},
      'f:sessionAffinity': {},
      'f:type': {},
    },
  }),
  EndpointSlice: managed('kube-controller-manager', 'discovery.k8s.io/v1', {
    'f:addressType': {},
    'f:endpoints': {},
    'f:metadata': {
      'f:annotations': { '.': {}, 'f:endpoints.kubernetes.io/last-change-trigger-time': {} },
      'f:generateName': {},
      'f:labels': {
        '.': {},
        'f:app.kubernetes.io/instance': {},
        'f:app.kubernetes.io/managed-by': {},
        'f:app.kubernetes.io/name': {},
        'f:app.kubernetes.io/version': {},
        'f:endpointslice.kubernetes.io/managed-by': {},
        'f:helm.sh/chart': {},
        'f:kubernetes.io/service-name': {},
      },
      'f:ownerReferences': { '.': {}, 'k:{"uid":"01000000-4a6c-4f0e-9d21-000000000000"}': {} },
    },
    'f:ports': {},
  }),
  Node: managed('kubelet', 'v1', {
    'f:metadata': {
      'f:annotations': { '.': {}, 'f:volumes.kubernetes.io/controller-managed-attach-detach': {} },
      'f:labels': { '.': {}, 'f:kubernetes.io/arch': {}, 'f:kubernetes.io/hostname': {}, 'f:kubernetes.io/os': {} },
    },
  }),
  ServiceCIDR: managed('kube-apiserver', 'networking.k8s.io/v1', { 'f:spec': { 'f:cidrs': {} } }),
}

function managed(manager: string, apiVersion: string, fields: object): string {
  const entry = { manager, operation: 'Update', apiVersion, time: creationTime, fieldsType: 'FieldsV1' }
  return JSON.stringify([{ ...entry, fieldsV1: fields }])
}
