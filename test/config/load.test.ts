import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadConfig } from '../../src/config/load.ts'
import { runFlags } from '../../src/config/run-flag-table.ts'
import { fileText, kubeadmText, load, loadFile, problemsOf } from './configurations.ts'

const nftables = fileText({ mode: 'nftables' })

describe('what run is told', () => {
  test('without flags is what kube-proxy does by itself, in mode nftables', () => {
    const { configuration, flags, ...rest } = load()
    assert.equal(flags['min-sync-period'], '1s')
    assert.equal(configuration.mode, 'nftables')
    assert.deepEqual(configuration.nodePortAddresses, ['primary'])
    assert.equal(configuration.detectLocalMode, 'ClusterCIDR')
    assert.deepEqual(rest, {
      dataplane: {
        detectLocal: { mode: 'cluster-cidr', cidrs: {} },
        masqueradeAll: false,
        masqueradeMark: 0x4000,
        nodePortAddresses: 'primary',
      },
      nodeName: 'node-7',
      bindAddress: '0.0.0.0',
      healthzBindAddress: { ip: '0.0.0.0', port: 10_256 },
      metricsBindAddress: { ip: '127.0.0.1', port: 10_249 },
      manifests: undefined,
      kubeconfig: undefined,
      master: undefined,
      configFile: undefined,
      writeConfigTo: undefined,
      cleanup: false,
      initOnly: false,
      logLevel: 'info',
      logFormat: 'text',
      notes: [{ level: 'info', message: 'the mode is empty and means nftables, the only one here' }],
    })
  })

  test('is frozen through and through', () => {
    const config = load({ vmodule: 'a=1' }, nftables)
    for (const value of [
      config,
      config.notes[0],
      config.dataplane.detectLocal,
      config.configuration.conntrack,
      config.configuration.logging.vmodule[0],
      config.configFile,
    ])
      assert.ok(Object.isFrozen(value))
  })

  test('shows all flags, as they were given or with their defaults', () => {
    const { flags } = load({ v: ['2', '4'], nodeportAddresses: ['10.0.0.0/8', 'fd00::/8'], initOnly: 'true' })
    const shown = ['v', 'nodeport-addresses', 'init-only', 'cleanup', 'sync-period', 'kubeconfig'].map(
      (name) => flags[name],
    )
    assert.deepEqual(shown, ['4', '10.0.0.0/8,fd00::/8', 'true', 'false', '30s', ''])
    assert.equal(Object.keys(flags).length, runFlags.length)
  })

  test('by kubeadm is what the dataplane needs', () => {
    const config = load({ hostnameOverride: 'Node-1' }, kubeadmText)
    assert.deepEqual(config.dataplane.detectLocal, { mode: 'cluster-cidr', cidrs: { IPv4: '10.244.0.0/16' } })
    assert.equal(config.kubeconfig, '/var/lib/kube-proxy/kubeconfig.conf')
    assert.equal(config.nodeName, 'node-1')
    assert.deepEqual(config.configFile, { path: 'kube-proxy.conf', text: kubeadmText })
  })

  test('by the sections of other modes does nothing', () => {
    const fields = { iptables: { masqueradeAll: true, masqueradeBit: 3 }, ipvs: { syncPeriod: '7s' } }
    assert.deepEqual(loadFile(fields).dataplane, loadFile().dataplane)
    assert.equal(loadFile(fields).configuration.nftables.syncPeriod, 30_000)
  })

  const dataplanes: [fields: object, expected: object][] = [
    [{ nftables: { masqueradeBit: 31, masqueradeAll: true } }, { masqueradeMark: 0x80000000, masqueradeAll: true }],
    [{ nodePortAddresses: ['10.0.0.0/8', 'fd00::/8'] }, { nodePortAddresses: ['10.0.0.0/8', 'fd00::/8'] }],
    [{ detectLocalMode: 'NodeCIDR', clusterCIDR: 'pods' }, { detectLocal: { mode: 'node-cidr' } }],
    [
      { detectLocalMode: 'BridgeInterface', detectLocal: { bridgeInterface: 'cni0' } },
      { detectLocal: { mode: 'bridge', interfaceName: 'cni0' } },
    ],
    [
      { detectLocalMode: 'InterfaceNamePrefix', detectLocal: { interfaceNamePrefix: 'veth' } },
      { detectLocal: { mode: 'interface-prefix', prefix: 'veth' } },
    ],
    [
      { clusterCIDR: 'fd00:10:244::/64,10.244.0.0/16' },
      { detectLocal: { mode: 'cluster-cidr', cidrs: { IPv4: '10.244.0.0/16', IPv6: 'fd00:10:244::/64' } } },
    ],
  ]
  for (const [fields, expected] of dataplanes) {
    test(`by ${JSON.stringify(fields)} reaches the dataplane`, () => {
      assert.deepEqual(loadFile(fields).dataplane, { ...loadFile().dataplane, ...expected })
    })
  }
})

