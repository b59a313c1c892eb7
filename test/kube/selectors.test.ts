import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeObject } from '../../src/kube/decode.ts'
import { isWatched, selectors } from '../../src/kube/selectors.ts'
import { rawService, rawSlice } from './fixtures.ts'
import type { Raw } from './fixtures.ts'

function isVisible(raw: Raw): boolean {
  const { object } = decodeObject(raw)
  assert.ok(object)
  return isWatched(object)
}

const proxyName = 'service.kubernetes.io/service-proxy-name'
const headless = 'service.kubernetes.io/headless'

const cases: [string, Raw, boolean][] = [
  ['a Service is visible', rawService(), true],
  ['a Service for another proxy is not', rawService({}, { labels: { [proxyName]: 'other' } }), false],
  ['a Service with an empty proxy name is not', rawService({}, { labels: { [proxyName]: '' } }), false],
  ['a Service with a null proxy name is not', rawService({}, { labels: { [proxyName]: null } }), false],
  ['a headless Service is not', rawService({ clusterIP: 'None' }), false],
  ['a Service without a cluster IP is visible', rawService({ clusterIP: '' }), true],
  ['a Service with the label of slices is visible', rawService({}, { labels: { [headless]: '' } }), true],
  ['a slice is visible', rawSlice(), true],
  ['a slice of a headless Service is not', rawSlice({}, { labels: { [headless]: '' } }), false],
  ['a slice of a Service for another proxy is visible', rawSlice({}, { labels: { [proxyName]: 'other' } }), true],
  ['a Node is visible', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } }, true],
]

for (const [title, raw, expected] of cases) {
  test(title, () => {
    assert.equal(isVisible(raw), expected)
  })
}

test('the selectors of a watch ask for what is visible', () => {
  assert.deepEqual(selectors, {
    Service: { labelSelector: `!${proxyName}`, fieldSelector: 'spec.clusterIP!=None' },
    EndpointSlice: { labelSelector: `!${headless}` },
  })
})
