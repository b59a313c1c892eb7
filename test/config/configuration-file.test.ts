import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { readConfiguration, toYaml, writeConfiguration } from '../../src/config/configuration-file.ts'
import { defaultConfiguration, toApiObject } from '../../src/config/kube-proxy-configuration.ts'
import { fileText, kubeadmText, load, loadFile, problemsOf } from './configurations.ts'

const read = (fields: object | string): ReturnType<typeof readConfiguration> =>
  readConfiguration(fileText(fields), 'kube-proxy.conf')

/** What an empty file stands for, durations in milliseconds. */
const defaults = {
  featureGates: {},
  clientConnection: {
    kubeconfig: '',
    acceptContentTypes: '',
    contentType: 'application/vnd.kubernetes.protobuf',
    qps: 5,
    burst: 10,
  },
  logging: {
    format: 'text',
    flushFrequency: 5_000,
    verbosity: 0,
    vmodule: [],
    options: {
      text: { splitStream: false, infoBufferSize: '0' },
      json: { splitStream: false, infoBufferSize: '0' },
    },
  },
  hostnameOverride: '',
  bindAddress: '0.0.0.0',
  healthzBindAddress: '0.0.0.0:10256',
  metricsBindAddress: '127.0.0.1:10249',
  bindAddressHardFail: false,
  enableProfiling: false,
  showHiddenMetricsForVersion: '',
  mode: '',
  iptables: {
    masqueradeBit: 14,
    masqueradeAll: false,
    localhostNodePorts: true,
    syncPeriod: 30_000,
    minSyncPeriod: 1_000,
  },
  ipvs: {
    syncPeriod: 30_000,
    minSyncPeriod: 0,
    scheduler: '',
    excludeCIDRs: [],
    strictARP: false,
    tcpTimeout: 0,
    tcpFinTimeout: 0,
    udpTimeout: 0,
  },
  nftables: {
    masqueradeBit: 14,
    masqueradeAll: false,
    syncPeriod: 30_000,
    minSyncPeriod: 1_000,
    fastpathPacketThreshold: 20,
    fastpathInterfaces: [],
    fastpathResetTCP: false,
  },
  winkernel: {
    networkName: '',
    sourceVip: '',
    enableDSR: false,
    rootHnsEndpointName: '',
    forwardHealthCheckVip: false,
  },
  detectLocalMode: '',
  detectLocal: { bridgeInterface: '', interfaceNamePrefix: '' },
  clusterCIDR: '',
  nodePortAddresses: [],
  oomScoreAdj: -999,
  conntrack: {
    maxPerCore: 32_768,
    min: 131_072,
    tcpEstablishedTimeout: 86_400_000,
    tcpCloseWaitTimeout: 3_600_000,
    tcpBeLiberal: false,
    udpTimeout: 0,
    udpStreamTimeout: 0,
  },
  configSyncPeriod: 900_000,
  portRange: '',
  windowsRunAsService: false,
}

