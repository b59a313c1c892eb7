import { defaultConfiguration, type FieldPath, fieldAt } from './kube-proxy-configuration.ts'
import { formatDuration } from './duration.ts'

/** What stands behind a flag; `boolean` may stand alone, `list`, `gates` and `vmodule` have commas or repeat the flag. */
export type FlagKind =
  | 'boolean'
  | 'text'
  | 'integer'
  | 'number'
  | 'duration'
  | 'ip'
  | 'amount'
  | 'node-name'
  | 'server-address'
  | 'list'
  | 'gates'
  | 'vmodule'

export type RunFlag = {
  readonly name: string
  readonly kind: FlagKind
  /** What stands for the value in help, if not the kind's own word. */
  readonly value?: string
  readonly help: string
  /** The field that the flag sets. */
  readonly sets?: FieldPath
  /** Acts also when there is a configuration file, and wins over it. */
  readonly withConfig?: true
  /** Means something in other modes of kube-proxy only. */
  readonly otherMode?: true
}

export type FlagGroup = { readonly heading: string; readonly flags: readonly RunFlag[] }

const always = { withConfig: true } as const
const otherMode = { otherMode: true } as const

/** The flags of `run`: those of kube-proxy 1.36 under their names, and some of ours, which also win over a file. */
export const runFlagGroups: readonly FlagGroup[] = [
  {
    heading: 'Configuration:',
    flags: [
      flag(
        'config',
        'text',
        'KubeProxyConfiguration in YAML or JSON; of the other flags only those marked with * act then',
        { value: 'file', ...always },
      ),
      flag('write-config-to', 'text', 'write the configuration in effect there, and end', { value: 'file', ...always }),
      flag('cleanup', 'boolean', 'remove the tables, and end', always),
      flag(
        'init-only',
        'boolean',
        'do what needs all privileges, and end; NET_ADMIN is enough for the next start',
        always,
      ),
      flag('feature-gates', 'gates', 'switch feature gates of Kubernetes', { sets: 'featureGates' }),
      flag('proxy-mode', 'text', 'nftables or empty, which is the same', { sets: 'mode', value: 'mode' }),
      flag('version', 'text', 'print the version, and end', { value: 'kind', ...always }),
    ],
  },
  {
    heading: 'Where Services come from:',
    flags: [
      flag(
        'manifests',
        'text',
        'no API server: file or directory with Services, EndpointSlices, Nodes and ServiceCIDRs (*.yaml, *.yml, *.json)',
        { value: 'path', ...always },
      ),
      flag('kubeconfig', 'text', 'how to reach the API server; without it and --master as a pod does', {
        sets: 'clientConnection.kubeconfig',
        value: 'file',
      }),
      flag('master', 'text', "the API server's address; wins over the kubeconfig", { value: 'url', ...always }),
      flag('kube-api-content-type', 'text', 'accepted; requests are JSON', {
        sets: 'clientConnection.contentType',
        value: 'type',
      }),
      flag('kube-api-qps', 'number', 'requests a second', { sets: 'clientConnection.qps' }),
      flag('kube-api-burst', 'integer', 'requests at once', { sets: 'clientConnection.burst' }),
      flag('config-sync-period', 'duration', 'how often all objects are gone through again', {
        sets: 'configSyncPeriod',
      }),
    ],
  },
  {
    heading: 'This Node:',
    flags: [
      flag(
        'hostname-override',
        'node-name',
        "this Node's name, by which endpoints count as local (default: host name)",
        { sets: 'hostnameOverride', ...always },
      ),
      flag('node-name', 'node-name', 'the same', { sets: 'hostnameOverride', ...always }),
      flag('bind-address', 'ip', "stands for the Node's own address of its family unless unspecified", {
        sets: 'bindAddress',
      }),
      flag(
        'nodeport-addresses',
        'list',
        "ranges of this machine's addresses that take node ports; `primary` is the Node's own address, and the default",
        { sets: 'nodePortAddresses', value: 'cidrs' },
      ),
    ],
  },
  {
    heading: 'Pods and masquerading:',
    flags: [
      flag(
        'cluster-cidr',
        'text',
        'range of pod addresses, one per IP family with a comma between: traffic to cluster IPs from anywhere else is masqueraded',
        { sets: 'clusterCIDR', value: 'cidrs' },
      ),
      flag(
        'detect-local-mode',
        'text',
        "how pods' packets are told apart: ClusterCIDR (the default), NodeCIDR (the Node's spec.podCIDRs), BridgeInterface or InterfaceNamePrefix",
        { sets: 'detectLocalMode', value: 'mode' },
      ),
      flag('pod-bridge-interface', 'text', 'the bridge that pods are on, for BridgeInterface', {
        sets: 'detectLocal.bridgeInterface',
        value: 'name',
      }),
      flag('pod-interface-name-prefix', 'text', "how pods' interfaces begin, for InterfaceNamePrefix", {
        sets: 'detectLocal.interfaceNamePrefix',
        value: 'prefix',
      }),
      flag('masquerade-all', 'boolean', 'masquerade all traffic to cluster IPs', { sets: 'nftables.masqueradeAll' }),
      flag('masquerade-bit', 'integer', 'bit of the packet mark that asks for masquerading, 0 to 31', {
        sets: 'nftables.masqueradeBit',
        value: 'bit',
        ...always,
      }),
    ],
  },
  {
    heading: 'Syncs and the kernel:',
    flags: [
      flag(
        'min-sync-period',
        'duration',
        'shortest pause between two syncs; 100ms by default with --manifests and no --config',
        { sets: 'nftables.minSyncPeriod', ...always },
      ),
      flag('sync-period', 'duration', 'how long after a failed sync it is tried again at the latest', {
        sets: 'nftables.syncPeriod',
        ...always,
      }),
      flag('iptables-min-sync-period', 'duration', 'as --min-sync-period', { sets: 'nftables.minSyncPeriod' }),
      flag('iptables-sync-period', 'duration', 'as --sync-period', { sets: 'nftables.syncPeriod' }),
      flag(
        'fastpath-packet-threshold',
        'integer',
        'packets after which a connection leaves the rules for the fast path; 0 turns it off',
        { sets: 'nftables.fastpathPacketThreshold', value: 'packets', ...always },
      ),
      flag(
        'fastpath-interfaces',
        'list',
        'interfaces of the fast path, as in eth*,!docker0, where ! excludes; by default all that qualify',
        { sets: 'nftables.fastpathInterfaces', value: 'patterns', ...always },
      ),
      flag(
        'fastpath-reset-tcp',
        'boolean',
        'reset TCP connections of the fast path when their endpoint is gone, instead of leaving them to time out',
        { sets: 'nftables.fastpathResetTCP', ...always },
      ),
      flag('conntrack-max-per-core', 'integer', 'connections to track for each core; 0 leaves the limit alone', {
        sets: 'conntrack.maxPerCore',
      }),
      flag('conntrack-min', 'integer', 'connections to track at least, whatever the number of cores', {
        sets: 'conntrack.min',
      }),
      flag(
        'conntrack-tcp-timeout-established',
        'duration',
        'idle time after which a TCP connection is forgotten; 0 leaves it alone',
        { sets: 'conntrack.tcpEstablishedTimeout' },
      ),
      flag('conntrack-tcp-timeout-close-wait', 'duration', 'the same for connections that one end has closed', {
        sets: 'conntrack.tcpCloseWaitTimeout',
      }),
      flag('conntrack-tcp-be-liberal', 'boolean', 'track TCP packets outside of the window too', {
        sets: 'conntrack.tcpBeLiberal',
      }),
      flag(
        'conntrack-udp-timeout',
        'duration',
        'idle time after which an unanswered UDP connection is forgotten; 0 leaves it alone',
        { sets: 'conntrack.udpTimeout' },
      ),
      flag('conntrack-udp-timeout-stream', 'duration', 'the same for answered ones', {
        sets: 'conntrack.udpStreamTimeout',
      }),
      flag('oom-score-adj', 'integer', "this process's oom_score_adj, -1000 to 1000", { sets: 'oomScoreAdj' }),
    ],
  },
  {
    heading: 'Servers:',
    flags: [
      flag('healthz-bind-address', 'server-address', 'where the health of this Node is asked for', {
        sets: 'healthzBindAddress',
      }),
      flag('metrics-bind-address', 'server-address', 'where metrics and /configz are', { sets: 'metricsBindAddress' }),
      flag('healthz-port', 'integer', 'port for an address without one; 0 turns the health server off'),
      flag('metrics-port', 'integer', 'port for an address without one'),
      flag('bind-address-hard-fail', 'boolean', 'end when a server cannot listen, instead of trying again', {
        sets: 'bindAddressHardFail',
      }),
      flag('profiling', 'boolean', 'offer profiles on the metrics server', { sets: 'enableProfiling' }),
      flag('show-hidden-metrics-for-version', 'text', 'show metrics that were hidden since this minor version', {
        sets: 'showHiddenMetricsForVersion',
        value: 'version',
      }),
    ],
  },
  {
    heading: 'Logging:',
    flags: [
      flag('v', 'integer', 'verbosity: 0 to 2 log as info, 3 to 5 as debug, from 6 on as trace', {
        sets: 'logging.verbosity',
        value: 'level',
        ...always,
      }),
      flag('log-level', 'text', 'trace, debug, info, warn or error; wins over -v', { value: 'level', ...always }),
      flag('logging-format', 'text', 'text or json, on standard error', {
        sets: 'logging.format',
        value: 'format',
        ...always,
      }),
    ],
  },
  {
    heading: 'Accepted from kube-proxy, without effect here:',
    flags: [
      flag('iptables-masquerade-bit', 'integer', 'see --masquerade-bit', {
        sets: 'iptables.masqueradeBit',
        ...otherMode,
      }),
      flag('iptables-localhost-nodeports', 'boolean', 'of mode iptables', {
        sets: 'iptables.localhostNodePorts',
        ...otherMode,
      }),
      flag('ipvs-sync-period', 'duration', 'of mode ipvs', { sets: 'ipvs.syncPeriod', ...otherMode }),
      flag('ipvs-min-sync-period', 'duration', 'of mode ipvs', { sets: 'ipvs.minSyncPeriod', ...otherMode }),
      flag('ipvs-scheduler', 'text', 'of mode ipvs', { sets: 'ipvs.scheduler', ...otherMode }),
      flag('ipvs-exclude-cidrs', 'list', 'of mode ipvs', { sets: 'ipvs.excludeCIDRs', ...otherMode }),
      flag('ipvs-strict-arp', 'boolean', 'of mode ipvs', { sets: 'ipvs.strictARP', ...otherMode }),
      flag('ipvs-tcp-timeout', 'duration', 'of mode ipvs', { sets: 'ipvs.tcpTimeout', ...otherMode }),
      flag('ipvs-tcpfin-timeout', 'duration', 'of mode ipvs', { sets: 'ipvs.tcpFinTimeout', ...otherMode }),
      flag('ipvs-udp-timeout', 'duration', 'of mode ipvs', { sets: 'ipvs.udpTimeout', ...otherMode }),
      flag('vmodule', 'vmodule', 'the verbosity is one for all files', { sets: 'logging.vmodule', ...always }),
      flag('log-flush-frequency', 'duration', 'nothing is held back', { sets: 'logging.flushFrequency', ...always }),
      ...(['text', 'json'] as const).flatMap((format) => [
        flag(`log-${format}-split-stream`, 'boolean', 'all goes to standard error', {
          sets: `logging.options.${format}.splitStream`,
          ...always,
        }),
        flag(`log-${format}-info-buffer-size`, 'amount', 'nothing is held back', {
          sets: `logging.options.${format}.infoBufferSize`,
          ...always,
        }),
      ]),
      flag('boot-id-file', 'text', 'is not read', { value: 'paths', ...always }),
      flag('machine-id-file', 'text', 'is not read', { value: 'paths', ...always }),
    ],
  },
]

export const runFlags: readonly RunFlag[] = runFlagGroups.flatMap(({ flags }) => flags)

/** The name under which commander keeps a flag's value. */
export function attributeOf({ name }: RunFlag): string {
  return name.replace(/-(.)/g, (_dash, letter: string) => letter.toUpperCase())
}

/** The default as one would write it on the command line; undefined where it is nothing. */
export function presetText({ sets, kind }: RunFlag): string | undefined {
  const preset = sets === undefined ? undefined : fieldAt(defaultConfiguration, sets)
  if (typeof preset === 'number') return kind === 'duration' ? formatDuration(preset) : String(preset)
  return preset === true || (typeof preset === 'string' && preset !== '') ? String(preset) : undefined
}

function flag(name: string, kind: FlagKind, help: string, more: Omit<RunFlag, 'name' | 'kind' | 'help'> = {}): RunFlag {
  return { name, kind, help, ...more }
}
