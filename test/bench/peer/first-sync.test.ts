import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { monotonicMs } from '../../../bench/monotonic.ts'
import { firstSyncAt, lastSyncSeconds } from '../../../bench/peer/first-sync.ts'

const name = 'kubeproxy_sync_proxy_rules_last_timestamp_seconds'

test('the last sync is that of the IPv4 rules, as either proxy writes the number', () => {
  assert.equal(
    lastSyncSeconds(`${name}{ip_family="IPv6"} 12\n${name}{ip_family="IPv4"} 1.795325609809533e+09\n`),
    1795325609.809533,
  )
  assert.equal(lastSyncSeconds(`# TYPE ${name} gauge\n${name} 1795325614.058\n`), 1795325614.058)
  assert.equal(lastSyncSeconds(`${name}{ip_family="IPv4"} 0\n`), 0)
  assert.equal(lastSyncSeconds(''), 0)
})

test('the first sync is waited for, and its time is the time that the metric says', async (t) => {
  let asked = 0
  const syncedAtMs = Date.now() - 5000
  const server = createServer((_, response) => {
    asked++
    response.end(asked < 3 ? `${name}{ip_family="IPv4"} 0\n` : `${name}{ip_family="IPv4"} ${syncedAtMs / 1000}\n`)
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`
  const atMs = await firstSyncAt(url, () => asked < 10)
  assert.equal(asked, 3)
  assert.ok(atMs !== undefined && Math.abs(monotonicMs() - 5000 - atMs) < 1000)
})

test('a proxy that never answers is given up', async () => {
  let hope = 3
  assert.equal(await firstSyncAt('http://127.0.0.1:1/metrics', () => hope-- > 0), undefined)
})
