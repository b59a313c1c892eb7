import { randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { KubeApiError } from './api.ts'
import type { KubeApi } from './api.ts'
import type { Clock } from './clock.ts'
import { isFields } from './fields.ts'

/** Something that happened, for `kubectl get events`. */
export interface RecordedEvent {
  readonly type: 'Normal' | 'Warning'
  /** Why, in one word for programs: `FailedToStartMetricServer`. */
  readonly reason: string
  /** What was being done, in one word. */
  readonly action: string
  /** For people; the API takes no more than 1 KiB, the rest is cut off. */
  readonly note: string
  readonly regarding: {
    readonly kind: string
    readonly apiVersion: string
    readonly name: string
    /** Absent for what has none, such as a Node. */
    readonly namespace?: string
  }
}

export interface EventRecorderOptions {
  readonly api: KubeApi
  readonly nodeName: string
  readonly clock: Clock
  /** Called when events are lost, once for each reason. */
  readonly onProblem: (message: string) => void
}

/** Equal events, of which the API has one object with a count. */
interface Series {
  readonly event: RecordedEvent
  readonly namespace: string
  name: string
  count: number
  /** How many of them were sent, or given up. */
  sentCount: number
  readonly firstTime: string
  lastTime: string
  /** Times of the clock, in milliseconds. */
  lastMs: number
  notBeforeMs: number
  failures: number
}

/** Events that are alike but further apart are objects of their own. */
const seriesMs = 6 * 60_000
/** How often a count is sent. */
const countEveryMs = 60_000
const retryMs = 10_000
const maxFailures = 5
/** More different events than this within some minutes are lost. */
const maxSeries = 100
const noteBytes = 1_024
const idleTimeoutMs = 10_000
const flushMs = 1_000

/** Tells the API server what happens, as Events of events.k8s.io/v1. Best effort: it never throws and never waits. */
export class EventRecorder {
  readonly #options: EventRecorderOptions
  readonly #series = new Map<string, Series>()
  readonly #reported = new Set<string>()
  readonly #closing = new AbortController()
  #sending: Promise<void> | undefined
  #cancelTimer = (): void => {}
  #isFlushing = false

  constructor(options: EventRecorderOptions) {
    this.#options = options
  }

  record(event: RecordedEvent): void {
    if (this.#isFlushing) return
    const nowMs = this.#options.clock.now()
    const key = keyOf(event)
    const known = this.#series.get(key)
    if (known !== undefined && nowMs - known.lastMs < seriesMs) {
      known.count++
      known.lastMs = nowMs
      known.lastTime = microTime()
    } else {
      this.#forgetOld(nowMs)
      if (this.#series.size >= maxSeries) return this.#report('too many different events', 'too many')
      this.#series.set(key, newSeries(event, nowMs))
    }
    this.#sendDue()
  }

  /** Sends what is left, for a second at most. */
  async close(): Promise<void> {
    this.#isFlushing = true
    this.#cancelTimer()
    const late = Promise.withResolvers<void>()
    const cancel = this.#options.clock.schedule(flushMs, late.resolve)
    await Promise.race([this.#flush(), late.promise])
    cancel()
    this.#closing.abort()
  }

  async #flush(): Promise<void> {
    await this.#sending
    this.#sendDue()
    await this.#sending
  }

  /** One request at a time, then a timer for what has to wait. */
  #sendDue(): void {
    this.#sending ??= this.#sendAllDue().finally(() => {
      this.#sending = undefined
      if (!this.#isFlushing) this.#wakeLater()
    })
  }

  async #sendAllDue(): Promise<void> {
    for (let due = this.#due(); due !== undefined; due = this.#due()) await this.#send(due)
  }

  #due(): Series | undefined {
    const nowMs = this.#options.clock.now()
    if (this.#closing.signal.aborted) return undefined
    return this.#unsent().find(({ notBeforeMs }) => this.#isFlushing || notBeforeMs <= nowMs)
  }

  #wakeLater(): void {
    this.#cancelTimer()
    const dueMs = Math.min(...this.#unsent().map(({ notBeforeMs }) => notBeforeMs))
    if (dueMs === Infinity) return
    const { clock } = this.#options
    this.#cancelTimer = clock.schedule(Math.max(0, dueMs - clock.now()), () => this.#sendDue())
  }

  #unsent(): readonly Series[] {
    return [...this.#series.values()].filter(({ count, sentCount }) => count > sentCount)
  }

  #forgetOld(nowMs: number): void {
    for (const [key, { lastMs, count, sentCount }] of this.#series) {
      if (nowMs - lastMs >= seriesMs && count === sentCount) this.#series.delete(key)
    }
  }

  async #send(series: Series): Promise<void> {
    const { api, nodeName, clock } = this.#options
    const { count, sentCount, namespace, name } = series
    const isNew = sentCount === 0
    const path = `/apis/events.k8s.io/v1/namespaces/${namespace}/events${isNew ? '' : `/${name}`}`
    const body = isNew ? eventObject(series, nodeName) : seriesFields(series)
    const request = { path, body, signal: this.#closing.signal, idleTimeoutMs }
    try {
      const response = await api.send({ method: isNew ? 'POST' : 'PATCH', ...request })
      const answer = await text(response.body)
      // A name that is taken is ours, from an attempt whose answer was lost.
      if (response.status < 300 || (isNew && response.status === 409)) {
        series.sentCount = count
        series.failures = 0
        series.notBeforeMs = isNew ? 0 : clock.now() + countEveryMs
      } else if (!isNew && response.status === 404) {
        series.name = uniqueName(series.event)
        series.sentCount = 0
      } else {
        this.#fail(series, response.status, explain(response.status, answer))
      }
    } catch (error) {
      this.#fail(series, 0, error instanceof KubeApiError ? error.message : String(error))
    }
  }

  /** Tries again later where that can help. */
  #fail(series: Series, status: number, problem: string): void {
    series.failures++
    const isTemporary = status === 0 || status === 429 || status >= 500
    if (isTemporary && series.failures < maxFailures && !this.#isFlushing) {
      series.notBeforeMs = this.#options.clock.now() + retryMs
      return
    }
    series.sentCount = series.count
    series.failures = 0
    series.notBeforeMs = this.#options.clock.now() + countEveryMs
    this.#report(problem, String(status))
  }

  #report(problem: string, kind: string): void {
    if (this.#reported.has(kind) || this.#closing.signal.aborted) return
    this.#reported.add(kind)
    this.#options.onProblem(`events are lost: ${problem}`)
  }
}

