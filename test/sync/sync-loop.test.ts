import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SyncLoop, type SyncLoopOptions } from '../../src/sync/sync-loop.ts'
import { ManualClock, settled } from './manual-clock.ts'

/** At this time, after a request if there is one, so many runs have begun. */
type Step = readonly [atMs: number, event: 'request' | '', runs: number]

type Course = {
  readonly title: string
  readonly intervals?: Partial<Pick<SyncLoopOptions, 'minIntervalMs' | 'retryIntervalMs' | 'maxIntervalMs'>>
  /** What the runs come to, in their order; those that are not listed go well. */
  readonly results?: readonly boolean[]
  readonly steps: readonly Step[]
}

const intervals = { minIntervalMs: 1000, retryIntervalMs: 5000, maxIntervalMs: 10_000 }

const courses: readonly Course[] = [
  {
    title: 'requests within the pause are merged into one run at its end',
    steps: [
      [0, 'request', 1],
      [500, 'request', 1],
      [999, 'request', 1],
      [1000, '', 2],
      [1000, 'request', 2],
      [1001, 'request', 2],
      [2000, '', 3],
      [3000, '', 3],
    ],
  },
  {
    title: 'without requests the longest interval brings a run',
    steps: [
      [0, 'request', 1],
      [9999, '', 1],
      [10_000, '', 2],
      [19_999, '', 2],
      [20_000, '', 3],
    ],
  },
  {
    title: 'the longest interval counts from the start when nothing is ever requested',
    steps: [
      [9999, '', 0],
      [10_000, '', 1],
    ],
  },
  {
    title: 'the first run needs no pause',
    steps: [
      [10, '', 0],
      [10, 'request', 1],
    ],
  },
  {
    title: 'a failed run is tried again after the retry interval, and a run that goes well in between cancels that',
    results: [false, true, false, true],
    steps: [
      [0, 'request', 1],
      [1000, '', 1],
      [4999, '', 1],
      [5000, '', 2],
      [5499, 'request', 2],
      [5999, '', 2],
      [6000, '', 3],
      [7000, '', 3],
      [7000, 'request', 4],
      [11_000, '', 4],
      [16_999, '', 4],
      [17_000, '', 5],
    ],
  },
  {
    title: 'a retry that is due within the pause waits for its end',
    intervals: { minIntervalMs: 5000, retryIntervalMs: 1000 },
    results: [false],
    steps: [
      [0, 'request', 1],
      [1000, '', 1],
      [4999, '', 1],
      [5000, '', 2],
    ],
  },
  {
    title: 'a retry never waits longer than the longest interval',
    intervals: { retryIntervalMs: 60_000 },
    results: [false],
    steps: [
      [0, 'request', 1],
      [9999, '', 1],
      [10_000, '', 2],
    ],
  },
  {
    title: 'every failed run is tried again',
    results: [false, false, false],
    steps: [
      [0, 'request', 1],
      [5000, '', 2],
      [10_000, '', 3],
      [15_000, '', 4],
      [20_000, '', 4],
    ],
  },
  {
    title: 'without a pause runs follow each other at once',
    intervals: { minIntervalMs: 0 },
    steps: [
      [0, 'request', 1],
      [0, 'request', 2],
      [0, 'request', 3],
    ],
  },
]

/** A running loop; runs take no time unless a test gives them a promise to wait for. */
function startLoop(run: () => Promise<boolean>, changed: Partial<SyncLoopOptions> = {}) {
  const clock = new ManualClock()
  const stop = new AbortController()
  const loop = new SyncLoop({ ...intervals, clock, run, ...changed })
  const end = loop.start(stop.signal)
  return { clock, loop, stop, end }
}

describe('a sync loop', () => {
  for (const { title, intervals, results = [], steps } of courses) {
    test(title, async () => {
      let runs = 0
      const { clock, loop, stop, end } = startLoop(async () => results[runs++] ?? true, intervals)
      for (const [atMs, event, expected] of steps) {
        await clock.goTo(atMs)
        if (event === 'request') loop.request()
        await settled()
        assert.equal(runs, expected, `runs at ${atMs} ms`)
      }
      stop.abort()
      await end
      assert.equal(clock.scheduled, 0)
    })
  }

  test('a run that throws has failed', async () => {
    let runs = 0
    const { clock, loop, stop, end } = startLoop(async () => {
      runs++
      throw new Error('no kernel')
    })
    loop.request()
    await clock.goTo(4999)
    assert.equal(runs, 1)
    await clock.goTo(5000)
    assert.equal(runs, 2)
    stop.abort()
    await end
  })

  test('requests during a run lead to one more run, a pause after the end of the first', async () => {
    const began: number[] = []
    const first = Promise.withResolvers<boolean>()
    const { clock, loop, stop, end } = startLoop(() => {
      began.push(clock.now())
      return began.length === 1 ? first.promise : Promise.resolve(true)
    })
    loop.request()
    await clock.goTo(300)
    loop.request()
    loop.request()
    await clock.goTo(2000)
    first.resolve(true)
    await clock.goTo(9000)
    assert.deepEqual(began, [0, 3000])
    stop.abort()
    await end
  })

  test('an abort ends the loop in a wait, in a pause, and before it begins', async () => {
    for (const requests of [0, 1]) {
      const { clock, loop, stop, end } = startLoop(async () => true)
      for (let i = 0; i < requests; i++) loop.request()
      await settled()
      stop.abort()
      await end
      assert.equal(clock.scheduled, 0)
    }
    const loop = new SyncLoop({ ...intervals, clock: new ManualClock(), run: () => assert.fail('no run is due') })
    await loop.start(AbortSignal.abort())
  })

  test('an abort lets the run that is going on finish, and begins no other', async () => {
    let runs = 0
    const first = Promise.withResolvers<boolean>()
    const { clock, loop, stop, end } = startLoop(() => {
      runs++
      return first.promise
    })
    let hasEnded = false
    void end.then(() => (hasEnded = true))
    loop.request()
    await settled()
    loop.request()
    stop.abort()
    await clock.goTo(60_000)
    assert.equal(hasEnded, false)
    first.resolve(false)
    await end
    assert.equal(runs, 1)
    assert.equal(clock.scheduled, 0)
  })

  test('a pause longer than the longest interval is refused', () => {
    const options = { ...intervals, clock: new ManualClock(), run: async () => true }
    assert.throws(() => new SyncLoop({ ...options, minIntervalMs: 10_001 }), {
      name: 'RangeError',
      message: 'minimum interval 10001 ms exceeds maximum 10000 ms',
    })
    assert.doesNotThrow(() => new SyncLoop({ ...options, minIntervalMs: 10_000 }))
  })
})
