import { isFields } from './fields.ts'

/** An event of a watch, meta/v1 WatchEvent; its object is not looked at. */
export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'ERROR'; readonly object: unknown }
  | { readonly type: 'BOOKMARK'; readonly object: unknown; readonly isEndOfList: boolean }
  /** Of a type that is not known. */
  | { readonly type: 'OTHER'; readonly name: string }

/** KEP-3157: on the bookmark after which a streamed list is complete. */
const endOfListAnnotation = 'k8s.io/initial-events-end'

/** Undefined when the document is no event at all. */
export function parseWatchEvent(document: unknown): WatchEvent | undefined {
  if (!isFields(document)) return undefined
  const { type, object } = document
  if (typeof type !== 'string') return undefined
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
    case 'ERROR':
      return { type, object }
    case 'BOOKMARK':
      return { type, object, isEndOfList: isEndOfList(object) }
    default:
      return { type: 'OTHER', name: type }
  }
}

/** metadata.resourceVersion of an object, a list or a bookmark. */
export function resourceVersionOf(object: unknown): string | undefined {
  return metadataText(object, 'resourceVersion')
}

/** metadata.continue of a list. */
export function continueTokenOf(list: unknown): string | undefined {
  return metadataText(list, 'continue')
}

function metadataText(object: unknown, field: string): string | undefined {
  const metadata = isFields(object) ? object['metadata'] : undefined
  const value = isFields(metadata) ? metadata[field] : undefined
  return typeof value === 'string' && value !== '' ? value : undefined
}

function isEndOfList(object: unknown): boolean {
  const metadata = isFields(object) ? object['metadata'] : undefined
  const annotations = isFields(metadata) ? metadata['annotations'] : undefined
  return isFields(annotations) && annotations[endOfListAnnotation] === 'true'
}
