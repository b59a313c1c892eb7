import assert from 'node:assert/strict'
import { json } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { openPool } from '../../src/kube/connection-pool.ts'
import { EventRecorder } from '../../src/kube/event-recorder.ts'
import type { RecordedEvent } from '../../src/kube/event-recorder.ts'
import { exchange } from '../../src/kube/http-exchange.ts'
import { until } from '../cli/until.ts'
import { ManualClock } from '../sync/manual-clock.ts'
import type { Raw } from './fixtures.ts'
import { withServer } from './loopback-server.ts'

const started: RecordedEvent = {
  type: 'Normal',
  reason: 'Starting',
  action: 'StartKubeProxy',
  note: '',
  regarding: { kind: 'Node', apiVersion: 'v1', name: 'worker-1' },
}
const failed: RecordedEvent = {
  type: 'Warning',
  reason: 'FailedToStartServiceHealthcheck',
  action: 'Listen',
  note: 'port 30100 is in use',
  regarding: { kind: 'Service', apiVersion: 'v1', namespace: 'shop', name: 'cart' },
}

interface Asked {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly body: Raw
}

interface Place {
  readonly recorder: EventRecorder
  readonly clock: ManualClock
  readonly problems: string[]
  /** Waits for this many requests in all, and gives them. */
  readonly asked: (count: number) => Promise<readonly Asked[]>
  readonly requestCount: () => number
}

/** A server that answers with these statuses in turn and then with 201; 0 is a connection that is cut, -1 no answer. */
async function withRecorder(statuses: readonly number[], run: (place: Place) => Promise<void>): Promise<void> {
  const requests: Asked[] = []
  await withServer(
    async (request, response) => {
      const body = (await json(request)) as Raw
      const status = statuses[requests.length] ?? 201
      requests.push({ method: request.method, path: request.url, body })
      if (status === 0) request.socket.destroy()
      else if (status > 0) response.writeHead(status).end('{"kind":"Status","message":"for a reason"}')
    },
    async ({ port }) => {
      const server = `http://127.0.0.1:${port}`
      const pool = await openPool({ server, tls: { rejectUnauthorized: true }, headers: {}, files: [] })
      const clock = new ManualClock()
      const problems: string[] = []
      const recorder = new EventRecorder({
        api: { send: (request) => exchange(request, { server, pool, headers: {} }) },
        nodeName: 'worker-1',
        clock,
        onProblem: (problem) => problems.push(problem),
      })
      const asked = (count: number): Promise<readonly Asked[]> =>
        until(
          () => (requests.length >= count ? [...requests] : undefined),
          () => `${count} requests, not only ${requests.length}`,
        )
      try {
        await run({ recorder, clock, problems, asked, requestCount: () => requests.length })
      } finally {
        pool.destroy()
      }
    },
  )
}

