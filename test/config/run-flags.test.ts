import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Command, CommanderError } from 'commander'
import type { RunFlags } from '../../src/config/flag-values.ts'
import { defaultConfiguration, type FieldPath, fieldAt } from '../../src/config/kube-proxy-configuration.ts'
import type { Config } from '../../src/config/load.ts'
import { runFlags } from '../../src/config/run-flag-table.ts'
import { addRunFlags, asksForVersion } from '../../src/config/run-flags.ts'
import { fileText, load, problemsOf } from './configurations.ts'

/** The flags as commander reads them; its error with what it would write. */
function parse(...argv: string[]): RunFlags {
  let flags: RunFlags | undefined
  let complaint = ''
  const configure = (command: Command): Command =>
    command.exitOverride().configureOutput({ writeErr: (text) => (complaint += text), writeOut: () => undefined })
  const program = configure(new Command('flowproxy'))
  configure(addRunFlags(program.command('run'))).action((options: RunFlags) => {
    flags = options
  })
  try {
    program.parse(['run', ...argv], { from: 'user' })
  } catch (error) {
    throw error instanceof CommanderError ? new Error(complaint.split('\n')[0], { cause: error }) : error
  }
  return flags ?? assert.fail('the command was not called')
}

/** All that flags lead to, save how they were written. */
function effectOf(...argv: string[]): Omit<Config, 'flags'> {
  const { flags: _written, ...effect } = load(parse(...argv))
  return effect
}