describe('with a configuration file', () => {
  test('flags of kube-proxy that are in the file do nothing, and are named in one warning', () => {
    const flags = { clusterCidr: '10.0.0.0/8', proxyMode: 'ipvs', healthzPort: '0', ipvsScheduler: 'rr' }
    const { configuration, notes } = load(flags, nftables)
    assert.deepEqual(configuration, loadFile().configuration)
    assert.deepEqual(notes, [
      {
        level: 'warn',
        message: 'with --config these flags do nothing: --proxy-mode, --cluster-cidr, --healthz-port, --ipvs-scheduler',
      },
    ])
  })

  test('the node name, logging and our own flags win over it', () => {
    const text = fileText({
      mode: 'nftables',
      hostnameOverride: 'node-2',
      logging: { verbosity: 1, vmodule: [{ filePattern: 'b', verbosity: 2 }] },
    })
    const flags = {
      hostnameOverride: 'Node-1',
      v: '6',
      loggingFormat: 'text',
      logFlushFrequency: '1s',
      vmodule: 'a=1',
      masqueradeBit: '15',
      minSyncPeriod: '0',
      syncPeriod: '5s',
      fastpathPacketThreshold: '100',
      fastpathInterfaces: 'eth*',
      fastpathResetTcp: 'true',
    }
    const { configuration, nodeName, logLevel, dataplane } = load(flags, text)
    assert.equal(nodeName, 'node-1')
    assert.equal(logLevel, 'trace')
    assert.equal(dataplane.masqueradeMark, 0x8000)
    assert.deepEqual(configuration.logging.vmodule, [
      { filePattern: 'a', verbosity: 1 },
      { filePattern: 'b', verbosity: 2 },
    ])
    assert.deepEqual(configuration.nftables, {
      masqueradeBit: 15,
      masqueradeAll: false,
      syncPeriod: 5_000,
      minSyncPeriod: 0,
      fastpathPacketThreshold: 100,
      fastpathInterfaces: ['eth*'],
      fastpathResetTCP: true,
    })
  })

  test('manifests stand for the API server that it names', () => {
    const { manifests, kubeconfig, configuration } = load({ manifests: '/cluster' }, kubeadmText)
    assert.equal(manifests, '/cluster')
    assert.equal(kubeconfig, undefined)
    assert.equal(configuration.nftables.minSyncPeriod, 1_000)
  })

  test('that is not there, there is no start', () => {
    assert.deepEqual(
      problemsOf(() => loadConfig({ config: '/nonexistent/kube-proxy.conf' })),
      ['--config: /nonexistent/kube-proxy.conf cannot be read: ENOENT'],
    )
  })

  test('that has a node name of blanks, there is no start', () => {
    assert.deepEqual(
      problemsOf(() => loadFile({ hostnameOverride: '  ' })),
      ['KubeProxyConfiguration.hostnameOverride: there are only blanks'],
    )
  })
})

