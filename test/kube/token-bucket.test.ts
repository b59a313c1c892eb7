import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tokenBucket } from '../../src/kube/token-bucket.ts'

test('a burst passes at once, then requests are spaced', () => {
  const wait = tokenBucket(5, 3)
  assert.deepEqual(
    [1_000, 1_000, 1_000, 1_000, 1_000].map((nowMs) => wait(nowMs)),
    [0, 0, 0, 200, 400],
  )
})

test('time gives turns back, but never more than the burst', () => {
  const wait = tokenBucket(5, 2)
  assert.deepEqual(
    [0, 0, 0, 400, 60_000, 60_000, 60_000].map((nowMs) => wait(nowMs)),
    [0, 0, 200, 0, 0, 0, 200],
  )
})

test('a negative rate is none, and 0 means 5', () => {
  const unlimited = tokenBucket(-1, 1)
  for (let n = 0; n < 100; n++) assert.equal(unlimited(0), 0)
  const usual = tokenBucket(0, 0)
  assert.deepEqual([usual(0), usual(0)], [0, 200])
})
