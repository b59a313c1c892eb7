import { isFields, readFields, readString, show, warn, within } from './fields.ts'
import type { Fields, Scope } from './fields.ts'
import {
  fastpathAnnotation,
  headlessLabel,
  proxyNameLabel,
  serviceNameLabel,
  triggerTimeAnnotation,
  zoneLabel,
} from './types.ts'
import type { ObjectMeta } from './types.ts'

const usedLabels = [proxyNameLabel, headlessLabel, serviceNameLabel, zoneLabel]
const usedAnnotations = [triggerTimeAnnotation, fastpathAnnotation]
/** RFC 1123: lower case letters, digits, `-` and `.`, as the API server demands of the names of all kinds here. */
const dnsName = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/
const maxNameLength = 253
const defaultNamespace = 'default'
const wholeSecondsUtc = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/

/** The names in a raw object, however wrong but not too long, for use in a warning. */
export function claimedName(raw: Fields, isNamespaced: boolean): { namespace: string; name: string } {
  const metadata = isFields(raw['metadata']) ? raw['metadata'] : {}
  const { name } = metadata
  const namespace = metadata['namespace'] ?? defaultNamespace
  return {
    namespace: isNamespaced && typeof namespace === 'string' ? namespace.slice(0, maxNameLength) : '',
    name: typeof name === 'string' && name !== '' ? name.slice(0, maxNameLength) : '(no name)',
  }
}

/** The metadata we read, or undefined, with a warning, when the object has no usable name. */
export function decodeMetadata(scope: Scope, raw: Fields, isNamespaced: boolean): ObjectMeta | undefined {
  const fields = readFields(scope, raw, 'metadata') ?? {}
  const inMetadata = within(scope, 'metadata')
  const name = decodeName(inMetadata, fields, 'name')
  const namespace = isNamespaced ? decodeNamespace(inMetadata, fields) : ''
  if (name === undefined || namespace === undefined) return undefined
  return {
    namespace,
    name,
    creationTimestamp: decodeTime(inMetadata, fields, 'creationTimestamp'),
    deletionTimestamp: decodeTime(inMetadata, fields, 'deletionTimestamp'),
    resourceVersion: readString(inMetadata, fields, 'resourceVersion'),
    labels: pick(inMetadata, fields, 'labels', usedLabels),
    annotations: pick(inMetadata, fields, 'annotations', usedAnnotations),
  }
}

function decodeNamespace(scope: Scope, fields: Fields): string | undefined {
  const isAbsent = fields['namespace'] === undefined || fields['namespace'] === null || fields['namespace'] === ''
  return isAbsent ? defaultNamespace : decodeName(scope, fields, 'namespace')
}

function decodeName(scope: Scope, fields: Fields, field: string): string | undefined {
  const name = fields[field]
  if (typeof name === 'string' && name.length <= maxNameLength && dnsName.test(name)) return name
  warn(scope, field, nameFlaw(name))
  return undefined
}

function nameFlaw(name: unknown): string {
  if (name === undefined || name === null || name === '') return 'is missing'
  if (typeof name === 'string' && name.length > maxNameLength) {
    return `${show(name)} is longer than ${maxNameLength} characters`
  }
  return `${show(name)} is not a DNS name`
}

function decodeTime(scope: Scope, fields: Fields, field: string): string | undefined {
  const text = readString(scope, fields, field)
  if (text === undefined || wholeSecondsUtc.test(text)) return text
  const timeMs = Date.parse(text)
  if (!Number.isNaN(timeMs)) return `${new Date(timeMs).toISOString().slice(0, 19)}Z`
  warn(scope, field, `${show(text)} is not an RFC 3339 time`)
  return undefined
}

/** The entries that we read. Presence alone can count, so a value of the wrong type becomes an empty string. */
function pick(
  scope: Scope,
  fields: Fields,
  field: string,
  names: readonly string[],
): Readonly<Record<string, string>> | undefined {
  const all = readFields(scope, fields, field)
  if (all === undefined) return undefined
  const inField = within(scope, field)
  const present = names.filter((name) => Object.hasOwn(all, name))
  if (present.length === 0) return undefined
  return Object.fromEntries(present.map((name) => [name, readString(inField, all, name) ?? '']))
}
