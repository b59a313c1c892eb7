import Counter from 'prom-client/lib/counter.js'
import Gauge from 'prom-client/lib/gauge.js'
import Histogram from 'prom-client/lib/histogram.js'
import type Registry from 'prom-client/lib/registry.js'

/** 1 ms to 16 s, each the double of the one before. */
const syncBuckets = Array.from({ length: 15 }, (_, k) => 0.001 * 2 ** k)
/** 0.25 s to 5 min, finer where a cluster that works well is. */
const programmingBuckets = [0.25, 0.5, ...range(1, 59, 1), ...range(60, 115, 5), ...range(120, 300, 30)]
/** 5 ms to a minute, as Kubernetes components have it for their API requests. */
const requestBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60]

/** The metrics that kube-proxy has in nftables mode, under its names; a series appears with its first observation. */
export function kubeProxyMetrics(registry: Registry) {
  const { counter, gauge, histogram } = makers(registry, 'kubeproxy_')
  return {
    syncDuration: histogram('sync_proxy_rules_duration_seconds', ['ip_family'], syncBuckets, 'Duration of syncs.'),
    fullSyncDuration: histogram(
      'sync_full_proxy_rules_duration_seconds',
      ['ip_family'],
      syncBuckets,
      'Duration of syncs that made the table anew.',
    ),
    partialSyncDuration: histogram(
      'sync_partial_proxy_rules_duration_seconds',
      ['ip_family'],
      syncBuckets,
      'Duration of syncs that changed the table.',
    ),
    lastSync: gauge(
      'sync_proxy_rules_last_timestamp_seconds',
      ['ip_family'],
      'When the last sync that went well ended, in seconds since 1970.',
    ),
    lastRequest: gauge(
      'sync_proxy_rules_last_queued_timestamp_seconds',
      ['ip_family'],
      'When a sync was last asked for, in seconds since 1970.',
    ),
    programming: histogram(
      'network_programming_duration_seconds',
      ['ip_family'],
      programmingBuckets,
      'Time from the change of a Pod or Service to its being in force on this Node.',
    ),
    endpointChangesPending: gauge(
      'sync_proxy_rules_endpoint_changes_pending',
      [],
      'Changes of EndpointSlices that no sync has taken yet.',
    ),
    endpointChanges: counter(
      'sync_proxy_rules_endpoint_changes_total',
      [],
      'Notifications about EndpointSlices, counted for each IP family.',
    ),
    serviceChangesPending: gauge(
      'sync_proxy_rules_service_changes_pending',
      [],
      'Services with changes that no sync has taken yet.',
    ),
    serviceChanges: counter(
      'sync_proxy_rules_service_changes_total',
      [],
      'Notifications about Services, counted for each IP family.',
    ),
    noLocalEndpoints: gauge(
      'sync_proxy_rules_no_local_endpoints_total',
      ['ip_family', 'traffic_policy'],
      'Service ports with traffic policy Local that have usable endpoints, but none on this Node.',
    ),
    syncFailures: counter('sync_proxy_rules_nftables_sync_failures_total', ['ip_family'], 'Syncs that failed.'),
    cleanupFailures: counter(
      'sync_proxy_rules_nftables_cleanup_failures_total',
      ['ip_family'],
      'Deletions of unused chains that failed.',
    ),
    healthz: counter('proxy_healthz_total', ['code'], 'Answers of /healthz by status.'),
    livez: counter('proxy_livez_total', ['code'], 'Answers of /livez by status.'),
    conntrackDuration: histogram(
      'conntrack_reconciler_sync_duration_seconds',
      ['ip_family'],
      syncBuckets,
      'Duration of searches for connections to endpoints that are gone.',
    ),
    conntrackDeleted: counter(
      'conntrack_reconciler_deleted_entries_total',
      ['ip_family'],
      'Connections forgotten because their endpoint is gone.',
    ),
  }
}

/** What other Kubernetes components have too. */
export function componentMetrics(registry: Registry) {
  const { counter, gauge, histogram } = makers(registry, '')
  return {
    feature: gauge('kubernetes_feature_enabled', ['name', 'stage'], 'Whether a feature gate is on.'),
    requests: counter('rest_client_requests_total', ['code', 'host', 'method'], 'Requests to the API server.'),
    requestDuration: histogram(
      'rest_client_request_duration_seconds',
      ['host', 'verb'],
      requestBuckets,
      'Time until the API server began to answer.',
    ),
  }
}

