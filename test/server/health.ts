import { type NodeObject, type ProxyHealthOptions, ProxyHealth } from '../../src/server/proxy-health.ts'
import { ManualClock } from '../sync/manual-clock.ts'

/** The time of day when a test's clock stands at 0. */
export const startTime = Date.UTC(2026, 0, 2, 3, 4, 5)

/** The health of a dual-stack proxy with a limit of 10 s, and the clock that it goes by. */
export function proxyHealth(options: Partial<ProxyHealthOptions> = {}): { health: ProxyHealth; clock: ManualClock } {
  const clock = new ManualClock()
  const health = new ProxyHealth({
    families: ['IPv4', 'IPv6'],
    syncPeriodMs: 5000,
    isNodeNeeded: true,
    clock,
    wallClock: () => new Date(startTime + clock.now()),
    ...options,
  })
  return { health, clock }
}

/** A Node object without anything against it. */
export const goodNode = { metadata: {} } satisfies NodeObject

export const deletedNode = { metadata: { deletionTimestamp: '2026-01-02T03:04:05Z' } } satisfies NodeObject

export function taintedNode(key: string): NodeObject {
  return { metadata: {}, spec: { taints: [{ key: 'node.kubernetes.io/unschedulable' }, { key }] } }
}
