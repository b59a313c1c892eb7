import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backoff } from '../../src/kube/backoff.ts'

test('pauses double from 0.8 s to 30 s', () => {
  const backoff = new Backoff(() => 0)
  const pauses = Array.from({ length: 8 }, () => backoff.next())
  assert.deepEqual(pauses, [800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000])
})

test('up to the same time is added at random', () => {
  const randoms = [0.5, 0.999, 0]
  const backoff = new Backoff(() => randoms.shift() ?? 0)
  assert.deepEqual([backoff.next(), backoff.next(), backoff.next()], [1200, 1600 * 1.999, 3200])
})

test('after a reset the next pause is the shortest', () => {
  const backoff = new Backoff(() => 0)
  const before = [backoff.next(), backoff.next()]
  backoff.reset()
  assert.deepEqual([...before, backoff.next()], [800, 1600, 800])
})

test('a pause is never shorter than the server asks for', () => {
  const backoff = new Backoff(() => 0)
  assert.deepEqual([backoff.next(5_000), backoff.next(1_000)], [5_000, 1_600])
})