/** What kube-proxy does not have. */
export function flowproxyMetrics(registry: Registry) {
  const { counter, gauge, histogram } = makers(registry, 'flowproxy_')
  return {
    build: gauge('build_info', ['node_version', 'version'], 'Always 1; the labels say what runs.'),
    services: gauge('services', ['ip_family'], 'Services that have something in the table.'),
    kernelTime: histogram(
      'sync_kernel_seconds',
      ['ip_family'],
      syncBuckets,
      'Time in the kernel until the transactions of a sync were in force.',
    ),
    planTime: histogram(
      'sync_plan_seconds',
      ['ip_family'],
      syncBuckets,
      'Time of a sync to find out what has to change in the table.',
    ),
    operations: counter('sync_operations_total', ['ip_family'], 'Operations sent to the kernel.'),
    elementsAdded: counter('sync_elements_added_total', ['ip_family'], 'Elements of sets and maps added.'),
    elementsRemoved: counter('sync_elements_removed_total', ['ip_family'], 'Elements of sets and maps removed.'),
    warnings: counter('sync_warnings_total', ['ip_family'], 'Faults of objects, and conflicts between them.'),
    eventToKernel: histogram(
      'event_to_kernel_seconds',
      ['ip_family'],
      syncBuckets,
      'Time from learning of a change to its being in force in the kernel.',
    ),
    sourceConnected: gauge('source_connected', ['kind'], 'Whether changes of objects of this kind are being followed.'),
    watchRestarts: counter('watch_restarts_total', ['kind'], 'Watches that ended and were begun again.'),
    relists: counter('relists_total', ['kind'], 'Times that all objects of this kind were listed again.'),
  }
}

/** What concerns the fast path. */
export function fastpathMetrics(registry: Registry) {
  const { counter, gauge, histogram } = makers(registry, 'flowproxy_fastpath_')
  return {
    active: gauge('active', [], 'Whether long connections leave the rules for a flow table.'),
    supported: gauge('supported', ['feature'], 'What this kernel was found to be able to.'),
    interfaces: gauge('interfaces', [], 'Interfaces between which connections may leave the rules.'),
    devices: gauge('devices', [], 'Members of the flow table.'),
    devicesMissing: gauge('devices_missing', [], 'Devices that should be members of the flow table and are not.'),
    otherFlowtables: gauge('other_flowtables', [], "Flow tables of others that have some of this one's devices."),
    offloaded: counter('connections_offloaded_total', [], 'Connections that left the rules.'),
    eligible: counter(
      'eligible_slow_packets_total',
      [],
      'Packets of connections that may leave the rules and had not.',
    ),
    activeFlows: gauge('active_flows', ['ip_family', 'protocol'], 'Connections that are in a flow table now.'),
    deletions: counter(
      'conntrack_deletions_total',
      ['ip_family', 'protocol'],
      'Connections forgotten because they led to what is gone or left the fast path.',
    ),
    deletionFailures: counter(
      'conntrack_deletion_failures_total',
      ['ip_family', 'protocol'],
      'Searches after which the kernel kept connections that should be forgotten.',
    ),
    syncDuration: histogram('sync_duration_seconds', [], syncBuckets, 'Duration of looks at links and flow table.'),
    syncErrors: counter('sync_errors_total', [], 'Looks after which the flow table was not as it should be.'),
    recreations: counter('flowtable_recreations_total', [], 'Times that all connections had to leave the flow table.'),
    halfClose: gauge(
      'halfclose_budget_seconds',
      [],
      'How long a half-closed connection of the fast path may be silent, on kernels where that is limited.',
    ),
  }
}

/** The service level indicators of Kubernetes components. */
export function sliMetrics(registry: Registry) {
  const { counter, gauge } = makers(registry, 'kubernetes_')
  return {
    healthcheck: gauge('healthcheck', ['name', 'type'], 'Result of a health check when it was last asked for.'),
    healthchecks: counter('healthchecks_total', ['name', 'status', 'type'], 'Results of health checks.'),
  }
}

function makers(registry: Registry, prefix: string) {
  const registers = [registry]
  return {
    counter: <L extends string>(name: string, labelNames: readonly L[], help: string): Counter<L> =>
      new Counter({ name: `${prefix}${name}`, help, labelNames, registers }),
    gauge: <L extends string>(name: string, labelNames: readonly L[], help: string): Gauge<L> =>
      new Gauge({ name: `${prefix}${name}`, help, labelNames, registers }),
    histogram: <L extends string>(
      name: string,
      labelNames: readonly L[],
      buckets: readonly number[],
      help: string,
    ): Histogram<L> => new Histogram({ name: `${prefix}${name}`, help, labelNames, buckets: [...buckets], registers }),
  }
}

function range(first: number, last: number, step: number): number[] {
  return Array.from({ length: (last - first) / step + 1 }, (_, index) => first + index * step)
}
