import assert from 'node:assert/strict'
import { test } from 'node:test'
import { healthCheckFailureEvent, nodeEvent } from '../../src/agent/events.ts'

test('what concerns the agent is told of its Node, by name alone', () => {
  assert.deepEqual(nodeEvent('node-1', 'Normal', 'Starting'), {
    type: 'Normal',
    reason: 'Starting',
    action: 'StartKubeProxy',
    note: '',
    regarding: { kind: 'Node', apiVersion: 'v1', name: 'node-1' },
  })
})

test('a health-check port that cannot be opened is told of its Service, with node, port and cause', () => {
  const failure = { service: 'shop/cart', port: 30_999, host: '0.0.0.0', error: new Error('EADDRINUSE') } as const
  assert.deepEqual(healthCheckFailureEvent('node-1', failure), {
    type: 'Warning',
    reason: 'FailedToStartServiceHealthcheck',
    action: 'Listen',
    note: 'Node node-1 cannot answer health checks of Service shop/cart: 0.0.0.0 port 30999: EADDRINUSE',
    regarding: { kind: 'Service', apiVersion: 'v1', namespace: 'shop', name: 'cart' },
  })
})
