/* Session affinity, through the whole table that the dataplane makes: each connection finds what the ones before left. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SetChange } from '../../src/explain/trace.ts'
import { ipv4 } from '../lab/addresses.ts'
import { cluster, endpointsOf, loadBalancer, local, remote, result } from './cluster.ts'

const { pod, otherPod, outsideClient: outside, node } = ipv4
const spec = {
  clusterIPs: ['172.30.0.41'],
  sessionAffinity: 'ClientIP',
  sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } },
} as const
const services = [loadBalancer('web', spec, { ips: ['1.2.3.4'], nodePort: 3001 })]
const endpoints = [local('10.180.0.1'), remote('10.180.1.1')]
const send = cluster({ services, slices: [endpointsOf('web', ...endpoints)] })
const flow = { source: pod, destination: '172.30.0.41', port: 80 }

describe('session affinity', () => {
  test('lets a new client go anywhere, and remembers where it went', () => {
    const outcomes = send(flow)
    assert.equal(result(outcomes), '10.180.0.1:80,10.180.1.1:80')
    assert.ok(
      outcomes.every(({ setChanges }) => setChanges.length === 1 && setChanges[0]?.element.timeoutMs === 10_800_000),
    )
  })

  for (const [title, dialled] of [
    ['a cluster IP', flow],
    ['a load-balancer IP', { source: outside, destination: '1.2.3.4', port: 80 }],
    ['a node port', { source: outside, destination: node, port: 3001 }],
    ['a node port of the node itself', { source: node, destination: node, port: 3001 }],
  ] as const) {
    test(`leads a client of ${title} to where it was, and its time begins anew`, () => {
      const outcomes = send(dialled)
      assert.equal(outcomes.length, 2)
      for (const { destination, setChanges } of outcomes) {
        const again = send({ ...dialled, setChanges })
        assert.equal(again.length, 1)
        assert.deepEqual(again[0]?.destination, destination)
        assert.deepEqual(
          again[0]?.setChanges.map(({ change }) => change),
          ['added', 'refreshed'],
        )
      }
    })
  }

  test('forgets a client after its time', () => {
    const expired = (send(flow)[0]?.setChanges ?? []).map((change): SetChange => ({
      ...change,
      element: { ...change.element, expiresMs: 0 },
    }))
    assert.equal(send({ ...flow, setChanges: expired }).length, 2)
  })

  test('is of each client', () => {
    const setChanges = send(flow)[0]?.setChanges ?? []
    assert.equal(send({ ...flow, source: otherPod, setChanges }).length, 2)
  })

  test('does not change who is masqueraded', () => {
    const setChanges = send({ ...flow, source: outside })[0]?.setChanges ?? []
    assert.equal(result(send({ ...flow, source: outside, setChanges })), '10.180.0.1:80 masqueraded')
  })
})