/** How each flag that sets a field is given, and what the field is then. */
const fieldsSet: readonly (readonly [argv: string, path: FieldPath, value: unknown])[] = [
  ['--feature-gates=ComponentFlagz=false,AllAlpha=true', 'featureGates', { ComponentFlagz: false, AllAlpha: true }],
  ['--proxy-mode=nftables', 'mode', 'nftables'],
  ['--kubeconfig=/k.conf', 'clientConnection.kubeconfig', '/k.conf'],
  ['--kube-api-content-type=application/json', 'clientConnection.contentType', 'application/json'],
  ['--kube-api-qps=7.5', 'clientConnection.qps', 7.5],
  ['--kube-api-burst=70', 'clientConnection.burst', 70],
  ['--config-sync-period=1h', 'configSyncPeriod', 3_600_000],
  ['--hostname-override= Node-9 ', 'hostnameOverride', 'node-9'],
  ['--node-name=Node-9', 'hostnameOverride', 'node-9'],
  ['--bind-address=::1', 'bindAddress', '::1'],
  ['--nodeport-addresses=10.0.0.0/8,fd00::/8', 'nodePortAddresses', ['10.0.0.0/8', 'fd00::/8']],
  ['--cluster-cidr=10.244.0.0/16', 'clusterCIDR', '10.244.0.0/16'],
  ['--detect-local-mode=NodeCIDR', 'detectLocalMode', 'NodeCIDR'],
  ['--pod-bridge-interface=cni0', 'detectLocal.bridgeInterface', 'cni0'],
  ['--pod-interface-name-prefix=veth', 'detectLocal.interfaceNamePrefix', 'veth'],
  ['--masquerade-all', 'nftables.masqueradeAll', true],
  ['--masquerade-bit=31', 'nftables.masqueradeBit', 31],
  ['--min-sync-period=50ms', 'nftables.minSyncPeriod', 50],
  ['--sync-period=1m', 'nftables.syncPeriod', 60_000],
  ['--iptables-min-sync-period=0', 'nftables.minSyncPeriod', 0],
  ['--iptables-sync-period=1m30s', 'nftables.syncPeriod', 90_000],
  ['--fastpath-packet-threshold=0', 'nftables.fastpathPacketThreshold', 0],
  ['--fastpath-interfaces=eth*,!docker0', 'nftables.fastpathInterfaces', ['eth*', '!docker0']],
  ['--fastpath-reset-tcp', 'nftables.fastpathResetTCP', true],
  ['--conntrack-max-per-core=1', 'conntrack.maxPerCore', 1],
  ['--conntrack-min=0', 'conntrack.min', 0],
  ['--conntrack-tcp-timeout-established=2h', 'conntrack.tcpEstablishedTimeout', 7_200_000],
  ['--conntrack-tcp-timeout-close-wait=0', 'conntrack.tcpCloseWaitTimeout', 0],
  ['--conntrack-tcp-be-liberal=true', 'conntrack.tcpBeLiberal', true],
  ['--conntrack-udp-timeout=20s', 'conntrack.udpTimeout', 20_000],
  ['--conntrack-udp-timeout-stream=30s', 'conntrack.udpStreamTimeout', 30_000],
  ['--oom-score-adj=-998', 'oomScoreAdj', -998],
  ['--healthz-bind-address=10.0.0.1', 'healthzBindAddress', '10.0.0.1:10256'],
  ['--metrics-bind-address=[fd00::1]:80', 'metricsBindAddress', '[fd00::1]:80'],
  ['--bind-address-hard-fail', 'bindAddressHardFail', true],
  ['--profiling=T', 'enableProfiling', true],
  ['--show-hidden-metrics-for-version=1.35', 'showHiddenMetricsForVersion', '1.35'],
  ['-v=4', 'logging.verbosity', 4],
  ['--logging-format=json', 'logging.format', 'json'],
  ['--iptables-masquerade-bit=3', 'iptables.masqueradeBit', 3],
  ['--iptables-localhost-nodeports=false', 'iptables.localhostNodePorts', false],
  ['--ipvs-sync-period=9s', 'ipvs.syncPeriod', 9_000],
  ['--ipvs-min-sync-period=9s', 'ipvs.minSyncPeriod', 9_000],
  ['--ipvs-scheduler=rr', 'ipvs.scheduler', 'rr'],
  ['--ipvs-exclude-cidrs=10.0.0.0/8', 'ipvs.excludeCIDRs', ['10.0.0.0/8']],
  ['--ipvs-strict-arp', 'ipvs.strictARP', true],
  ['--ipvs-tcp-timeout=9s', 'ipvs.tcpTimeout', 9_000],
  ['--ipvs-tcpfin-timeout=9s', 'ipvs.tcpFinTimeout', 9_000],
  ['--ipvs-udp-timeout=9s', 'ipvs.udpTimeout', 9_000],
  [
    '--vmodule=proxier=4,health=2',
    'logging.vmodule',
    [
      { filePattern: 'proxier', verbosity: 4 },
      { filePattern: 'health', verbosity: 2 },
    ],
  ],
  ['--log-flush-frequency=1s', 'logging.flushFrequency', 1_000],
  ['--log-text-split-stream', 'logging.options.text.splitStream', true],
  ['--log-text-info-buffer-size=1Ki', 'logging.options.text.infoBufferSize', '1Ki'],
  ['--log-json-split-stream=1', 'logging.options.json.splitStream', true],
  ['--log-json-info-buffer-size=1.5M', 'logging.options.json.infoBufferSize', '1.5M'],
]

/** How each flag that is not about a field is given, and what it says then. */
const othersSet: readonly (readonly [argv: string, name: keyof Config | 'version', value: unknown])[] = [
  ['--config=/kube-proxy.conf', 'configFile', { path: '/kube-proxy.conf', text: fileText() }],
  ['--write-config-to=/out.yaml', 'writeConfigTo', '/out.yaml'],
  ['--cleanup', 'cleanup', true],
  ['--init-only', 'initOnly', true],
  ['--version=raw', 'version', true],
  ['--manifests=/cluster', 'manifests', '/cluster'],
  ['--master=https://10.0.0.1', 'master', 'https://10.0.0.1'],
  ['--healthz-port=0', 'healthzBindAddress', undefined],
  ['--metrics-port=9', 'metricsBindAddress', { ip: '127.0.0.1', port: 10_249 }],
  ['--log-level=warn', 'logLevel', 'warn'],
]