function keyOf({ type, reason, action, note, regarding }: RecordedEvent): string {
  const { kind, apiVersion, namespace, name } = regarding
  return JSON.stringify([type, reason, action, note, kind, apiVersion, namespace, name])
}

function newSeries(event: RecordedEvent, nowMs: number): Series {
  const time = microTime()
  return {
    event,
    // Where Events of objects live that have no namespace.
    namespace: event.regarding.namespace ?? 'default',
    name: uniqueName(event),
    count: 1,
    sentCount: 0,
    firstTime: time,
    lastTime: time,
    lastMs: nowMs,
    notBeforeMs: 0,
    failures: 0,
  }
}

/** Names have at most 253 characters. */
function uniqueName({ regarding }: RecordedEvent): string {
  return `${regarding.name.slice(0, 230)}.${randomBytes(8).toString('hex')}`
}

function eventObject(series: Series, nodeName: string): object {
  const { event, namespace, name, firstTime, count } = series
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace, name },
    eventTime: firstTime,
    type: event.type,
    reason: event.reason,
    action: event.action,
    note: cut(event.note),
    regarding: event.regarding,
    reportingController: 'kube-proxy',
    reportingInstance: nodeName,
    ...(count > 1 && seriesFields(series)),
  }
}

function seriesFields({ count, lastTime }: Series): object {
  return { series: { count, lastObservedTime: lastTime } }
}

/** A meta/v1 MicroTime, which wants six digits. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z')
}

/** As many whole characters as fit. */
function cut(note: string): string {
  const bytes = Buffer.from(note)
  if (bytes.length <= noteBytes) return note
  return bytes.toString('utf8', 0, noteBytes - 3).replace(/\uFFFD+$/, '') + '…'
}

/** The `message` of a Status object, if it is one. */
function explain(status: number, answer: string): string {
  let parsed: unknown
  try {
    parsed = JSON.parse(answer)
  } catch {
    return String(status)
  }
  const message = isFields(parsed) ? parsed['message'] : undefined
  return typeof message === 'string' ? `${status}: ${message}` : String(status)
}
