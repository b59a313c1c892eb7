import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChangeCounters } from '../../src/model/cluster-model.ts'
import { type EndedSync, ProxyMetrics, type ProxyMetricsOptions } from '../../src/server/metrics.ts'
import type { SyncReport } from '../../src/sync/syncer.ts'
import { bucketsOf, type MetricFamily, parseExposition, valueOf } from './exposition-parser.ts'

const now = Date.UTC(2026, 0, 2, 3, 4, 5)

const exp15 = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384]
const net = [
  0.25, 0.5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
  30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58,
  59, 60, 65, 70, 75, 80, 85, 90, 95, 100, 105, 110, 115, 120, 150, 180, 210, 240, 270, 300,
]
const request = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60]

/** All metrics: type, labels, and the buckets of histograms. */
const table: Readonly<Record<string, readonly [type: string, labels: string, buckets?: readonly number[]]>> = {
  kubeproxy_sync_proxy_rules_duration_seconds: ['histogram', 'ip_family', exp15],
  kubeproxy_sync_full_proxy_rules_duration_seconds: ['histogram', 'ip_family', exp15],
  kubeproxy_sync_partial_proxy_rules_duration_seconds: ['histogram', 'ip_family', exp15],
  kubeproxy_sync_proxy_rules_last_timestamp_seconds: ['gauge', 'ip_family'],
  kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds: ['gauge', 'ip_family'],
  kubeproxy_network_programming_duration_seconds: ['histogram', 'ip_family', net],
  kubeproxy_sync_proxy_rules_endpoint_changes_pending: ['gauge', ''],
  kubeproxy_sync_proxy_rules_endpoint_changes_total: ['counter', ''],
  kubeproxy_sync_proxy_rules_service_changes_pending: ['gauge', ''],
  kubeproxy_sync_proxy_rules_service_changes_total: ['counter', ''],
  kubeproxy_sync_proxy_rules_no_local_endpoints_total: ['gauge', 'ip_family,traffic_policy'],
  kubeproxy_sync_proxy_rules_nftables_sync_failures_total: ['counter', 'ip_family'],
  kubeproxy_sync_proxy_rules_nftables_cleanup_failures_total: ['counter', 'ip_family'],
  kubeproxy_proxy_healthz_total: ['counter', 'code'],
  kubeproxy_proxy_livez_total: ['counter', 'code'],
  kubeproxy_conntrack_reconciler_sync_duration_seconds: ['histogram', 'ip_family', exp15],
  kubeproxy_conntrack_reconciler_deleted_entries_total: ['counter', 'ip_family'],
  kubernetes_feature_enabled: ['gauge', 'name,stage'],
  rest_client_requests_total: ['counter', 'code,host,method'],
  rest_client_request_duration_seconds: ['histogram', 'host,verb', request],
  process_cpu_seconds_total: ['counter', ''],
  process_resident_memory_bytes: ['gauge', ''],
  process_virtual_memory_bytes: ['gauge', ''],
  process_open_fds: ['gauge', ''],
  process_max_fds: ['gauge', ''],
  process_start_time_seconds: ['gauge', ''],
  nodejs_heap_size_total_bytes: ['gauge', ''],
  nodejs_heap_size_used_bytes: ['gauge', ''],
  nodejs_external_memory_bytes: ['gauge', ''],
  flowproxy_build_info: ['gauge', 'node_version,version'],
  flowproxy_services: ['gauge', 'ip_family'],
  flowproxy_sync_kernel_seconds: ['histogram', 'ip_family', exp15],
  flowproxy_sync_plan_seconds: ['histogram', 'ip_family', exp15],
  flowproxy_sync_operations_total: ['counter', 'ip_family'],
  flowproxy_sync_elements_added_total: ['counter', 'ip_family'],
  flowproxy_sync_elements_removed_total: ['counter', 'ip_family'],
  flowproxy_sync_warnings_total: ['counter', 'ip_family'],
  flowproxy_event_to_kernel_seconds: ['histogram', 'ip_family', exp15],
  flowproxy_source_connected: ['gauge', 'kind'],
  flowproxy_watch_restarts_total: ['counter', 'kind'],
  flowproxy_relists_total: ['counter', 'kind'],
}

