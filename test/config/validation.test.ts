import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { defaultConfiguration, type FieldPath, withField } from '../../src/config/kube-proxy-configuration.ts'
import { validateConfiguration } from '../../src/config/validation.ts'
import { loadFile, problemFields, problemsOf } from './configurations.ts'

type Mutation = readonly [fields: object, ...problems: string[]]

/** The fields that are wrong in a file that is otherwise valid. */
const mutations: readonly Mutation[] = [
  [{}],
  [{ bindAddress: '10.10.12.11:2000' }, 'bindAddress'],
  [{ bindAddress: '[::]' }, 'bindAddress'],
  ...[
    '10.0.0.1:0',
    '10.0.0.1:65536',
    '10.0.0.1:foo',
    '123.456.789.10:80',
    '[fd00::5]',
    'fd00::5:x',
    'localhost:80',
    ':80',
  ].flatMap((address): Mutation[] => [
    [{ healthzBindAddress: address }, 'healthzBindAddress'],
    [{ metricsBindAddress: address }, 'metricsBindAddress'],
  ]),
  [{ healthzBindAddress: '[fd00::5]:80', metricsBindAddress: '10.0.0.1:65535' }],
  [{ configSyncPeriod: '-1s' }, 'configSyncPeriod'],
  [{ nftables: { minSyncPeriod: '-2s' } }, 'nftables.minSyncPeriod'],
  [{ nftables: { syncPeriod: '1s', minSyncPeriod: '5s' } }, 'nftables.syncPeriod'],
  [{ nftables: { syncPeriod: '-5s', minSyncPeriod: '2s' } }, 'nftables.syncPeriod', 'nftables.syncPeriod'],
  [{ nftables: { syncPeriod: '3h', minSyncPeriod: '2h' } }, 'nftables.minSyncPeriod'],
  [{ iptables: { syncPeriod: '-5s', minSyncPeriod: '-2s' }, ipvs: { syncPeriod: '-1s', tcpTimeout: '-1s' } }],
  [{ ipvs: { excludeCIDRs: ['pods'] } }],
  [{ iptables: { masqueradeBit: 32 } }, 'iptables.masqueradeBit'],
  [{ nftables: { masqueradeBit: -1 } }, 'nftables.masqueradeBit'],
  [{ nftables: { masqueradeBit: 31 }, iptables: { masqueradeBit: 0 } }],
  [{ nftables: { fastpathPacketThreshold: -1 } }, 'nftables.fastpathPacketThreshold'],
  [{ nftables: { fastpathPacketThreshold: 2147483647 } }],
  [{ nftables: { fastpathInterfaces: ['eth*', '!docker0', '!lo'] } }],
  [
    { nftables: { fastpathInterfaces: ['eth0', 'lo', '', '*'] } },
    'nftables.fastpathInterfaces[1]',
    'nftables.fastpathInterfaces[2]',
    'nftables.fastpathInterfaces[3]',
  ],
  [{ detectLocalMode: 'Guess' }, 'detectLocalMode'],
  [{ detectLocalMode: 'NodeCIDR' }],
  [{ detectLocalMode: 'BridgeInterface' }, 'detectLocal.bridgeInterface'],
  [{ detectLocalMode: 'BridgeInterface', detectLocal: { bridgeInterface: 'cni0' } }],
  [{ detectLocalMode: 'InterfaceNamePrefix' }, 'detectLocal.interfaceNamePrefix'],
  [
    { detectLocalMode: 'InterfaceNamePrefix', detectLocal: { interfaceNamePrefix: 'a-name-of-16-byt' } },
    'detectLocal.interfaceNamePrefix',
  ],
  [{ clusterCIDR: 'fd00:10:244::/64' }],
  [{ clusterCIDR: '10.244.0.0/16,fd00:10:244::/64' }],
  [{ clusterCIDR: '10.244.0.0/16,fd00:10:244::/64,10.0.0.0/8' }, 'clusterCIDR'],
  [{ clusterCIDR: '10.244.0.0/16,10.0.0.0/8' }, 'clusterCIDR'],
  [{ clusterCIDR: '10.244.0.0/16, fd00:10:244::/64' }, 'clusterCIDR'],
  [{ clusterCIDR: '10.244.0.0,pods' }, 'clusterCIDR', 'clusterCIDR'],
  [{ clusterCIDR: 'pods', detectLocalMode: 'NodeCIDR' }],
  [{ oomScoreAdj: 1001 }, 'oomScoreAdj'],
  [{ oomScoreAdj: -1001 }, 'oomScoreAdj'],
  [{ oomScoreAdj: 1000 }],
  [{ logging: { format: 'xml' } }, 'logging.format'],
  [{ logging: { format: 'json' } }],
  [{ logging: { flushFrequency: '-1s' } }, 'logging.flushFrequency'],
  [{ logging: { verbosity: 2147483648 } }, 'logging.verbosity'],
  [{ logging: { vmodule: [{ filePattern: 'proxier', verbosity: 4 }] } }],
  [{ logging: { format: 'json', vmodule: [{ filePattern: 'proxier', verbosity: 4 }] } }, 'logging.vmodule'],
  [
    {
      logging: {
        vmodule: [
          { filePattern: '' },
          { filePattern: 'a=b' },
          { filePattern: 'a,b' },
          { filePattern: 'a', verbosity: 4e9 },
        ],
      },
    },
    'logging.vmodule[0].filePattern',
    'logging.vmodule[1].filePattern',
    'logging.vmodule[2].filePattern',
    'logging.vmodule[3].verbosity',
  ],
  [{ logging: { options: { text: { splitStream: true } } } }, 'logging.options.text.splitStream'],
  [{ logging: { options: { json: { infoBufferSize: '1Ki' } } } }, 'logging.options.json.infoBufferSize'],
  [
    {
      logging: { options: { text: { splitStream: true, infoBufferSize: '1Ki' } } },
      featureGates: { LoggingAlphaOptions: true },
    },
  ],
  [{ logging: { options: { text: { splitStream: true } } }, featureGates: { AllAlpha: true } }],
  ...['kernelspace', 'NFTables', 'nft', 'iptables', 'ipvs'].map((mode): Mutation => [{ mode }, 'mode']),
  [{ nodePortAddresses: ['primary'] }],
  [{ nodePortAddresses: ['10.0.0.0/8', 'fd00::/8'] }],
  [{ nodePortAddresses: ['primary', '10.0.0.0/8'] }, 'nodePortAddresses[0]'],
  [{ nodePortAddresses: ['10.0.0.0/8', 'primary'] }, 'nodePortAddresses[1]'],
  [
    { nodePortAddresses: ['10.0.0.0', 'Primary', ' 10.0.0.0/8'] },
    'nodePortAddresses[0]',
    'nodePortAddresses[1]',
    'nodePortAddresses[2]',
  ],
  [{ conntrack: { maxPerCore: -1, min: -1 } }, 'conntrack.maxPerCore', 'conntrack.min'],
  [
    {
      conntrack: {
        tcpEstablishedTimeout: '-1s',
        tcpCloseWaitTimeout: '-1s',
        udpTimeout: '-1s',
        udpStreamTimeout: '-1s',
      },
    },
    'conntrack.tcpEstablishedTimeout',
    'conntrack.tcpCloseWaitTimeout',
    'conntrack.udpTimeout',
    'conntrack.udpStreamTimeout',
  ],
  [{ clientConnection: { burst: -1, qps: -1 } }, 'clientConnection.burst'],
  [{ showHiddenMetricsForVersion: '1.35' }],
  [{ showHiddenMetricsForVersion: '1.34' }, 'showHiddenMetricsForVersion'],
  [{ featureGates: { NFTablesProxyMode: true, ComponentFlagz: false, PodLevelResources: true } }],
  [{ featureGates: { NFTablesProxyMode: false, Guess: true } }, 'featureGates', 'featureGates'],
  [{ portRange: 'any text' }],
]