describe('without a configuration file', () => {
  test('manifests may be synced every 100 ms, unless a flag says otherwise', () => {
    assert.equal(load({ manifests: '/cluster' }).configuration.nftables.minSyncPeriod, 100)
    assert.equal(load({ manifests: '/cluster', minSyncPeriod: '2s' }).configuration.nftables.minSyncPeriod, 2_000)
  })

  const addresses: [flags: Record<string, string>, healthz: string | undefined, metrics: string][] = [
    [{ bindAddress: '::' }, '0.0.0.0:10256', '127.0.0.1:10249'],
    [{ healthzBindAddress: '10.0.0.1', healthzPort: '99' }, '10.0.0.1:99', '127.0.0.1:10249'],
    [{ healthzBindAddress: 'fd00::1', healthzPort: '99' }, 'fd00::1:99', '127.0.0.1:10249'],
    [{ healthzBindAddress: '10.0.0.1:80', healthzPort: '99' }, '10.0.0.1:80', '127.0.0.1:10249'],
    [{ healthzBindAddress: '10.0.0.1:80', healthzPort: '0' }, undefined, '127.0.0.1:10249'],
    [{ metricsBindAddress: '10.0.0.1', metricsPort: '99' }, '0.0.0.0:10256', '10.0.0.1:99'],
    [{ metricsBindAddress: '10.0.0.1' }, '0.0.0.0:10256', '10.0.0.1:10249'],
    [{ metricsPort: '0', healthzPort: '0', writeConfigTo: '/out' }, '0.0.0.0:10256', '127.0.0.1:10249'],
  ]
  for (const [flags, healthz, metrics] of addresses) {
    test(`${JSON.stringify(flags)}: health at ${healthz ?? 'no address'}, metrics at ${metrics}`, () => {
      const { healthzBindAddress, metricsBindAddress } = load(flags)
      assert.equal(healthzBindAddress && `${healthzBindAddress.ip}:${healthzBindAddress.port}`, healthz)
      assert.equal(`${metricsBindAddress.ip}:${metricsBindAddress.port}`, metrics)
    })
  }

  test('a port flag for an address that has a port is named as idle', () => {
    assert.ok(
      load({ healthzPort: '99', proxyMode: 'nftables' }).notes.some(
        ({ message }) => message === '--healthz-port does nothing: the address has a port already, 0.0.0.0:10256',
      ),
    )
    assert.deepEqual(load({ healthzPort: '10256', metricsPort: '10249', proxyMode: 'nftables' }).notes, [])
    assert.deepEqual(load({ healthzPort: '0', proxyMode: 'nftables' }).notes, [])
  })

  test('flags of other modes are accepted, and named in one warning', () => {
    const { notes } = load({ ipvsScheduler: 'rr', iptablesMasqueradeBit: '3', proxyMode: 'nftables' })
    assert.deepEqual(notes, [
      {
        level: 'warn',
        message: 'in mode nftables these flags do nothing: --iptables-masquerade-bit, --ipvs-scheduler',
      },
    ])
  })

  test('verbosity for single files is accepted, and said to do nothing', () => {
    assert.deepEqual(load({ vmodule: 'a=1', proxyMode: 'nftables' }).notes, [
      { level: 'warn', message: 'logging.vmodule does nothing: the verbosity is one for all files' },
    ])
  })
})

describe('flags that contradict each other are refused', () => {
  const contradictions: [flags: Record<string, string>, text: string | undefined, ...lines: string[]][] = [
    [
      { manifests: '/c', kubeconfig: '/k' },
      undefined,
      '--kubeconfig: is of no use with --manifests, which stands for an API server',
    ],
    [
      { manifests: '/c', master: 'https://m' },
      nftables,
      '--master: is of no use with --manifests, which stands for an API server',
    ],
    [{ hostnameOverride: 'a', nodeName: 'b' }, undefined, '--node-name: contradicts --hostname-override'],
    [{ hostnameOverride: 'a', nodeName: 'b' }, nftables, '--node-name: contradicts --hostname-override'],
    [
      { minSyncPeriod: '1s', iptablesMinSyncPeriod: '2s' },
      undefined,
      '--iptables-min-sync-period: contradicts --min-sync-period',
    ],
    [{ syncPeriod: '1s', iptablesSyncPeriod: '2s' }, undefined, '--iptables-sync-period: contradicts --sync-period'],
    [{ syncPeriod: '1s', iptablesSyncPeriod: '2s' }, nftables],
    [{ syncPeriod: '60s', iptablesSyncPeriod: '1m' }, undefined],
    [{ hostnameOverride: 'Node-1', nodeName: 'node-1' }, undefined],
    [{ manifests: '/c', kubeconfig: '' }, undefined],
  ]
  for (const [flags, text, ...lines] of contradictions) {
    const outcome = lines.length === 0 ? 'do not' : 'do'
    test(`${JSON.stringify(flags)} ${outcome}${text === undefined ? '' : ', with --config'}`, () => {
      assert.deepEqual(
        problemsOf(() => load(flags, text)),
        lines,
      )
    })
  }
})

describe('how much is logged', () => {
  const levels: [flags: Record<string, string>, level: string][] = [
    [{}, 'info'],
    [{ v: '2' }, 'info'],
    [{ v: '3' }, 'debug'],
    [{ v: '5' }, 'debug'],
    [{ v: '6' }, 'trace'],
    [{ v: '10' }, 'trace'],
    [{ v: '6', logLevel: 'error' }, 'error'],
  ]
  for (const [flags, level] of levels) {
    test(`${JSON.stringify(flags)} is level ${level}`, () => {
      assert.equal(load(flags).logLevel, level)
      assert.equal(load(flags, nftables).logLevel, level)
    })
  }

  test('is told by the file too, with its format', () => {
    const { logLevel, logFormat } = loadFile({ logging: { verbosity: 4, format: 'json' } })
    assert.deepEqual([logLevel, logFormat], ['debug', 'json'])
  })
})
