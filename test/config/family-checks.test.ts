import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkFamilies, type FamilyFacts } from '../../src/config/family-checks.ts'
import type { Family } from '../../src/model/ip.ts'
import { nodeIps } from '../../src/model/node-ips.ts'
import { loadFile } from './configurations.ts'

const dualStack: readonly Family[] = ['IPv4', 'IPv6']
const ipv4Ips = ['10.0.0.1']
const ipv6Ips = ['2001:db8::1']

/** Facts of a Node with these addresses, the first of which is primary. */
function facts(supported: readonly Family[], ips: readonly string[], podCidrs: readonly string[] = []): FamilyFacts {
  const nodeAddresses = ips.map((address) => ({ type: 'InternalIP', address }))
  return { supported, node: nodeIps({ nodeAddresses }), podCidrs }
}

/** `fatal`, or how many warnings there are. */
function outcome(fields: object, familyFacts: FamilyFacts): string | number {
  const { fatal, warnings } = checkFamilies(loadFile(fields).configuration, familyFacts)
  return fatal === undefined ? warnings.length : 'fatal'
}

/** Node ports on both families, so that they are no matter of these cases. */
const everywhere = { nodePortAddresses: ['0.0.0.0/0', '::/0'] }

describe('families that do not fit the Node', () => {
  const mismatches: [
    what: string,
    fields: object,
    podCidrs: string[],
    single: string | number,
    dual: string | number,
  ][] = [
    ['nothing', {}, [], 0, 0],
    ['cluster CIDRs of another mode', { clusterCIDR: 'fd00::/64', detectLocalMode: 'NodeCIDR' }, [], 1, 1],
    ['cluster CIDRs that are used', { clusterCIDR: 'fd00::/64' }, [], 'fatal', 1],
    ['one of two cluster CIDRs', { clusterCIDR: 'fd00::/64,10.0.0.0/8' }, [], 0, 0],
    ['pod CIDRs that are used', { detectLocalMode: 'NodeCIDR' }, ['fd00::/64'], 'fatal', 'fatal'],
    ['pod CIDRs that are not', {}, ['fd00::/64'], 1, 1],
    ['one of two pod CIDRs', { detectLocalMode: 'NodeCIDR' }, ['fd00::/64', '10.0.0.0/24'], 0, 0],
    ['the health address', { healthzBindAddress: '[fd00::1]:80' }, [], 1, 0],
    ['the metrics address', { metricsBindAddress: '[::1]:80' }, [], 1, 0],
    ['unspecified addresses', { healthzBindAddress: '[::]:80', metricsBindAddress: '[::]:81' }, [], 0, 0],
    ['CIDRs to leave out of ipvs', { ipvs: { excludeCIDRs: ['fd00::/64'] } }, [], 1, 0],
    ['a source address of Windows', { winkernel: { sourceVip: 'fd00::1' } }, [], 1, 1],
  ]
  for (const [what, fields, podCidrs, single, dual] of mismatches) {
    test(`${what}: ${single} with one family, ${dual} with both`, () => {
      assert.equal(outcome({ ...everywhere, ...fields }, facts(['IPv4'], ipv4Ips, podCidrs)), single)
      assert.equal(outcome({ ...everywhere, ...fields }, facts(dualStack, ipv4Ips, podCidrs)), dual)
    })
  }

  test('a Node whose first address is of a family that the machine lacks cannot start', () => {
    const { fatal } = checkFamilies(loadFile().configuration, facts(['IPv4'], ipv6Ips))
    assert.equal(fatal, "the Node's first address is IPv6, which this machine does not have")
  })

  test('are named with the family of the Node', () => {
    const fields = { ...everywhere, clusterCIDR: 'fd00::/64' }
    assert.deepEqual(checkFamilies(loadFile(fields).configuration, facts(dualStack, ipv4Ips)), {
      warnings: ["clusterCIDR fd00::/64 is of another family than the Node's first address, which is IPv4"],
    })
  })
})

describe('node port addresses', () => {
  const nodePorts: [addresses: string[], clusterCIDR: string, nodeIps: string[], warning: RegExp | undefined][] = [
    [['192.168.0.0/24'], '10.0.0.0/8', ipv4Ips, undefined],
    [['192.168.0.0/24', 'fd03::/64'], '10.0.0.0/8,fd09::/64', ipv4Ips, undefined],
    [['192.168.0.0/24'], '10.0.0.0/8,fd09::/64', ipv4Ips, /no IPv6 range/],
    [['192.168.0.0/24'], 'fd09::/64', ipv6Ips, /no IPv6 range/],
    [['192.168.0.0/24', 'fd03::/64'], 'fd09::/64', ipv6Ips, undefined],
    [['primary'], '', [], /^no nodePortAddresses/],
    [['primary'], '', ipv4Ips, undefined],
    [['primary'], '10.0.0.0/8,fd09::/64', ipv4Ips, /^nodePortAddresses primary: no IPv6 range/],
    [['primary'], '10.0.0.0/8,fd09::/64', [...ipv6Ips, ...ipv4Ips], undefined],
  ]
  for (const [nodePortAddresses, clusterCIDR, ips, warning] of nodePorts) {
    test(`${nodePortAddresses.join(', ')}, pods in ${clusterCIDR || 'no range'}, Node ${ips.join(', ') || 'unknown'}: ${warning ?? 'nothing to say'}`, () => {
      const { configuration } = loadFile({ nodePortAddresses, clusterCIDR })
      const { warnings } = checkFamilies(configuration, facts(dualStack, ips))
      if (warning === undefined) assert.deepEqual(warnings, [])
      else assert.match(warnings.join('\n'), warning)
    })
  }

  test('are missing a family too if only the pod CIDRs have both', () => {
    const { configuration } = loadFile({ nodePortAddresses: ['192.168.0.0/24'] })
    const { warnings } = checkFamilies(configuration, facts(dualStack, ipv4Ips, ['10.0.0.0/24', 'fd00::/64']))
    assert.match(warnings.join('\n'), /no IPv6 range/)
  })
})
