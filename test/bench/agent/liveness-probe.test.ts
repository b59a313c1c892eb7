import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { LivenessProbe } from '../../../bench/agent/liveness-probe.ts'
import { monotonicMs } from '../../../bench/monotonic.ts'

test('a probe knows the first and the longest answer', async () => {
  const delaysMs = [0, 0, 150, 0, 0]
  const server = createServer((_, response) => void setTimeout(() => response.end(), delaysMs.shift() ?? 0))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const startMs = monotonicMs()
  const probe = new LivenessProbe(`http://127.0.0.1:${(server.address() as AddressInfo).port}/livez`)
  while (delaysMs.length > 0) await sleep(10)
  await probe.stop()
  server.close()
  assert.ok(probe.longestAnswerMs >= 149 && probe.longestAnswerMs < 400, `${probe.longestAnswerMs} ms`)
  assert.ok(probe.firstAnswerAtMs > startMs && probe.firstAnswerAtMs < startMs + 150)
})

test('a probe of a program that does not listen has no answers', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  const probe = new LivenessProbe(`http://127.0.0.1:${port}/livez`)
  await sleep(50)
  await probe.stop()
  assert.deepEqual([probe.longestAnswerMs, probe.firstAnswerAtMs], [0, Number.POSITIVE_INFINITY])
})
