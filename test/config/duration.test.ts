import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { formatDuration, readDuration } from '../../src/config/duration.ts'

describe('a duration', () => {
  const durations: [text: string, ms: number][] = [
    ['0', 0],
    ['0s', 0],
    ['100ms', 100],
    ['1s', 1000],
    ['1.5s', 1500],
    ['.5s', 500],
    ['1.s', 1000],
    ['1m30s', 90_000],
    ['1h30m', 5_400_000],
    ['1h', 3_600_000],
    ['1h1m1s1ms', 3_661_001],
    ['250us', 0.25],
    ['250µs', 0.25],
    ['500000ns', 0.5],
    ['5614805ns', 5.614805],
  ]
  for (const [text, ms] of durations) {
    test(`${text} is ${ms} ms`, () => {
      assert.equal(readDuration(text), ms)
      assert.equal(readDuration(`+${text}`), ms)
      assert.equal(readDuration(`-${text}`), ms === 0 ? 0 : -ms)
    })
  }

  for (const text of ['', '1', '1 s', '1x', 's', '1s1', '1S', '1,5s', '.s', 'Infinity', '1e3ms', '--1s', '2562048h']) {
    test(`is not "${text}"`, () => assert.equal(readDuration(text), undefined))
  }

  const written: [ms: number, text: string][] = [
    [0, '0s'],
    [0.000_001, '1ns'],
    [0.0015, '1.5µs'],
    [1.5, '1.5ms'],
    [100, '100ms'],
    [1_500, '1.5s'],
    [30_000, '30s'],
    [90_000, '1m30s'],
    [900_000, '15m0s'],
    [86_400_000, '24h0m0s'],
    [-5_000, '-5s'],
  ]
  for (const [ms, text] of written) {
    test(`${ms} ms are written ${text}`, () => assert.equal(formatDuration(ms), text))
  }

  test('is read as what was written', () => {
    const ns = fc.oneof(...[30n, 53n, 63n].map((bits) => fc.bigInt({ min: 1n - 2n ** bits, max: 2n ** bits - 1n })))
    fc.assert(
      fc.property(ns, (ns) => {
        const ms = readDuration(`${ns}ns`)
        assert.equal(readDuration(formatDuration(ms ?? NaN)), ms)
      }),
      { numRuns: 1000 },
    )
  })
})
