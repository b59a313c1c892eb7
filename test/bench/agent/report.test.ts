import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agentReport } from '../../../bench/agent/report.ts'
import type { Scenario, ScenarioResult } from '../../../bench/agent/scenario.ts'

const scenario: Scenario = {
  services: 45_000,
  endpoints: 1,
  command: ['proxy'],
  isTls: false,
  minSyncPeriod: '1ms',
  coldStarts: 3,
  restarts: 0,
  idleSeconds: 60,
  singleChanges: 2,
  loadSeconds: 0,
}

function start(programmedMs: number): ScenarioResult['coldStarts'][number] {
  const memory = { peakBytes: 300e6, cpuMs: 4000, serverCpuMs: 500 }
  return { programmedMs, firstRequestMs: 200, firstAnswerMs: 250, longestAnswerMs: 80, ...memory }
}

test('a report has medians and says which budgets are met and missed', () => {
  const result: ScenarioResult = {
    coldStarts: [start(9000), start(4000), start(4500)],
    restarts: [],
    idle: { settlingCpuMs: 400, residentBytes: 260e6, cpuPercent: 0.1 },
    singleChanges: { latenciesMs: [12, 8, 30], unseen: 1 },
  }
  const lines = agentReport([{ scenario, result }]).split('\n')
  assert.ok(lines.includes('| 45000 x 1 | cold | 4.50 s | 4.00 s | 200 ms | 250 ms | 80 ms | 300 MB | 500 ms |'))
  assert.ok(lines.includes('| 45000 x 1 | 1ms | single | 4 | 12 ms | 30 ms | 30 ms | 1 | - | - |'))
  assert.ok(lines.includes('| start to programmed at 45000 x 1 | 4.50 s | 5.00 s | met |'))
  assert.ok(lines.includes('| resident memory at 45000 x 1 | 260 MB | 250 MB | **missed** |'))
  assert.ok(lines.includes('| CPU when idle at 45000 x 1 | 0.10 % | 0.50 % | met |'))
})

test('a scenario that is only a load has nothing to say about starts and budgets', () => {
  const load = { latenciesMs: [500], unseen: 0, cpuPercent: 12.4, residentBytes: 200e6 }
  const result: ScenarioResult = { coldStarts: [start(4000)], restarts: [], load }
  const text = agentReport([{ scenario: { ...scenario, idleSeconds: 0, minSyncPeriod: '1s' }, result }])
  assert.deepEqual(
    text.split('\n').filter((line) => line.startsWith('| 45000') || line.startsWith('| start')),
    ['| 45000 x 1 | 1s | load | 1 | 500 ms | 500 ms | 500 ms | 0 | 12 % | 200 MB |'],
  )
})