test('every metric has its type, labels and buckets once everything has happened', async () => {
  const families = await read(everythingHappened())
  const found = [...families].map(([name, family]) => [name, describe(family)] as const)
  assert.deepEqual(
    Object.fromEntries(found),
    Object.fromEntries(
      Object.entries(table).map(([name, [type, labels, buckets = []]]) => [name, { type, labels, buckets }]),
    ),
  )
})

test('a series with labels appears with its first observation', async () => {
  const families = await read(proxyMetrics())
  for (const [name, [, labels]] of Object.entries(table)) {
    const isThere = labels === '' || name === 'flowproxy_build_info'
    assert.equal((families.get(name)?.samples.length ?? 0) > 0, isThere, name)
  }
})

test('every metric has a sentence of help', async () => {
  for (const [name, { help }] of await read(proxyMetrics())) assert.match(help, /^[A-Z].*\.$/, name)
})

test('a sync counts as full or partial, and its time when it went well', async () => {
  const metrics = proxyMetrics()
  metrics.syncDone(report, { ...sync, isFull: true, durationMs: 20 })
  metrics.syncDone(report, { ...sync, isFull: false, durationMs: 3 })
  metrics.syncFailed({ ...sync, family: 'IPv6', isFull: true, durationMs: 5 })
  const families = await read(metrics)
  const value = (name: string, ip_family: string): number | undefined =>
    valueOf(families, `kubeproxy_sync_${name}`, { ip_family })
  assert.equal(value('proxy_rules_duration_seconds_count', 'IPv4'), 2)
  assert.equal(value('full_proxy_rules_duration_seconds_sum', 'IPv4'), 0.02)
  assert.equal(value('partial_proxy_rules_duration_seconds_sum', 'IPv4'), 0.003)
  assert.equal(value('proxy_rules_last_timestamp_seconds', 'IPv4'), now / 1000)
  assert.equal(value('proxy_rules_nftables_sync_failures_total', 'IPv4'), undefined)
  assert.equal(value('proxy_rules_duration_seconds_count', 'IPv6'), 1)
  assert.equal(value('partial_proxy_rules_duration_seconds_count', 'IPv6'), undefined)
  assert.equal(value('proxy_rules_last_timestamp_seconds', 'IPv6'), undefined)
  assert.equal(value('proxy_rules_nftables_sync_failures_total', 'IPv6'), 1)
})

test('the latency of programming is the time since each trigger, and never negative', async () => {
  const metrics = proxyMetrics()
  const triggerTimes = new Map([
    ['shop/cart', [now - 700, now - 2500]],
    ['shop/till', [now + 5000]],
  ] as const)
  metrics.syncDone({ ...report, changes: { ...report.changes, triggerTimes } }, sync)
  const families = await read(metrics)
  const name = 'kubeproxy_network_programming_duration_seconds'
  assert.equal(valueOf(families, `${name}_sum`, { ip_family: 'IPv4' }), 3.2)
  assert.equal(valueOf(families, `${name}_bucket`, { ip_family: 'IPv4', le: '1' }), 2)
})

test('the way from an event to the kernel is measured where there was a request and something to send', async () => {
  const metrics = proxyMetrics()
  metrics.syncDone(report, { ...sync, sinceRequestMs: undefined })
  metrics.syncDone({ ...report, commit: { operations: 0, bytes: 0, encodeMs: 0, kernelMs: 0 } }, sync)
  metrics.syncDone(report, { ...sync, sinceRequestMs: 12 })
  const families = await read(metrics)
  const name = 'flowproxy_event_to_kernel_seconds'
  assert.equal(valueOf(families, `${name}_count`, { ip_family: 'IPv4' }), 1)
  assert.equal(valueOf(families, `${name}_sum`, { ip_family: 'IPv4' }), 0.012)
})

