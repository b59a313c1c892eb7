import { selectors } from './selectors.ts'
import type { Kind } from './types.ts'

/** Objects on a page of a list that is not served from the API server's cache. */
const pageSize = 500

/** What is asked of the API server for one kind. */
export interface ApiResource {
  readonly kind: Kind
  readonly apiVersion: string
  /** Plural, as in paths and messages. */
  readonly name: string
  readonly isNamespaced: boolean
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

/** What a proxy on this Node follows. */
export function apiResources(nodeName: string): Readonly<Record<Kind, ApiResource>> {
  return {
    Service: { kind: 'Service', apiVersion: 'v1', name: 'services', isNamespaced: true, ...selectors.Service },
    EndpointSlice: {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      name: 'endpointslices',
      isNamespaced: true,
      ...selectors.EndpointSlice,
    },
    Node: {
      kind: 'Node',
      apiVersion: 'v1',
      name: 'nodes',
      isNamespaced: false,
      fieldSelector: `metadata.name=${nodeName}`,
    },
    ServiceCIDR: {
      kind: 'ServiceCIDR',
      apiVersion: 'networking.k8s.io/v1',
      name: 'servicecidrs',
      isNamespaced: false,
    },
  }
}

/** A list that comes as a watch: all objects, a bookmark that says so, then changes (KEP-3157). */
export function streamedListPath(resource: ApiResource, timeoutSeconds: number): string {
  return path(resource, {
    ...watchParameters(timeoutSeconds),
    sendInitialEvents: 'true',
    resourceVersionMatch: 'NotOlderThan',
  })
}

/**
 * The whole list from the API server's cache, as it may have been a moment ago: the cheapest for the server, and right
 * only when nothing newer is known.
 */
export function cachedListPath(resource: ApiResource): string {
  return path(resource, { resourceVersion: '0' })
}

/** A page of the list as it is now; without a token the first one. */
export function listPagePath(resource: ApiResource, continueToken?: string): string {
  const page = { limit: String(pageSize) }
  return path(resource, continueToken === undefined ? page : { ...page, continue: continueToken })
}

/** Changes after this resourceVersion. */
export function watchPath(resource: ApiResource, resourceVersion: string, timeoutSeconds: number): string {
  return path(resource, { ...watchParameters(timeoutSeconds), resourceVersion })
}

function watchParameters(timeoutSeconds: number): Record<string, string> {
  return { watch: 'true', allowWatchBookmarks: 'true', timeoutSeconds: String(timeoutSeconds) }
}

function path(resource: ApiResource, parameters: Readonly<Record<string, string>>): string {
  const { apiVersion, name, labelSelector, fieldSelector } = resource
  const query = new URLSearchParams(parameters)
  if (labelSelector !== undefined) query.set('labelSelector', labelSelector)
  if (fieldSelector !== undefined) query.set('fieldSelector', fieldSelector)
  return `${apiVersion.includes('/') ? '/apis' : '/api'}/${apiVersion}/${name}?${query.toString()}`
}
