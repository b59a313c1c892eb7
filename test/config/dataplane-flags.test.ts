import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { dataplaneConfig, type DataplaneFlags } from '../../src/config/dataplane-flags.ts'

describe('the flags that shape the rules', () => {
  test('have the defaults of kube-proxy', () => {
    assert.deepEqual(dataplaneConfig({}), {
      detectLocal: { mode: 'cluster-cidr', cidrs: {} },
      masqueradeAll: false,
      masqueradeMark: 0x4000,
      nodePortAddresses: 'primary',
    })
  })

  const clusterCidrs: [text: string, cidrs: object][] = [
    ['10.244.0.0/16', { IPv4: '10.244.0.0/16' }],
    ['fd00:10:244::/64', { IPv6: 'fd00:10:244::/64' }],
    ['10.244.0.0/16,fd00:10:244::/64', { IPv4: '10.244.0.0/16', IPv6: 'fd00:10:244::/64' }],
    [' fd00:10:244::/64 , 10.244.0.0/16 ', { IPv4: '10.244.0.0/16', IPv6: 'fd00:10:244::/64' }],
    ['10.244.7.9/16', { IPv4: '10.244.0.0/16' }],
    ['10.1.0.0/16,fd00::/64,10.2.0.0/16,fd01::/64', { IPv4: '10.1.0.0/16', IPv6: 'fd00::/64' }],
    ['', {}],
  ]
  for (const [clusterCidr, cidrs] of clusterCidrs) {
    test(`cluster CIDRs "${clusterCidr}": the first of each family counts`, () => {
      assert.deepEqual(dataplaneConfig({ clusterCidr }).detectLocal, { mode: 'cluster-cidr', cidrs })
    })
  }

  for (const [masqueradeBit, mark] of [
    ['0', 1],
    ['14', 0x4000],
    ['31', 0x80000000],
  ] as const) {
    test(`masquerade bit ${masqueradeBit} is mark 0x${mark.toString(16)}`, () => {
      assert.equal(dataplaneConfig({ masqueradeBit }).masqueradeMark, mark)
    })
  }

  const modes: [flags: DataplaneFlags, detectLocal: object][] = [
    [{ detectLocalMode: 'NodeCIDR' }, { mode: 'node-cidr' }],
    [
      { detectLocalMode: 'BridgeInterface', podBridgeInterface: 'cni0' },
      { mode: 'bridge', interfaceName: 'cni0' },
    ],
    [
      { detectLocalMode: 'InterfaceNamePrefix', podInterfaceNamePrefix: 'veth' },
      { mode: 'interface-prefix', prefix: 'veth' },
    ],
  ]
  for (const [flags, detectLocal] of modes) {
    test(`local pods are told apart by ${flags.detectLocalMode}`, () => {
      assert.deepEqual(dataplaneConfig(flags).detectLocal, detectLocal)
    })
  }

  test('node port addresses are the primary ones, or ranges', () => {
    assert.equal(dataplaneConfig({ nodeportAddresses: 'primary' }).nodePortAddresses, 'primary')
    assert.deepEqual(dataplaneConfig({ nodeportAddresses: '192.168.0.0/24,2001:db8::/64' }).nodePortAddresses, [
      '192.168.0.0/24',
      '2001:db8::/64',
    ])
  })

  const refused: [field: string, flags: DataplaneFlags, message: string][] = [
    ['--cluster-cidr', { clusterCidr: '10.244.0.0' }, '"10.244.0.0" is not an IP address range such as 10.244.0.0/16'],
    ['--cluster-cidr', { clusterCidr: 'fd00::/64,pods' }, '"pods" is not an IP address range such as 10.244.0.0/16'],
    [
      '--cluster-cidr',
      { clusterCidr: '10.0.0.0/33' },
      '"10.0.0.0/33" is not an IP address range such as 10.244.0.0/16',
    ],
    ['--nodeport-addresses', { nodeportAddresses: 'eth0' }, '"eth0" is not an IP address range such as 10.244.0.0/16'],
    ...['32', '-1', '1.5', '0x1', '', 'x'].map((masqueradeBit): [string, DataplaneFlags, string] => [
      '--masquerade-bit',
      { masqueradeBit },
      `"${masqueradeBit}" is not a bit number from 0 to 31`,
    ]),
    [
      '--detect-local-mode',
      { detectLocalMode: 'Guess' },
      '"Guess" is none of ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix',
    ],
    ['--pod-bridge-interface', { detectLocalMode: 'BridgeInterface' }, 'is needed for this --detect-local-mode'],
    [
      '--pod-interface-name-prefix',
      { detectLocalMode: 'InterfaceNamePrefix', podInterfaceNamePrefix: 'a-name-of-16-byt' },
      '"a-name-of-16-byt" is longer than the 15 bytes of an interface name',
    ],
  ]
  for (const [field, flags, message] of refused) {
    test(`${Object.entries(flags).join(' ')} is refused by the name of the flag`, () => {
      assert.throws(() => dataplaneConfig(flags), { code: 'ERR_CONFIG', field, message: `${field}: ${message}` })
    })
  }
})