test('changes are the sum of both families, pending Services the larger number', async () => {
  const counters = (factor: number): ChangeCounters => ({
    serviceChangesTotal: 10 * factor,
    serviceChangesPending: 2 * factor,
    endpointChangesTotal: 100 * factor,
    endpointChangesPending: 3 * factor,
  })
  const families = [counters(1), counters(2)]
  const metrics = proxyMetrics({ changes: () => families })
  await read(metrics)
  const found = await read(metrics)
  const value = (name: string): number | undefined => valueOf(found, `kubeproxy_sync_proxy_rules_${name}`)
  assert.equal(value('service_changes_total'), 30)
  assert.equal(value('service_changes_pending'), 4)
  assert.equal(value('endpoint_changes_total'), 300)
  assert.equal(value('endpoint_changes_pending'), 9)
})

test('the watches of the API server are asked for when the metrics are read', async () => {
  let status = { isConnected: true, relists: 0, watchRestarts: 3 }
  const metrics = proxyMetrics({ sources: () => ({ Node: status }) })
  await read(metrics)
  status = { isConnected: false, relists: 1, watchRestarts: 4 }
  const families = await read(metrics)
  const value = (name: string): number | undefined => valueOf(families, `flowproxy_${name}`, { kind: 'Node' })
  assert.deepEqual([value('source_connected'), value('relists_total'), value('watch_restarts_total')], [0, 1, 4])
})

test('what a sync reports is added up, but Services are as many as there are', async () => {
  const metrics = proxyMetrics()
  metrics.syncDone(report, sync)
  metrics.syncDone({ ...report, services: 6 }, sync)
  const families = await read(metrics)
  const value = (name: string): number | undefined => valueOf(families, `flowproxy_${name}`, { ip_family: 'IPv4' })
  assert.equal(value('services'), 6)
  assert.equal(value('sync_operations_total'), 18)
  assert.equal(value('sync_elements_added_total'), 10)
  assert.equal(value('sync_elements_removed_total'), 4)
  assert.equal(value('sync_warnings_total'), 2)
  assert.equal(value('sync_kernel_seconds_sum'), 0.004)
  assert.equal(value('sync_plan_seconds_sum'), 0.002)
})

test('a request to the API server without an answer has the code <error>', async () => {
  const metrics = proxyMetrics()
  metrics.apiRequestEnded({ method: 'GET', host: '10.0.0.1:6443', status: 0, durationMs: 10 })
  const labels = { code: '<error>', host: '10.0.0.1:6443', method: 'GET' }
  assert.equal(valueOf(await read(metrics), 'rest_client_requests_total', labels), 1)
})

test('what the process uses is looked up when the metrics are read', async () => {
  const metrics = proxyMetrics()
  const before = await read(metrics)
  const keep = Buffer.alloc(32 * 1024 * 1024, 1)
  const after = await read(metrics)
  const grown = (name: string): number => (valueOf(after, name) ?? 0) - (valueOf(before, name) ?? 0)
  assert.ok(grown('nodejs_external_memory_bytes') >= keep.length)
  assert.ok(grown('process_resident_memory_bytes') > keep.length / 2)
  assert.ok(grown('process_cpu_seconds_total') > 0)
  assert.ok(Math.abs((valueOf(after, 'process_start_time_seconds') ?? 0) - performance.timeOrigin / 1000) < 1)
  const [open = 0, max = 0] = [valueOf(after, 'process_open_fds'), valueOf(after, 'process_max_fds')]
  assert.ok(open > 3 && open < max)
})

test('health checks are service level indicators, apart from the other metrics, until they are reset', async () => {
  const metrics = proxyMetrics()
  metrics.healthAnswered('livez', 503, [{ name: 'ipv4-sync', isOk: false }])
  metrics.healthAnswered('livez', 200, [{ name: 'ipv4-sync', isOk: true }])
  const slis = parseExposition((await metrics.readSlis()).text)
  const labels = { name: 'ipv4-sync', type: 'livez' }
  assert.equal(valueOf(slis, 'kubernetes_healthcheck', labels), 1)
  assert.equal(valueOf(slis, 'kubernetes_healthchecks_total', { ...labels, status: 'success' }), 1)
  assert.equal(valueOf(slis, 'kubernetes_healthchecks_total', { ...labels, status: 'error' }), 1)
  metrics.resetSlis()
  const reset = parseExposition((await metrics.readSlis()).text)
  assert.deepEqual(
    [...reset.values()].flatMap(({ samples }) => samples),
    [],
  )
  const families = await read(metrics)
  assert.equal(valueOf(families, 'kubeproxy_proxy_livez_total', { code: '503' }), 1)
  assert.equal(families.has('kubernetes_healthcheck'), false)
})