describe('a configuration file', () => {
  test('without fields has the defaults of kube-proxy', () => {
    assert.deepEqual(read({}), { configuration: defaults, warnings: [] })
    assert.deepEqual(defaultConfiguration, defaults)
  })

  test('as kubeadm writes it is taken without a word, its zeros and nulls as defaults', () => {
    const { configuration, notes } = load({}, kubeadmText)
    assert.deepEqual(notes, [])
    assert.deepEqual(configuration, {
      ...defaults,
      clientConnection: { ...defaults.clientConnection, kubeconfig: '/var/lib/kube-proxy/kubeconfig.conf' },
      mode: 'nftables',
      clusterCIDR: '10.244.0.0/16',
      detectLocalMode: 'ClusterCIDR',
      nodePortAddresses: ['primary'],
    })
  })

  test('can be JSON', () => {
    const json = JSON.stringify(toApiObject({ ...defaultConfiguration, mode: 'nftables' }), null, '\t')
    assert.deepEqual(readConfiguration(json, 'kube-proxy.json').configuration, { ...defaults, mode: 'nftables' })
  })

  test('is deeply frozen once it is read', () => {
    const { configuration } = read({ nodePortAddresses: ['primary'], logging: { options: { text: {} } } })
    assert.ok(Object.isFrozen(configuration.nodePortAddresses))
    assert.ok(Object.isFrozen(configuration.logging.options.text))
  })

  const zeros: [what: string, fields: object, path: string, value: unknown][] = [
    ['a minSyncPeriod of 0 is the default', { nftables: { minSyncPeriod: '0s' } }, 'nftables.minSyncPeriod', 1_000],
    ['a bit of 0 is bit 0', { nftables: { masqueradeBit: 0 } }, 'nftables.masqueradeBit', 0],
    ['a conntrack minimum of 0 is 0', { conntrack: { min: 0 } }, 'conntrack.min', 0],
    ['an oomScoreAdj of 0 is 0', { oomScoreAdj: 0 }, 'oomScoreAdj', 0],
    ['a threshold of 0 is 0', { nftables: { fastpathPacketThreshold: 0 } }, 'nftables.fastpathPacketThreshold', 0],
    ['a TCP timeout of 0 is 0', { conntrack: { tcpEstablishedTimeout: '0' } }, 'conntrack.tcpEstablishedTimeout', 0],
    ['a flush frequency can be nanoseconds', { logging: { flushFrequency: 7e9 } }, 'logging.flushFrequency', 7_000],
    [
      'a whole number is an amount',
      { logging: { options: { json: { infoBufferSize: 5 } } } },
      'logging.options.json.infoBufferSize',
      '5',
    ],
    [
      'an address without a port gets the default one',
      { healthzBindAddress: 'fd00::5' },
      'healthzBindAddress',
      '[fd00::5]:10256',
    ],
    ['the metrics server has its own', { metricsBindAddress: '10.0.0.1' }, 'metricsBindAddress', '10.0.0.1:10249'],
    [
      'brackets without a port are left as they are',
      { metricsBindAddress: '[fd00::5]' },
      'metricsBindAddress',
      '[fd00::5]',
    ],
    ['with an IPv6 bind address servers are on IPv6', { bindAddress: '::' }, 'healthzBindAddress', '[::]:10256'],
    ['metrics too, on loopback', { bindAddress: 'fd00::1' }, 'metricsBindAddress', '[::1]:10249'],
  ]
  for (const [what, fields, path, value] of zeros) {
    test(`${what}: ${JSON.stringify(fields)}`, () => {
      const { configuration } = read(fields)
      const found = path.split('.').reduce((at: unknown, name) => (at as Record<string, unknown>)[name], configuration)
      assert.equal(found, value)
    })
  }

  const bindAddresses: [text: string, outcome: string | RegExp][] = [
    ['"::"', '::'],
    ['::0', '::0'],
    ['"[::]"', '[::]'],
    ['::', /^--config: kube-proxy\.conf:3:\d+: Nested mappings/],
  ]
  for (const [text, outcome] of bindAddresses) {
    test(`bindAddress: ${text} is ${typeof outcome === 'string' ? outcome : 'a syntax error with line and column'}`, () => {
      if (typeof outcome === 'string') assert.equal(read(`bindAddress: ${text}\n`).configuration.bindAddress, outcome)
      else assert.throws(() => read(`bindAddress: ${text}\n`), { field: '--config', message: outcome })
    })
  }

  test('is read despite unknown fields, each a warning with its path', () => {
    const { configuration, warnings } = read({
      conntrack: { min: 5, most: 7 },
      clusterCidr: '10.0.0.0/8',
      udpIdleTimeout: '5s',
    })
    assert.equal(configuration.conntrack.min, 5)
    assert.deepEqual(warnings, [
      'KubeProxyConfiguration.clusterCidr is not a known field and is ignored; is clusterCIDR meant?',
      'KubeProxyConfiguration.udpIdleTimeout is not a known field and is ignored',
      'KubeProxyConfiguration.conntrack.most is not a known field and is ignored',
    ])
  })

  test('is read despite keys that are there twice, of which the last one counts', () => {
    const { configuration, warnings } = read(
      'oomScoreAdj: 1\nlogging: {vmodule: [{filePattern: a, filePattern: b}]}\nconntrack: {min: 5, min: 6}\noomScoreAdj: 2\n',
    )
    assert.equal(configuration.oomScoreAdj, 2)
    assert.equal(configuration.conntrack.min, 6)
    assert.equal(configuration.logging.vmodule[0]?.filePattern, 'b')
    assert.deepEqual(warnings, [
      'KubeProxyConfiguration.logging.vmodule[0].filePattern is there twice; the last one counts',
      'KubeProxyConfiguration.conntrack.min is there twice; the last one counts',
      'KubeProxyConfiguration.oomScoreAdj is there twice; the last one counts',
    ])
  })

  test('shows what it ignores at the start, as warnings', () => {
    assert.deepEqual(loadFile({ most: 1 }).notes, [
      { level: 'warn', message: 'KubeProxyConfiguration.most is not a known field and is ignored' },
    ])
  })

  test('with values of the wrong type is refused for all of them at once', () => {
    const fields = {
      conntrack: { maxPerCore: 'many', tcpBeLiberal: 1, udpTimeout: 30 },
      featureGates: { ComponentFlagz: 'true' },
      hostnameOverride: 12,
      iptables: [],
      nodePortAddresses: '10.0.0.0/8',
      oomScoreAdj: 1.5,
      clientConnection: { qps: '5', burst: 3e9 },
      logging: { flushFrequency: 'often', vmodule: ['a=1'], options: { text: { infoBufferSize: 'big' } } },
    }
    assert.deepEqual(problemsOf(() => read(fields)).toSorted(), [
      'KubeProxyConfiguration.clientConnection.burst: 3000000000 is not an integer from -2147483648 to 2147483647',
      'KubeProxyConfiguration.clientConnection.qps: "5" is not a number',
      'KubeProxyConfiguration.conntrack.maxPerCore: "many" is not an integer',
      'KubeProxyConfiguration.conntrack.tcpBeLiberal: 1 is not true or false',
      'KubeProxyConfiguration.conntrack.udpTimeout: 30 is not a duration such as 100ms, 1s or 1m30s',
      'KubeProxyConfiguration.featureGates.ComponentFlagz: "true" is not true or false',
      'KubeProxyConfiguration.hostnameOverride: 12 is not a string',
      'KubeProxyConfiguration.iptables: [] is not an object',
      'KubeProxyConfiguration.logging.flushFrequency: "often" is not a duration such as 100ms, 1s or 1m30s',
      'KubeProxyConfiguration.logging.options.text.infoBufferSize: "big" is not an amount such as 512, 10k or 1.5Mi',
      'KubeProxyConfiguration.logging.vmodule[0]: "a=1" is not an object',
      'KubeProxyConfiguration.nodePortAddresses: "10.0.0.0/8" is not a list',
      'KubeProxyConfiguration.oomScoreAdj: 1.5 is not an integer',
    ])
  })

  const expected = 'where kind: KubeProxyConfiguration with apiVersion: kubeproxy.config.k8s.io/v1alpha1 belongs'
  const refused: [what: string, text: string, message: string][] = [
    ['nothing in it', '', 'kube-proxy.conf:1:1: this is not an object'],
    ['a list', '- a\n', 'kube-proxy.conf:1:1: this is not an object'],
    ['two documents', `${fileText()}---\na: 1\n`, 'kube-proxy.conf:3:1: there is more than one document'],
    [
      'an alias that leads nowhere',
      fileText('iptables: *x\n'),
      'kube-proxy.conf:1:1: Unresolved alias (the anchor must be set before the alias): x',
    ],
    [
      'an alias that leads back',
      fileText('logging: {vmodule: &a [*a]}\n'),
      'kube-proxy.conf:1:1: Converting circular structure to JSON',
    ],
    ['another kind', 'kind: Pod\napiVersion: v1\n', `kube-proxy.conf has kind "Pod" of apiVersion "v1", ${expected}`],
    ['no kind', 'mode: nftables\n', `kube-proxy.conf has kind "" of apiVersion "", ${expected}`],
    [
      'another version',
      'kind: KubeProxyConfiguration\napiVersion: kubeproxy.config.k8s.io/v1\n',
      `kube-proxy.conf has kind "KubeProxyConfiguration" of apiVersion "kubeproxy.config.k8s.io/v1", ${expected}`,
    ],
  ]
  for (const [what, text, message] of refused) {
    test(`with ${what} is refused by its name`, () => {
      assert.deepEqual(
        problemsOf(() => readConfiguration(text, 'kube-proxy.conf')),
        [`--config: ${message}`],
      )
    })
  }

  test('that nests without end is refused', () => {
    assert.throws(() => read(`x: ${'['.repeat(50_000)}`), { code: 'ERR_CONFIG', field: '--config' })
  })
})