const ignored = ['--boot-id-file=/boot', '--machine-id-file=/machine'] as const

describe('the flags of run', () => {
  for (const [argument, path, value] of fieldsSet) {
    test(`${argument} sets ${path}`, () => {
      const needed = argument.startsWith('--log-') ? ['--feature-gates=LoggingAlphaOptions=true'] : []
      const { configuration } = load(parse(argument, ...needed))
      assert.deepEqual(fieldAt(configuration, path), value)
      assert.notDeepEqual(fieldAt(defaultConfiguration, path), value)
    })
  }

  for (const [argument, name, value] of othersSet) {
    test(`${argument} is about ${name}`, () => {
      const flags = parse(argument)
      const found =
        name === 'version' ? asksForVersion(flags) : load(flags, name === 'configFile' ? fileText() : undefined)[name]
      assert.deepEqual(found, value)
    })
  }

  for (const argument of ignored) {
    test(`${argument} is accepted and changes nothing`, () => assert.deepEqual(effectOf(argument), effectOf()))
  }

  test('are all in these tables', () => {
    const names = [...[...fieldsSet, ...othersSet].map(([argument]) => argument), ...ignored].map((argument) =>
      argument.replace(/^-+/, '').replace(/=.*/s, ''),
    )
    assert.deepEqual(names.toSorted(), runFlags.map(({ name }) => name).toSorted())
  })

  const spellings: [argv: string[], same: string[]][] = [
    [['--bind_address', '10.0.0.1'], ['--bind-address=10.0.0.1']],
    [['--masquerade_all=false'], ['--masquerade-all=false']],
    [['--masquerade-all'], ['--masquerade-all=true']],
    [['-v', '4'], ['--v=4']],
    [['-v4'], ['--v', '4']],
    [['--oom-score-adj', '-7'], ['--oom-score-adj=-7']],
    [
      ['--nodeport-addresses', '10.0.0.0/8', '--nodeport-addresses=fd00::/8'],
      ['--nodeport-addresses=10.0.0.0/8,fd00::/8'],
    ],
    [
      ['--feature-gates=AllBeta=true', '--feature-gates', 'AllAlpha=true'],
      ['--feature-gates=AllBeta=true,AllAlpha=true'],
    ],
    [['--min-sync-period=1s', '--min-sync-period=2s'], ['--min-sync-period=2s']],
    [['--cluster-cidr', '10.0.0.0/8', ''], ['--cluster-cidr=10.0.0.0/8']],
    [['--masquerade-all', ''], ['--masquerade-all=1']],
    [['--nodeport-addresses='], []],
    [['--healthz-bind-address=', '--hostname-override=', '--config=', '--master='], []],
  ]
  for (const [argv, same] of spellings) {
    test(`${argv.join(' ')} is the same as ${same.join(' ') || 'nothing'}`, () => {
      assert.deepEqual(effectOf(...argv), effectOf(...same))
    })
  }

  test('a switch that stands alone leaves the next argument alone', () => {
    assert.throws(() => parse('--cleanup', 'false'), { message: "error: unexpected argument 'false'" })
    assert.equal(load(parse('--cleanup=false')).cleanup, false)
  })

  test('nothing but flags and empty arguments is accepted', () => {
    assert.throws(() => parse('', 'now'), { message: "error: unexpected argument 'now'" })
    assert.throws(() => parse('--guess'), { message: "error: unknown option '--guess'" })
    assert.throws(() => parse('-v=1', '--', '--bind_address'), {
      message: "error: unexpected argument '--bind_address'",
    })
    assert.deepEqual(parse(''), {})
  })

  const refused: [argv: string[], ...lines: string[]][] = [
    [['--cleanup=yes'], '--cleanup: "yes" is not true or false'],
    [['--conntrack-min=many'], '--conntrack-min: "many" is not an integer'],
    [['--conntrack-min=3000000000'], '--conntrack-min: "3000000000" is not an integer from -2147483648 to 2147483647'],
    [['--kube-api-qps=fast'], '--kube-api-qps: "fast" is not a number'],
    [['--sync-period=1'], '--sync-period: "1" is not a duration such as 100ms, 1s or 1m30s'],
    [['--bind-address=10.0.0.1:80'], '--bind-address: "10.0.0.1:80" is not an IP address'],
    [['--hostname-override= '], '--hostname-override: " " is not a name: there are only blanks'],
    [['--feature-gates=AllAlpha'], '--feature-gates: "AllAlpha" is not a gate and its state, such as Gate=true'],
    [['--vmodule=proxier'], '--vmodule: "proxier" is not a file pattern and its verbosity, such as file=2'],
    [
      ['--log-json-info-buffer-size=big'],
      '--log-json-info-buffer-size: "big" is not an amount such as 512, 10k or 1.5Mi',
    ],
    [['-v=high', '--cleanup=2'], '--cleanup: "2" is not true or false', '-v: "high" is not an integer'],
    [['-v=-1'], '-v: -1 is not between 0 and 2147483647'],
    [['--log-level=loud'], '--log-level: "loud" is none of trace, debug, info, warn, error, fatal'],
    [['--oom-score-adj=1001'], '--oom-score-adj: 1001 is not between -1000 and 1000'],
    [
      ['--iptables-sync-period=0'],
      '--iptables-sync-period: 0s is no pause before a failed sync is tried again',
      '--iptables-sync-period: 0s is shorter than minSyncPeriod, 1s',
    ],
    [['--min-sync-period=2h'], '--min-sync-period: 2h0m0s is longer than 1h, when a sync is due in any case'],
    [['--config-sync-period=0'], '--config-sync-period: 0s is not more than 0'],
    [
      ['--proxy-mode=iptables'],
      '--proxy-mode: "iptables" is not offered here; set mode: nftables (--proxy-mode=nftables), or leave it empty',
    ],
    [['--feature-gates=Guess=true'], '--feature-gates: Guess is not a feature gate of Kubernetes 1.36 or 1.37'],
    [
      ['--nodeport-addresses=eth0'],
      '--nodeport-addresses: "eth0" is neither an IP address range such as 10.244.0.0/16 nor "primary"',
    ],
    [['--metrics-port=0'], '--metrics-port: "" is not an IP address and port such as 0.0.0.0:10256 or [::]:10256'],
    [
      ['--healthz-bind-address=10.0.0.1', '--healthz-port=70000'],
      '--healthz-bind-address: "10.0.0.1:70000" is not an IP address and port such as 0.0.0.0:10256 or [::]:10256',
    ],
    [['--fastpath-packet-threshold=-1'], '--fastpath-packet-threshold: -1 is less than 0'],
    [['--fastpath-packet-threshold=1.5'], '--fastpath-packet-threshold: "1.5" is not an integer'],
    [
      ['--fastpath-packet-threshold=99999999999'],
      '--fastpath-packet-threshold: "99999999999" is not an integer from -2147483648 to 2147483647',
    ],
    [
      ['--fastpath-interfaces=eth0,,l*', '--fastpath-interfaces=e[th'],
      '--fastpath-interfaces: "" is empty',
      '--fastpath-interfaces: "l*" matches the loopback interface lo, which never takes part',
      '--fastpath-interfaces: "e[th" has a [ without its ]',
    ],
    [['--logging-format=xml'], '--logging-format: "xml" is neither text nor json'],
  ]
  for (const [argv, ...lines] of refused) {
    test(`${argv.join(' ')} is refused by the name of the flag`, () => {
      assert.deepEqual(
        problemsOf(() => load(parse(...argv))),
        lines,
      )
    })
  }

  test('the version is asked for unless it is said not to be', () => {
    assert.equal(asksForVersion(parse()), false)
    assert.equal(asksForVersion(parse('--version=false')), false)
    assert.equal(asksForVersion(parse('--version=v1.36.2')), true)
  })
})
