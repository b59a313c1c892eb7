/** The simulated API server on loopback, and clients that speak real HTTP to it. */
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import { ApiServer, type ApiServerOptions } from '../../bench/apiserver/server.ts'

export type RawObject = {
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly resourceVersion: string
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly endpoints?: readonly { readonly addresses: readonly string[] }[]
}
export type RawList = {
  readonly kind: string
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string }
  readonly items: readonly RawObject[]
}
export type RawEvent = { readonly type: string; readonly object: RawObject & { readonly code?: number } }

export const servicesPath = '/api/v1/services'
export const slicesPath = '/apis/discovery.k8s.io/v1/endpointslices'
export const nodesPath = '/api/v1/nodes'
export const serviceCidrsPath = '/apis/networking.k8s.io/v1/servicecidrs'

/** Starts a server that ends with the test; returns its URL. */
export async function startServer(t: TestContext, options: ApiServerOptions): Promise<string> {
  const server = new ApiServer(options)
  t.after(() => server.close())
  return server.listen('127.0.0.1', 0)
}

/** The parsed answer to a request that has to succeed. */
export async function getJson<T>(url: string, init: RequestInit = {}): Promise<T> {
  const response = await fetch(url, init)
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
  return JSON.parse(text) as T
}

export function listOf(url: string, query: Readonly<Record<string, string>> = {}): Promise<RawList> {
  return getJson(`${url}?${new URLSearchParams(query).toString()}`)
}

/** Asks the server for a change. */
export function control<T>(url: string, method: 'POST' | 'DELETE', path: string, body: object = {}): Promise<T> {
  return getJson(`${url}/bench/${path}`, { method, ...(method === 'POST' && { body: JSON.stringify(body) }) })
}

/** A watch whose events are read one by one. */
export async function openWatch(
  t: TestContext,
  url: string,
  query: Readonly<Record<string, string>>,
): Promise<EventReader> {
  const stop = new AbortController()
  t.after(() => stop.abort())
  const search = new URLSearchParams({ watch: '1', ...query }).toString()
  const response = await fetch(`${url}?${search}`, { signal: stop.signal })
  if (!response.ok || response.body === null) throw new Error(`${search}: ${response.status}`)
  const input = Readable.fromWeb(response.body)
  input.on('error', () => {})
  const lines = createInterface({ input })[Symbol.asyncIterator]()
  const next = async (): Promise<RawEvent | undefined> => {
    const { done, value } = await lines.next()
    return done === true ? undefined : (JSON.parse(value) as RawEvent)
  }
  return { next, take: async (count) => Promise.all(Array.from({ length: count }, next)) }
}

export type EventReader = {
  /** Undefined when the server has ended the watch. */
  readonly next: () => Promise<RawEvent | undefined>
  readonly take: (count: number) => Promise<(RawEvent | undefined)[]>
}