test('OpenMetrics names counters without their suffix and ends with a mark, and leaves the text format as it is', async () => {
  const metrics = everythingHappened()
  const plain = await metrics.read()
  assert.equal(plain.contentType, 'text/plain; version=0.0.4; charset=utf-8')
  const accept = 'application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'
  const { contentType, text } = await metrics.read(accept)
  assert.equal(contentType, 'application/openmetrics-text; version=1.0.0; charset=utf-8')
  assert.match(text, /^# TYPE kubeproxy_proxy_livez counter\nkubeproxy_proxy_livez_total\{code="503"\} 1$/m)
  assert.match(text, /^kubeproxy_network_programming_duration_seconds_bucket\{le="1\.0",ip_family="IPv4"\} 1$/m)
  assert.match(text, /^# TYPE kubeproxy_sync_proxy_rules_no_local_endpoints_total gauge$/m)
  assert.doesNotMatch(text, /_total counter$|^$(?!\n*$)/m)
  assert.ok(text.endsWith('\n# EOF\n'))
  const names = (families: Map<string, MetricFamily>): string[] => [...families.keys()]
  assert.deepEqual(names(parseExposition((await metrics.read()).text)), names(parseExposition(plain.text)))
})

const report: SyncReport = {
  family: 'IPv4',
  isFull: false,
  servicesChanged: 1,
  services: 5,
  endpointsAdded: 2,
  endpointsRemoved: 1,
  elementsAdded: 5,
  elementsRemoved: 2,
  commit: { operations: 9, bytes: 400, encodeMs: 0.5, kernelMs: 2 },
  planMs: 1,
  isCleanupFailed: false,
  warnings: [{ object: 'Service shop/cart', field: 'spec.externalIPs[0]', message: 'is not an IP address' }],
  changes: { services: new Set(['shop/cart']), isConntrackCleanupNeeded: false, triggerTimes: new Map() },
}

const sync: EndedSync = { family: 'IPv4', isFull: false, durationMs: 20, sinceRequestMs: 25 }

function proxyMetrics(options: Partial<ProxyMetricsOptions> = {}): ProxyMetrics {
  return new ProxyMetrics({ version: '1.2.3', changes: () => [], wallClock: () => new Date(now), ...options })
}

const reconciled = {
  family: 'IPv4',
  protocol: 'udp',
  durationMs: 3,
  deleted: 4,
  isWhole: true,
  failure: undefined,
} as const

/** Metrics that have seen every occurrence. */
function everythingHappened(): ProxyMetrics {
  const metrics = proxyMetrics({ sources: () => ({ Service: { isConnected: true, relists: 0, watchRestarts: 1 } }) })
  metrics.syncRequested('IPv4')
  const triggerTimes = new Map([['shop/cart', [now - 700]]] as const)
  metrics.syncDone({ ...report, changes: { ...report.changes, triggerTimes } }, { ...sync, isFull: true })
  metrics.syncFailed(sync)
  metrics.cleanupFailed('IPv4')
  metrics.noLocalEndpoints('IPv4', { internal: 1, external: 2 })
  metrics.conntrackReconciled(reconciled)
  metrics.healthAnswered('healthz', 200, [])
  metrics.healthAnswered('livez', 503, [])
  metrics.features([{ name: 'ComponentFlagz', stage: 'BETA', isEnabled: true }])
  metrics.apiRequestEnded({ method: 'GET', host: '10.0.0.1:6443', status: 200, durationMs: 10 })
  return metrics
}

async function read(metrics: ProxyMetrics): Promise<Map<string, MetricFamily>> {
  return parseExposition((await metrics.read()).text)
}

function describe(family: MetricFamily): { type: string; labels: string; buckets: readonly number[] } {
  const labels = new Set(family.samples.flatMap((sample) => Object.keys(sample.labels)))
  labels.delete('le')
  return { type: family.type, labels: [...labels].sort().join(), buckets: bucketsOf(family) }
}
