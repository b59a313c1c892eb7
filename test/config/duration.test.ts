import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseDuration } from '../../src/config/duration.ts'

describe('a duration', () => {
  const durations: [text: string, ms: number][] = [
    ['0', 0],
    ['0s', 0],
    ['100ms', 100],
    ['1s', 1000],
    ['1.5s', 1500],
    ['1m30s', 90_000],
    ['1h', 3_600_000],
    ['1h1m1s1ms', 3_661_001],
    ['250us', 0.25],
    ['250µs', 0.25],
    ['500000ns', 0.5],
  ]
  for (const [text, ms] of durations) {
    test(`${text} is ${ms} ms`, () => {
      assert.ok(Math.abs(parseDuration('--period', text) - ms) < 1e-9)
    })
  }

  for (const text of ['', '1', '1 s', '1x', 's', '-1s', '+1s', '1s1', '1S', '1,5s', '.s', 'Infinity', '1e3ms']) {
    test(`"${text}" is refused with the flag and what a duration looks like`, () => {
      assert.throws(() => parseDuration('--period', text), {
        code: 'ERR_CONFIG',
        field: '--period',
        message: `--period: "${text}" is not a duration such as 100ms, 1s or 1m30s`,
      })
    })
  }
})