describe('an event', () => {
  test('about a Node is posted into the namespace default', () =>
    withRecorder([], async ({ recorder, asked }) => {
      const beforeMs = Date.now()
      recorder.record(started)
      const [{ method, path, body } = assert.fail()] = await asked(1)
      assert.equal(`${method} ${path}`, 'POST /apis/events.k8s.io/v1/namespaces/default/events')
      const { metadata, eventTime, ...others } = body
      const { name, namespace } = metadata as { readonly name: string; readonly namespace: string }
      assert.equal(namespace, 'default')
      assert.match(name, /^worker-1\.[0-9a-f]{16}$/)
      assert.match(String(eventTime), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
      const timeMs = Date.parse(String(eventTime))
      assert.ok(timeMs >= beforeMs && timeMs <= Date.now())
      assert.deepEqual(others, {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        type: 'Normal',
        reason: 'Starting',
        action: 'StartKubeProxy',
        note: '',
        regarding: { kind: 'Node', apiVersion: 'v1', name: 'worker-1' },
        reportingController: 'kube-proxy',
        reportingInstance: 'worker-1',
      })
    }))

  test('about a Service is posted into its namespace', () =>
    withRecorder([], async ({ recorder, asked }) => {
      recorder.record(failed)
      const [{ path, body } = assert.fail()] = await asked(1)
      assert.equal(path, '/apis/events.k8s.io/v1/namespaces/shop/events')
      assert.deepEqual(body['regarding'], failed.regarding)
      assert.equal(body['note'], failed.note)
    }))

  test('has a note of at most 1 KiB, in whole characters', () =>
    withRecorder([], async ({ recorder, asked }) => {
      recorder.record({ ...failed, note: 'ü'.repeat(1_000) })
      const [{ body } = assert.fail()] = await asked(1)
      assert.equal(body['note'], `${'ü'.repeat(510)}…`)
    }))
})

describe('an event that repeats', () => {
  test('is counted in the one there is, at once and then once a minute', () =>
    withRecorder([], async ({ recorder, asked, clock, requestCount }) => {
      recorder.record(failed)
      const [{ body: first } = assert.fail()] = await asked(1)
      const { name } = first['metadata'] as { readonly name: string }
      recorder.record(failed)
      const [, { method, path, body } = assert.fail()] = await asked(2)
      assert.equal(`${method} ${path}`, `PATCH /apis/events.k8s.io/v1/namespaces/shop/events/${name}`)
      const { count, lastObservedTime } = body['series'] as Raw
      assert.deepEqual(Object.keys(body), ['series'])
      assert.equal(count, 2)
      assert.match(String(lastObservedTime), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
      await clockWaits(clock, 0)
      for (let n = 0; n < 3; n++) recorder.record(failed)
      await clockWaits(clock, 1)
      await clock.goTo(59_999)
      assert.equal(requestCount(), 2)
      await clock.goTo(60_000)
      const [, , { body: later } = assert.fail()] = await asked(3)
      assert.equal((later['series'] as Raw)['count'], 5)
    }))

  test('is another one after six minutes', () =>
    withRecorder([], async ({ recorder, asked, clock }) => {
      recorder.record(failed)
      await asked(1)
      await clock.goTo(6 * 60_000)
      recorder.record(failed)
      const [, { method } = assert.fail()] = await asked(2)
      assert.equal(method, 'POST')
    }))

  test('is another one when the API server has forgotten the first', () =>
    withRecorder([201, 404], async ({ recorder, asked }) => {
      recorder.record(failed)
      await asked(1)
      recorder.record(failed)
      const [, { method: second } = assert.fail(), { method: third, body } = assert.fail()] = await asked(3)
      assert.deepEqual([second, third], ['PATCH', 'POST'])
      assert.equal((body['series'] as Raw)['count'], 2)
    }))

  test('with another note, reason or object is another one', () =>
    withRecorder([], async ({ recorder, asked }) => {
      recorder.record(failed)
      recorder.record({ ...failed, note: 'other' })
      recorder.record({ ...failed, reason: 'Other' })
      recorder.record({ ...failed, regarding: { ...failed.regarding, name: 'other' } })
      const requests = await asked(4)
      assert.ok(requests.every(({ method }) => method === 'POST'))
    }))
})

describe('an event that the API server does not take', () => {
  test('is lost when it is forbidden, which is told once', () =>
    withRecorder([403, 403], async ({ recorder, asked, problems, clock }) => {
      recorder.record(failed)
      recorder.record(started)
      await asked(2)
      await until(
        () => problems[0],
        () => 'a problem',
      )
      assert.deepEqual(problems, ['events are lost: 403: for a reason'])
      assert.equal(clock.scheduled, 0)
    }))

  for (const { title, status } of [
    { title: 'when the connection ends', status: 0 },
    { title: 'when there are too many requests', status: 429 },
    { title: 'when the server fails', status: 503 },
  ]) {
    test(`is sent again after ten seconds ${title}`, () =>
      withRecorder([status], async ({ recorder, asked, clock, problems }) => {
        recorder.record(failed)
        await asked(1)
        await clockWaits(clock, 1)
        await clock.goTo(10_000)
        const [{ body: first } = assert.fail(), { body: second } = assert.fail()] = await asked(2)
        assert.deepEqual(second, first)
        assert.deepEqual(problems, [])
      }))
  }

  test('is sent again with a repetition, a minute later', () =>
    withRecorder([403, 404], async ({ recorder, asked, clock, problems }) => {
      recorder.record(failed)
      await until(
        () => problems[0],
        () => 'a problem',
      )
      recorder.record(failed)
      await clockWaits(clock, 1)
      await clock.goTo(60_000)
      const [, { method: second } = assert.fail(), { method: third, body } = assert.fail()] = await asked(3)
      assert.deepEqual([second, third], ['PATCH', 'POST'])
      assert.equal((body['series'] as Raw)['count'], 2)
    }))

  test('is lost after five attempts', () =>
    withRecorder([500, 500, 500, 500, 500], async ({ recorder, asked, clock, problems }) => {
      recorder.record(failed)
      for (let n = 1; n < 5; n++) {
        await asked(n)
        await clockWaits(clock, 1)
        await clock.goTo(n * 10_000)
      }
      await asked(5)
      await until(
        () => problems[0],
        () => 'a problem',
      )
      assert.deepEqual(problems, ['events are lost: 500: for a reason'])
    }))

  test('is taken for sent when its name is there already', () =>
    withRecorder([0, 409], async ({ recorder, asked, clock, problems }) => {
      recorder.record(failed)
      await asked(1)
      await clockWaits(clock, 1)
      await clock.goTo(10_000)
      await asked(2)
      await clockWaits(clock, 0)
      recorder.record(failed)
      const [, , { method } = assert.fail()] = await asked(3)
      assert.equal(method, 'PATCH')
      assert.deepEqual(problems, [])
    }))

  test('is lost when a hundred others wait', () =>
    withRecorder([-1], async ({ recorder, problems }) => {
      for (let n = 0; n <= 101; n++) recorder.record({ ...failed, note: String(n) })
      assert.deepEqual(problems, ['events are lost: too many different events'])
    }))
})

describe('closing', () => {
  test('sends what is left, also what would wait', () =>
    withRecorder([503], async ({ recorder, asked, clock, requestCount }) => {
      recorder.record(failed)
      await asked(1)
      await clockWaits(clock, 1)
      recorder.record(started)
      await recorder.close()
      assert.equal(requestCount(), 3)
      assert.equal(clock.scheduled, 0)
    }))

  test('takes no longer than a second, and records nothing afterwards', () =>
    withRecorder([-1], async ({ recorder, asked, clock, requestCount, problems }) => {
      recorder.record(failed)
      await asked(1)
      const closed = recorder.close()
      await clock.goTo(1_000)
      await closed
      recorder.record(started)
      await clock.goTo(100_000)
      assert.equal(requestCount(), 1)
      assert.deepEqual(problems, [])
    }))
})

/** Waits until what is under way has ended in so many timers. */
async function clockWaits(clock: ManualClock, timers: number): Promise<void> {
  await until(
    () => (clock.scheduled === timers ? true : undefined),
    () => `${timers} timers, not ${clock.scheduled}`,
  )
}
