import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeObject } from '../../src/kube/decode.ts'
import { formatWarning } from '../../src/kube/types.ts'

function decode(cidrs: unknown): ReturnType<typeof decodeObject> {
  return decodeObject({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: 'kubernetes', deletionTimestamp: null },
    spec: { cidrs },
    status: { conditions: [{ type: 'Ready', status: 'False' }] },
  })
}

test('a ServiceCIDR keeps its ranges as written, whatever its conditions', () => {
  const { object, warnings } = decode(['172.30.0.0/16', 'fd00:10:96::/112', 'x'])
  assert.ok(object?.kind === 'ServiceCIDR')
  assert.deepEqual(object.spec.cidrs, ['172.30.0.0/16', 'fd00:10:96::/112', 'x'])
  assert.deepEqual(warnings, [])
})

test('a range that is not a string is left out with a warning', () => {
  assert.deepEqual(decode([7]).warnings.map(formatWarning), [
    'ServiceCIDR kubernetes: spec.cidrs[0]: 7 is not a string',
  ])
})
