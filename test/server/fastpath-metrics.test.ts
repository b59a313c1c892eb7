import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastpathReport } from '../../src/server/fastpath-metrics.ts'
import { ProxyMetrics } from '../../src/server/metrics.ts'
import type { StaleFlowsReport } from '../../src/sync/stale-flows.ts'

const active: FastpathReport = {
  status: {
    state: 'active',
    reason: undefined,
    capabilities: { hasFlowtables: true, hasCounters: false, hasLabels: true, reason: undefined },
    interfaces: ['eth0', 'veth1'],
    devices: 3,
    devicesMissing: 1,
    leftOut: new Map([['dummy0', 'nothing is forwarded through it']]),
    otherFlowtables: ['flowtable ip calico fast'],
    syncs: 7,
    syncErrors: 2,
    recreations: 1,
  },
  halfCloseSeconds: 300,
  sample: {
    counters: { eligible: 1234, offloaded: 56 },
    flows: [
      { family: 'IPv4', protocol: 'tcp', count: 5 },
      { family: 'IPv6', protocol: 'udp', count: 0 },
    ],
  },
}

const reconciled: StaleFlowsReport = {
  family: 'IPv4',
  protocol: 'tcp',
  deleted: 3,
  durationMs: 1,
  isWhole: true,
  failure: undefined,
}

function metricsWith(fastpath?: () => Promise<FastpathReport>): ProxyMetrics {
  return new ProxyMetrics({ version: '0.0.0', changes: () => [], fastpath, wallClock: () => new Date(0) })
}

/** The samples of the fast path, buckets left out. */
async function samples(metrics: ProxyMetrics): Promise<readonly string[]> {
  const { text } = await metrics.read()
  return text.split('\n').filter((line) => /^flowproxy_fastpath_(?!.*_bucket)/.test(line))
}

test('the metrics of an active fast path say how it is and what the kernel counts', async () => {
  const metrics = metricsWith(async () => active)
  metrics.fastpathSynced(250)
  metrics.conntrackReconciled(reconciled)
  const wanted = `flowproxy_fastpath_active 1
flowproxy_fastpath_supported{feature="flowtable"} 1
flowproxy_fastpath_supported{feature="counter"} 0
flowproxy_fastpath_supported{feature="label"} 1
flowproxy_fastpath_interfaces 2
flowproxy_fastpath_devices 3
flowproxy_fastpath_devices_missing 1
flowproxy_fastpath_other_flowtables 1
flowproxy_fastpath_connections_offloaded_total 56
flowproxy_fastpath_eligible_slow_packets_total 1234
flowproxy_fastpath_active_flows{ip_family="IPv4",protocol="tcp"} 5
flowproxy_fastpath_active_flows{ip_family="IPv6",protocol="udp"} 0
flowproxy_fastpath_conntrack_deletions_total{ip_family="IPv4",protocol="tcp"} 3
flowproxy_fastpath_conntrack_deletion_failures_total{ip_family="IPv4",protocol="tcp"} 0
flowproxy_fastpath_sync_duration_seconds_sum 0.25
flowproxy_fastpath_sync_duration_seconds_count 1
flowproxy_fastpath_sync_errors_total 2
flowproxy_fastpath_flowtable_recreations_total 1
flowproxy_fastpath_halfclose_budget_seconds 300`.split('\n')
  assert.deepEqual(await samples(metrics), wanted)
  assert.deepEqual(await samples(metrics), wanted, 'reading them again adds nothing')
})

test('where the kernel has no flow tables a gauge says so, and there is no limit for half-closed connections', async () => {
  const { status } = active
  const capabilities = { hasFlowtables: false, hasCounters: false, hasLabels: false, reason: 'ENOENT' }
  const metrics = metricsWith(async () => ({
    status: { ...status, state: 'unsupported', capabilities, interfaces: [], devices: 0 },
    halfCloseSeconds: undefined,
    sample: undefined,
  }))
  const found = await samples(metrics)
  assert.ok(found.includes('flowproxy_fastpath_active 0'))
  assert.ok(found.includes('flowproxy_fastpath_supported{feature="flowtable"} 0'))
  assert.deepEqual(
    found.filter((line) => /active_flows|halfclose/.test(line)),
    [],
  )
})

test('without a fast path there are no metrics of it, and flows of TCP are not among those of kube-proxy', async () => {
  const metrics = metricsWith()
  metrics.conntrackReconciled(reconciled)
  metrics.fastpathSynced(1)
  assert.deepEqual(await samples(metrics), [])
  assert.doesNotMatch((await metrics.read()).text, /^kubeproxy_conntrack_reconciler_deleted_entries_total\{/m)
})
