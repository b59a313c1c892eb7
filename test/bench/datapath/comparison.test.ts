import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ClientRound } from '../../../bench/datapath/client.ts'
import { latencyRatio, medianInterval, rateRatio } from '../../../bench/datapath/comparison.ts'
import { countOf } from '../../../bench/datapath/instructions.ts'
import { datapathReport } from '../../../bench/datapath/report.ts'

function round(latencyMs: number): ClientRound {
  return { latenciesMs: [latencyMs, latencyMs, 10 * latencyMs], totalMs: 3 * latencyMs }
}

/** Noise that meets both rounds of a pair, up to tenfold. */
const noise = Array.from({ length: 101 }, (_, index) => 1 + ((index * 37) % 10))

describe('rounds of both rulesets', () => {
  test('are compared pair by pair: what slows both down makes no difference', () => {
    const rounds = {
      ours: noise.map((factor) => round(0.02 * factor)),
      peer: noise.map((factor) => round(0.016 * factor)),
    }
    const { median, low, high } = latencyRatio(rounds)
    for (const ratio of [median, low, high]) assert.ok(Math.abs(ratio - 1.25) < 1e-9)
    assert.ok(Math.abs(rateRatio(rounds).median - 0.8) < 1e-9)
  })

  test('have an interval that is wide with few of them and holds the median', () => {
    const values = Array.from({ length: 100 }, (_, index) => index)
    assert.deepEqual(medianInterval(values.toReversed()), { low: 40, high: 60 })
    assert.deepEqual(medianInterval([3, 1, 2]), { low: 1, high: 3 })
  })

  test('are called slower, faster or neither by the whole interval', () => {
    const verdict = (factor: (index: number) => number): string => {
      const rounds = {
        ours: noise.map((_, index) => round(0.02 * factor(index))),
        peer: noise.map(() => round(0.02)),
      }
      const report = datapathReport({
        madeAt: '2026-01-01',
        machine: 'any',
        peerVersion: 'Kubernetes v1.36.3',
        notCounted: 'this machine does not count them',
        rows: [{ services: 100, rounds }],
      })
      assert.match(report, /\nNot counted: this machine does not count them\.\n/)
      return /^- 100 Services: new connections are (.*?) with flowproxy/m.exec(report)?.[1] ?? ''
    }
    assert.equal(
      verdict(() => 1.1),
      '**slower**',
    )
    assert.equal(
      verdict(() => 0.9),
      'faster',
    )
    assert.match(
      verdict((index) => (index % 2 === 0 ? 1.1 : 0.9)),
      /no slower, as far as/,
    )
  })

  test('of a ruleset that was not made are missing, and ours stand alone', () => {
    const rows = [{ services: 5000, rounds: { ours: [round(0.02)], peer: [] } }]
    const report = datapathReport({ madeAt: '', machine: '', peerVersion: 'none', rows })
    assert.ok(report.includes('| 5000 | flowproxy | 50000 | - | 20.0 µs | - | 200.0 µs | 1 | 3 |'))
    assert.ok(report.includes('| 5000 | kube-proxy | not measured: its rules were not made |'))
    assert.ok(report.includes('- 5000 Services: not compared.'))
  })
})

test('instructions are read from what perf writes, and are not where it does not count', () => {
  assert.equal(countOf('123456789,,instructions:k,843346,100.00,,\n'), 123456789)
  assert.equal(countOf('<not supported>,,instructions:k,0,100.00,,\n'), undefined)
  assert.equal(countOf('perf: command failed\n'), undefined)
})
