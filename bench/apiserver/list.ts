import type { ServerResponse } from 'node:http'
import { apiVersions, itemText } from './object-text.ts'
import type { StoredObject } from './objects.ts'
import type { Query } from './query.ts'
import { badRequest, expired, StatusError } from './status.ts'
import type { Statistics } from './statistics.ts'
import type { Store } from './store.ts'

/** Objects are sent in pieces of this size, so that no list is in memory as a whole. */
export const pieceLength = 1 << 15

/**
 * Answers a list or a page of one. A later page shows the objects as they are by then under the first page's resource
 * version: a watch from there tells again what changed between the pages. Throws StatusError before anything is sent.
 */
export async function sendList(
  response: ServerResponse,
  query: Query,
  store: Store,
  statistics: Statistics,
): Promise<void> {
  const { version, start } = startOf(query, store)
  const { kind } = query.resource
  const { items, next } = page(query, store, start)
  const remaining = next === undefined ? '' : `,"continue":"${continueToken(version, next)}"`
  response.setHeader('Content-Type', 'application/json')
  response.setHeader('Cache-Control', 'no-cache, private')
  const metadata = `"metadata":{"resourceVersion":"${version}"${remaining}}`
  let piece = `{"kind":"${kind}List","apiVersion":"${apiVersions[kind]}",${metadata},"items":[`
  let objects = 0
  for (const object of items) {
    piece += objects === 0 ? itemText(object) : `,${itemText(object)}`
    objects++
    if (piece.length < pieceLength) continue
    const isReady = statistics.write(response, piece, 0)
    piece = ''
    if (!isReady) await drained(response)
    if (response.destroyed) return
  }
  statistics.write(response, `${piece}]}\n`, objects)
  response.end()
}

/** Resolves when the client has read on, or has gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}

/** A page's resource version and first position. */
function startOf({ version = 0, continueToken }: Query, store: Store): { version: number; start: number } {
  if (continueToken !== undefined) {
    const token = parseToken(continueToken)
    if (store.changeAfter(token.version) === 'expired') throw expired(token.version, store.version)
    return token
  }
  if (version > store.version) {
    const message = `Too large resource version: ${version}, current: ${store.version}`
    throw new StatusError(504, 'Timeout', message)
  }
  return { version: store.version, start: 0 }
}

/** Objects from a position on, and where the next page begins. With resource version 0 the API server knows no limit. */
function page(
  { resource, isSelected, limit, version }: Query,
  store: Store,
  start: number,
): { items: Iterable<StoredObject>; next: number | undefined } {
  if (limit === 0 || version === 0) return { items: selected(store, resource.kind, isSelected, start), next: undefined }
  const items: StoredObject[] = []
  for (const [position, object] of store.objects(resource.kind, start)) {
    if (!isSelected(object)) continue
    if (items.length === limit) return { items, next: position }
    items.push(object)
  }
  return { items, next: undefined }
}

/** The objects of a kind that a selector lets through, as they are when each is reached. */
export function* selected(
  store: Store,
  kind: StoredObject['kind'],
  isSelected: Query['isSelected'],
  start = 0,
): Generator<StoredObject> {
  for (const [, object] of store.objects(kind, start)) if (isSelected(object)) yield object
}

function continueToken(version: number, position: number): string {
  return Buffer.from(JSON.stringify({ version, start: position })).toString('base64url')
}

function parseToken(token: string): { version: number; start: number } {
  try {
    const { version, start } = JSON.parse(Buffer.from(token, 'base64url').toString()) as Record<string, unknown>
    if (typeof version === 'number' && typeof start === 'number') return { version, start }
  } catch {
    // Said below, as for a token that is JSON but not ours.
  }
  throw badRequest('continue key is not valid')
}
