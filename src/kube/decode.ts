import { decodeEndpointSlice } from './endpoint-slice.ts'
import { isFields, show } from './fields.ts'
import type { Fields, Scope } from './fields.ts'
import { claimedName, decodeMetadata } from './metadata.ts'
import { decodeNode } from './node.ts'
import { decodeServiceCidr } from './service-cidr.ts'
import { decodeService } from './service.ts'
import { describeObject } from './types.ts'
import type { Kind, KubeObject, ObjectMeta, Warning } from './types.ts'

/** What became of one raw object. */
export interface DecodedObject {
  /** Absent when nothing of the object can be used; then a warning says why. */
  readonly object?: KubeObject
  readonly warnings: readonly Warning[]
  /** `apiVersion kind` as written, when it is none that we read. */
  readonly unknownKind?: string
}

interface KindDecoder {
  readonly apiVersion: string
  readonly isNamespaced: boolean
  readonly decode: (scope: Scope, raw: Fields, metadata: ObjectMeta) => KubeObject | undefined
}

const decoders: Record<Kind, KindDecoder> = {
  Service: { apiVersion: 'v1', isNamespaced: true, decode: decodeService },
  EndpointSlice: { apiVersion: 'discovery.k8s.io/v1', isNamespaced: true, decode: decodeEndpointSlice },
  Node: { apiVersion: 'v1', isNamespaced: false, decode: decodeNode },
  ServiceCIDR: { apiVersion: 'networking.k8s.io/v1', isNamespaced: false, decode: decodeServiceCidr },
}

/**
 * The typed object cut down to the fields we read, from parsed JSON or YAML of any shape. A wrong part is left out with
 * a warning and the rest is kept; an object without a usable name, or of a kind we do not read, is left out whole.
 */
export function decodeObject(raw: unknown): DecodedObject {
  if (!isFields(raw)) {
    return { warnings: [{ object: show(raw), field: 'kind', message: 'is not a Kubernetes object' }] }
  }
  const kind = asKind(raw['kind'])
  if (kind === undefined || decoders[kind].apiVersion !== raw['apiVersion']) return unknownKind(raw)
  const decoder = decoders[kind]
  const object = describeObject(kind, claimedName(raw, decoder.isNamespaced))
  const scope: Scope = { object, path: '', warnings: [] }
  const metadata = decodeMetadata(scope, raw, decoder.isNamespaced)
  const decoded = metadata && decoder.decode(scope, raw, metadata)
  return decoded === undefined ? { warnings: scope.warnings } : { object: decoded, warnings: scope.warnings }
}

/** As `decodeObject`, one result per object: a `List`, `ServiceList`, `EndpointSliceList` and so on gives its items. */
export function decodeObjects(raw: unknown): readonly DecodedObject[] {
  if (!isFields(raw) || !isList(raw)) return [decodeObject(raw)]
  const items = raw['items'] ?? []
  if (!Array.isArray(items)) {
    return [{ warnings: [{ object: String(raw['kind']), field: 'items', message: `${show(items)} is not an array` }] }]
  }
  return items.map((item: unknown) => decodeObject(withListType(raw, item)))
}

function isList(raw: Fields): boolean {
  const { kind, apiVersion } = raw
  if (kind === 'List') return apiVersion === 'v1'
  if (typeof kind !== 'string' || !kind.endsWith('List')) return false
  return asKind(kind.slice(0, -'List'.length)) !== undefined
}

/** The items of a typed list, as the API server sends it, have neither kind nor apiVersion of their own. */
function withListType(list: Fields, item: unknown): unknown {
  if (list['kind'] === 'List' || !isFields(item) || item['kind'] !== undefined) return item
  return { ...item, apiVersion: list['apiVersion'], kind: String(list['kind']).slice(0, -'List'.length) }
}

function asKind(kind: unknown): Kind | undefined {
  return typeof kind === 'string' && Object.hasOwn(decoders, kind) ? (kind as Kind) : undefined
}

function unknownKind(raw: Fields): DecodedObject {
  const { kind, apiVersion } = raw
  const hasKind = typeof kind === 'string' && kind !== ''
  const object = describeObject(
    hasKind ? kind : '(no kind)',
    claimedName(raw, isFields(raw['metadata']) && 'namespace' in raw['metadata']),
  )
  const named = `${typeof apiVersion === 'string' ? apiVersion : '(no apiVersion)'} ${hasKind ? kind : '(no kind)'}`
  return {
    warnings: [{ object, field: 'kind', message: `${named} is not read by a service proxy` }],
    unknownKind: named,
  }
}