describe('a configuration that is written', () => {
  test('is YAML of v1alpha1 with what was worked out at the start', () => {
    const lines = toYaml(loadFile().configuration).split('\n')
    assert.deepEqual(lines.slice(0, 2), [
      'apiVersion: kubeproxy.config.k8s.io/v1alpha1',
      'kind: KubeProxyConfiguration',
    ])
    for (const line of [
      'mode: nftables',
      'detectLocalMode: ClusterCIDR',
      '  - primary',
      '  tcpEstablishedTimeout: 24h0m0s',
    ])
      assert.ok(lines.includes(line), line)
  })

  test('replaces what is in the file, and is read as the same', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'flowproxy-config-'))
    try {
      const path = join(directory, 'out.yaml')
      const { configuration } = loadFile({ clusterCIDR: '10.244.0.0/16', conntrack: { udpTimeout: '1m' } })
      writeConfiguration(path, defaultConfiguration)
      writeConfiguration(path, configuration)
      assert.deepEqual(readConfiguration(await readFile(path, 'utf8'), path), { configuration, warnings: [] })
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  test('cannot be written where there is no directory', () => {
    assert.throws(() => writeConfiguration('/nonexistent/out.yaml', defaultConfiguration), {
      field: '--write-config-to',
      message: '--write-config-to: /nonexistent/out.yaml cannot be written: ENOENT',
    })
  })
})
