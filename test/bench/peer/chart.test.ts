import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startChart } from '../../../bench/peer/chart.ts'
import type { TrialResult } from '../../../bench/peer/trial.ts'
import { measured, results } from './trials.ts'

const timedOut: TrialResult = { outcome: 'timed out', afterMs: 180_000, peakBytes: 900e6, cpuMs: 170_000 }
const rows = [
  { services: 1000, endpoints: 2, ours: measured(500), peer: measured(1000) },
  { services: 10_000, endpoints: 2, ours: measured(1000), peer: measured(100_000) },
  { services: 45_000, endpoints: 1, ours: measured(2000), peer: timedOut },
]

function heights(svg: string, cssClass: string): number[] {
  const group = new RegExp(`<g class="${cssClass}">.*?</g>`, 's').exec(svg)?.[0] ?? ''
  return [...group.matchAll(/<circle cx="\d+" cy="(\d+)"/g)].map(([, y]) => Number(y))
}

describe('the chart of starts', () => {
  test('has a line for each proxy, higher for what takes longer, in even steps for each power of ten', () => {
    const svg = startChart(results({ rows })) ?? ''
    const [ours, peer] = [heights(svg, 'ours'), heights(svg, 'peer')]
    assert.equal(ours[1], peer[0], 'a second is a second')
    const [second = 0, hundredSeconds = 0] = peer
    const decade = (second - hundredSeconds) / 2
    assert.ok(decade > 30)
    assert.ok(Math.abs((ours[0] ?? 0) - (second + decade * Math.log10(2))) <= 1)
    for (const label of ['100 ms', '1 s', '100 s', '>500 ms<', '>100.00 s<', '>flowproxy<', '>kube-proxy<']) {
      assert.ok(svg.includes(label), label)
    }
  })

  test('leaves out what was not measured and sizes with other numbers of endpoints', () => {
    const given = rows.map((row) => ({ ...row, peer: timedOut }))
    const svg = startChart(results({ rows: given })) ?? ''
    assert.equal(heights(svg, 'ours').length, 2)
    assert.doesNotMatch(svg, /kube-proxy|45000/)
    assert.equal(startChart(results({ rows: rows.slice(2) })), undefined)
  })

  test('has colours for light and for dark, and every element is closed', () => {
    const svg = startChart(results({ rows })) ?? ''
    assert.match(svg, /prefers-color-scheme: dark/)
    const open: string[] = []
    for (const [, slash, name, end] of svg.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/g)) {
      if (slash === '/') assert.equal(open.pop(), name)
      else if (end !== '/') open.push(name ?? '')
    }
    assert.deepEqual(open, [])
  })
})