describe('a configuration', () => {
  for (const [fields, ...problems] of mutations) {
    const outcome = problems.length === 0 ? 'accepted' : `refused for ${problems.join(', ')}`
    test(`with ${JSON.stringify(fields)} is ${outcome}`, () => {
      assert.deepEqual(problemFields(() => loadFile(fields)).toSorted(), problems.toSorted())
    })
  }

  const valid = withField(withField(defaultConfiguration, 'mode', 'nftables'), 'detectLocalMode', 'ClusterCIDR')
  const addresses: [path: FieldPath, value: string, isValid: boolean][] = [
    ['healthzBindAddress', '', true],
    ['healthzBindAddress', '0.0.0.0', false],
    ['metricsBindAddress', '127.0.0.1', false],
    ['metricsBindAddress', '', false],
  ]
  for (const [path, value, isValid] of addresses) {
    test(`whose ${path} ends up as "${value}" is ${isValid ? 'valid' : 'not valid'}`, () => {
      const problems = validateConfiguration(withField(valid, path, value)).map(({ field }) => field)
      assert.deepEqual(problems, isValid ? [] : [`KubeProxyConfiguration.${path}`])
    })
  }

  test('says what was found, what belongs there, and what to do', () => {
    const fields = {
      mode: 'ipvs',
      oomScoreAdj: 5000,
      nodePortAddresses: ['eth0'],
      featureGates: { NFTablesProxyMode: false },
    }
    assert.deepEqual(
      problemsOf(() => loadFile(fields)),
      [
        'KubeProxyConfiguration.mode: "ipvs" is not offered here; set mode: nftables (--proxy-mode=nftables), or leave it empty',
        'KubeProxyConfiguration.featureGates: NFTablesProxyMode cannot be set to false: it is locked to true',
        'KubeProxyConfiguration.oomScoreAdj: 5000 is not between -1000 and 1000',
        'KubeProxyConfiguration.nodePortAddresses[0]: "eth0" is neither an IP address range such as 10.244.0.0/16 nor "primary"',
      ],
    )
  })
})
