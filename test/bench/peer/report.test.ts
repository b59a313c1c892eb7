import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { peerReport } from '../../../bench/peer/report.ts'
import type { TrialResult } from '../../../bench/peer/trial.ts'
import { measured, results, start } from './trials.ts'

const timedOut: TrialResult = { outcome: 'timed out', afterMs: 180_000, peakBytes: 900e6, cpuMs: 170_000 }

function linesOf(report: string, beginning: string): string[] {
  return report.split('\n').filter((line) => line.startsWith(beginning))
}

describe('the report of both proxies', () => {
  test('each part stands for both, with how many times as long the other took', () => {
    const row = { services: 1000, endpoints: 2, ours: measured(500), peer: measured(10_000, { steadyBytes: 250e6 }) }
    const lines = linesOf(peerReport(results({ rows: [row] })), '| 1000 x 2')
    assert.deepEqual(lines, [
      '| 1000 x 2 | flowproxy | 500 ms | 20 x | 1.00 s | 300 ms | 200 MB | 7.0 ms | 90 ms |',
      '| 1000 x 2 | kube-proxy | 10.00 s | - | 20.00 s | 300 ms | 200 MB | 7.0 ms | 90 ms |',
      '| 1000 x 2 | flowproxy | 250 ms | 20 x | 500 ms | 300 ms | 200 MB | 7.0 ms | 90 ms |',
      '| 1000 x 2 | kube-proxy | 5.00 s | - | 10.00 s | 300 ms | 200 MB | 7.0 ms | 90 ms |',
      '| 1000 x 2 | flowproxy | 150 MB | 39 | 75 | 70 | 1.0 ms |',
      '| 1000 x 2 | kube-proxy | 250 MB | 39 | 75 | 70 | 1.0 ms |',
      '| 1000 x 2 | flowproxy | 5.0 ms | 20 x | 5.0 ms | 50 ms | 20 x | 1000: 100 ms | 20 x | 40 ms | 3.0 ms | 0 |',
      '| 1000 x 2 | kube-proxy | 100 ms | - | 100 ms | 1.00 s | - | 1000: 2.00 s | - | 40 ms | 3.0 ms | 0 |',
    ])
  })

  test('a start that was given up is a line of its own, and there is no ratio to it', () => {
    const report = peerReport(
      results({ rows: [{ services: 45_000, endpoints: 1, ours: measured(2000), peer: timedOut }] }),
    )
    const lines = linesOf(report, '| 45000 x 1')
    assert.equal(lines[0], '| 45000 x 1 | flowproxy | 2.00 s | - | 4.00 s | 300 ms | 200 MB | 7.0 ms | 90 ms |')
    assert.equal(
      lines[1],
      '| 45000 x 1 | kube-proxy | not programmed after 180.00 s (CPU 170.00 s, peak memory 900 MB) |',
    )
    assert.doesNotMatch(lines.join('\n'), /\d x \|/)
  })

  test('what failed is told with its whole reason, and ours stands alone', () => {
    const peer: TrialResult = { outcome: 'failed', reason: 'it ended by itself\npanic: no' }
    const report = peerReport(results({ rows: [{ services: 10, endpoints: 2, ours: measured(500), peer }] }))
    assert.match(report, /## What failed\n\nkube-proxy at 10 x 2:\n\n {4}it ended by itself\n {4}panic: no\n$/)
    assert.ok(linesOf(report, '| 10 x 2 | kube-proxy').every((line) => line.endsWith('| failed, see below |')))
  })

  test('a change that never came makes no time and no ratio', () => {
    const rollingUpdate = { endpoints: 1000, totalMs: undefined, cpuMs: 40, longestLockMs: 3 }
    const peer = measured(10_000, { rollingUpdate, endpointChanges: { latenciesMs: [], unseen: 3 } })
    const report = peerReport(results({ rows: [{ services: 1000, endpoints: 2, ours: measured(500), peer }] }))
    assert.deepEqual(linesOf(report, '| 1000 x 2').slice(-2), [
      '| 1000 x 2 | flowproxy | 5.0 ms | - | 5.0 ms | 50 ms | 20 x | 1000: 100 ms | - | 40 ms | 3.0 ms | 0 |',
      '| 1000 x 2 | kube-proxy | - | - | - | 1.00 s | - | 1000: - | - | 40 ms | 3.0 ms | 4 |',
    ])
  })
})

describe('the targets', () => {
  const large = { services: 10_000, endpoints: 2 }
  const many = { services: 45_000, endpoints: 1 }

  function target(name: string, given: Parameters<typeof results>[0]): string | undefined {
    return linesOf(peerReport(results(given)), `| ${name}`)[0]?.replace(/^[^|]*\|[^|]*\| /, '')
  }

  test('are met and missed as measured', () => {
    const rows = [
      { ...large, ours: measured(1000), peer: measured(40_000, { coldStarts: [start(40_000, 300e6)] }) },
      { ...many, ours: measured(2000, { steadyBytes: 240e6 }), peer: timedOut },
    ]
    assert.equal(target('start to programmed', { rows }), '40 x | at least 50 x | **missed** |')
    assert.equal(target('one endpoint', { rows }), '40 x | at least 5.0 x | met |')
    assert.equal(target('steady memory', { rows }), '0.80 x | at most 1.0 x | met |')
    assert.equal(target('longest answer', { rows }), '90 ms | at most 100 ms | met |')
  })

  test('without kube-proxy they are not measured', () => {
    const rows = [
      { ...large, ours: measured(1000), peer: timedOut },
      { ...many, ours: measured(2000), peer: timedOut },
    ]
    for (const name of ['start to programmed', 'one endpoint', 'steady memory']) {
      assert.match(target(name, { rows }) ?? '', /^not measured \|.*\| - \|$/)
    }
  })

  test('pauses are those of the process itself', () => {
    const collections = {
      minor: { count: 9, totalMs: 30, longestMs: 6 },
      major: { count: 1, totalMs: 60, longestMs: 60 },
    }
    const pauses = [
      { ...many, pauses: { longestBlockMs: 80, collections: {} }, profile: [] },
      { services: 5000, endpoints: 50, pauses: { longestBlockMs: 120, collections }, profile: [] },
    ]
    assert.equal(target('longest block', { pauses }), '80 ms | at most 100 ms | met |')
    assert.equal(target('longest pause', { pauses }), '60 ms | at most 50 ms | **missed** |')
    const report = peerReport(results({ pauses }))
    assert.ok(report.includes('| 5000 x 50 | 120 ms | 9 | 6.0 ms | 1 | 60 ms |'))
    assert.ok(report.includes('| 45000 x 1 | 80 ms | 0 | - | 0 | - |'))
  })
})
