import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeObject } from '../../src/kube/decode.ts'
import { formatWarning } from '../../src/kube/types.ts'

test('a Node keeps its addresses, pod ranges, taint keys, zone and deletion time', () => {
  const { object, warnings } = decodeObject({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: 'node-1',
      deletionTimestamp: '2024-05-01T10:00:00Z',
      labels: { 'topology.kubernetes.io/zone': 'zone-a', 'topology.kubernetes.io/region': 'region-1' },
    },
    spec: { podCIDR: '10.180.0.0/24', podCIDRs: ['10.180.0.0/24'], taints: [{ key: 'x', effect: 'NoSchedule' }] },
    status: { addresses: [{ type: 'InternalIP', address: '192.168.0.2' }], nodeInfo: {} },
  })
  assert.deepEqual(warnings, [])
  assert.deepEqual(JSON.parse(JSON.stringify(object)), {
    kind: 'Node',
    metadata: {
      namespace: '',
      name: 'node-1',
      deletionTimestamp: '2024-05-01T10:00:00Z',
      labels: { 'topology.kubernetes.io/zone': 'zone-a' },
    },
    spec: { podCIDRs: ['10.180.0.0/24'], taints: [{ key: 'x' }] },
    status: { addresses: [{ type: 'InternalIP', address: '192.168.0.2' }] },
  })
})

test('a bad address or taint is left out with a warning', () => {
  const { object, warnings } = decodeObject({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node-1' },
    spec: { taints: [{ key: 7 }, { key: 'x' }] },
    status: { addresses: [{ type: 'InternalIP', address: 7 }, null] },
  })
  assert.deepEqual(warnings.map(formatWarning), [
    'Node node-1: spec.taints[0].key: 7 is not a string',
    'Node node-1: status.addresses[0].address: 7 is not a string',
    'Node node-1: status.addresses[1]: null is not an object',
  ])
  assert.ok(object?.kind === 'Node')
  assert.deepEqual(object.spec?.taints, [{ key: 'x' }])
})
