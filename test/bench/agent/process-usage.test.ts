import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { cpuMs, peakBytes, residentBytes } from '../../../bench/agent/process-usage.ts'

/** Keeps 60 MB, uses 300 ms of CPU time and in a child of its own another 300 ms, says so and waits. */
const program = `
  globalThis.kept = Buffer.alloc(60e6, 1)
  const compute = "for (;;) { const { user, system } = process.cpuUsage(); if (user + system > 3e5) break }"
  require('node:child_process').spawnSync(process.execPath, ['-e', compute])
  eval(compute)
  process.stdout.write('done')
  process.stdin.resume()`

test('memory and CPU time are those of the process and its children', async () => {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const { pid = 0 } = child
  await once(child.stdout, 'data')
  try {
    assert.ok(cpuMs(pid) >= 500, `${cpuMs(pid)} ms`)
    assert.ok(residentBytes(pid) > 60e6)
    assert.ok(residentBytes(process.pid) > residentBytes(pid), 'a child counts for its parent')
    assert.ok(peakBytes(pid) >= residentBytes(pid))
  } finally {
    child.stdin.end()
    await once(child, 'close')
  }
  assert.deepEqual([cpuMs(pid), residentBytes(pid), peakBytes(pid)], [0, 0, 0])
})
