import { isNamespaced, nameOf, objectNamespace } from './objects.ts'
import { groups, type Resource, resources } from './resources.ts'
import { fieldSelector, labelSelector, type Selector } from './selectors.ts'
import { badRequest, notFound } from './status.ts'

/** What a GET of a resource asks for. */
export type Query = {
  readonly resource: Resource
  /** Name of the one object that is asked for. */
  readonly name: string | undefined
  readonly isSelected: Selector
  readonly isWatch: boolean
  /** Undefined when the request has none. */
  readonly version: number | undefined
  /** 0: no limit. */
  readonly limit: number
  readonly continueToken: string | undefined
  readonly hasBookmarks: boolean
  readonly hasInitialEvents: boolean
  /** 0: no end. */
  readonly timeoutSeconds: number
}

/** What a path names: a group's resource, in a namespace perhaps, and one object perhaps. */
export type ResourcePath = {
  readonly group: string
  readonly namespace: string | undefined
  readonly plural: string
  readonly name: string | undefined
}

const pathForm = /^(?:\/api|\/apis\/([a-z0-9.]+))\/v1(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/([^/]+))?$/

export function parsePath(path: string): ResourcePath | undefined {
  const [, group = '', namespace, plural, name] = pathForm.exec(path) ?? []
  const isServed = group === '' || groups.some((served) => served === group)
  return plural === undefined || !isServed ? undefined : { group, namespace, plural, name }
}

/** Throws StatusError 404 for what there is not and 400 for what cannot be understood. */
export function parseQuery({ group, namespace, plural, name }: ResourcePath, search: URLSearchParams): Query {
  const resource = resources.find((resource) => resource.group === group && resource.plural === plural)
  if (resource === undefined || (namespace !== undefined && !isNamespaced(resource.kind))) throw notFound()
  const version = search.get('resourceVersion') ?? ''
  const query = {
    resource,
    name,
    isSelected: selectorOf(namespace, name, search),
    isWatch: isTrue(search.get('watch')),
    version: version === '' ? undefined : wholeNumber('resourceVersion', version),
    limit: wholeNumber('limit', search.get('limit') ?? '0'),
    continueToken: search.get('continue') ?? undefined,
    hasBookmarks: isTrue(search.get('allowWatchBookmarks')),
    hasInitialEvents: isTrue(search.get('sendInitialEvents')),
    timeoutSeconds: wholeNumber('timeoutSeconds', search.get('timeoutSeconds') ?? '0'),
  }
  if (query.hasInitialEvents && search.get('resourceVersionMatch') !== 'NotOlderThan') {
    throw badRequest('sendInitialEvents requires setting resourceVersionMatch to NotOlderThan')
  }
  return query
}

function selectorOf(namespace: string | undefined, name: string | undefined, search: URLSearchParams): Selector {
  try {
    const isLabelled = labelSelector(search.get('labelSelector') ?? '')
    const hasFields = fieldSelector(search.get('fieldSelector') ?? '')
    const isThere = namespace === undefined || namespace === objectNamespace
    return (object) =>
      isThere && (name === undefined || nameOf(object) === name) && isLabelled(object) && hasFields(object)
  } catch (error) {
    throw error instanceof SyntaxError ? badRequest(error.message) : error
  }
}

function isTrue(text: string | null): boolean {
  return text === '1' || text === 'true'
}

function wholeNumber(field: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw badRequest(`${field}: Invalid value: "${text}"`)
}
