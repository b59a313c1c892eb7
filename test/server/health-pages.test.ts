import assert from 'node:assert/strict'
import { test } from 'node:test'
import { healthPages } from '../../src/server/health-pages.ts'
import type { ProxyHealth } from '../../src/server/proxy-health.ts'
import type { ManualClock } from '../sync/manual-clock.ts'
import { deletedNode, goodNode, proxyHealth, taintedNode } from './health.ts'
import { ask, serve } from './http.ts'

type History = (health: ProxyHealth, clock: ManualClock) => void | Promise<void>

type Case = {
  readonly title: string
  readonly history: History
  readonly healthz: number
  readonly livez: number
  /** What `/healthz` says. */
  readonly healthy: boolean
  readonly nodeEligible?: boolean
  readonly families?: Readonly<Record<string, boolean>>
}

const both = { IPv4: true, IPv6: true }

/** H3: both families were in step, then IPv4 was asked for something 25 s ago. */
const waitingIpv4: History = async (health, clock) => {
  updateBoth(health)
  health.syncRequested('IPv4')
  await clock.goTo(25_000)
}

/** The limit is 10 s. The Node is known and in order where a history does not say otherwise. */
const cases: readonly Case[] = [
  { title: 'nothing has happened', history: () => {}, healthz: 200, livez: 200, healthy: true },
  {
    title: 'both families are idle',
    history: async (health, clock) => {
      updateBoth(health)
      await clock.goTo(25_000)
    },
    healthz: 200,
    livez: 200,
    healthy: true,
    families: both,
  },
  {
    title: 'a request for IPv4 waits',
    history: waitingIpv4,
    healthz: 503,
    livez: 503,
    healthy: false,
    families: { IPv4: false, IPv6: true },
  },
  {
    title: 'what waited is done',
    history: async (health, clock) => {
      await waitingIpv4(health, clock)
      updateBoth(health)
    },
    healthz: 200,
    livez: 200,
    healthy: true,
    families: both,
  },
  {
    title: 'both families were asked, only IPv4 is done',
    history: async (health, clock) => {
      updateBoth(health)
      health.syncRequested('IPv4')
      health.syncRequested('IPv6')
      await clock.goTo(25_000)
      health.syncDone('IPv4')
    },
    healthz: 503,
    livez: 503,
    healthy: false,
    families: { IPv4: true, IPv6: false },
  },
  {
    title: 'IPv6 waits while IPv4 is done again and again',
    history: async (health, clock) => {
      updateBoth(health)
      health.syncRequested('IPv6')
      for (const seconds of [5, 10, 15, 20, 25]) {
        health.syncRequested('IPv4')
        await clock.goTo(seconds * 1000)
        health.syncDone('IPv4')
      }
    },
    healthz: 503,
    livez: 503,
    healthy: false,
    families: { IPv4: true, IPv6: false },
  },
  {
    title: 'the Node has another taint',
    history: (health) => {
      updateBoth(health)
      health.setNode(taintedNode('ToBeDeletedBySomebody'))
    },
    healthz: 200,
    livez: 200,
    healthy: true,
    families: both,
  },
  {
    title: 'the autoscaler will delete the Node',
    history: (health) => {
      updateBoth(health)
      health.setNode(taintedNode('ToBeDeletedByClusterAutoscaler'))
    },
    healthz: 503,
    livez: 200,
    healthy: true,
    nodeEligible: false,
    families: both,
  },
  {
    title: 'the autoscaler has changed its mind',
    history: (health) => {
      updateBoth(health)
      health.setNode(taintedNode('ToBeDeletedByClusterAutoscaler'))
      health.setNode(goodNode)
    },
    healthz: 200,
    livez: 200,
    healthy: true,
    families: both,
  },
  {
    title: 'the Node is being deleted',
    history: (health) => {
      updateBoth(health)
      health.setNode(deletedNode)
    },
    healthz: 503,
    livez: 200,
    healthy: true,
    nodeEligible: false,
    families: both,
  },
]

for (const { title, history, ...expected } of cases) {
  test(`/healthz answers ${expected.healthz} and /livez ${expected.livez} when ${title}`, async (context) => {
    const { health, clock } = proxyHealth()
    health.setNode(goodNode)
    await history(health, clock)
    const port = await serve(context, healthPages({ health }))
    const [healthz, livez] = [await ask(port, '/healthz'), await ask(port, '/livez')]
    assert.deepEqual([healthz.status, livez.status], [expected.healthz, expected.livez])
    const told = JSON.parse(healthz.body)
    assert.equal(told.healthy, expected.healthy)
    assert.equal(told.nodeEligible, expected.nodeEligible ?? true)
    assert.deepEqual(familiesIn(told.status), expected.families)
  })
}

test('without a Node object /healthz answers 503 and /livez 200', async (context) => {
  const { health } = proxyHealth()
  const port = await serve(context, healthPages({ health }))
  assert.equal((await ask(port, '/healthz')).status, 503)
  assert.equal((await ask(port, '/livez')).status, 200)
})

test('with status 200 the last update is now, with 503 the latest of any family', async (context) => {
  const { health, clock } = proxyHealth()
  health.setNode(goodNode)
  health.loopStarted('IPv4')
  await clock.goTo(2000)
  health.syncDone('IPv6')
  health.syncRequested('IPv4')
  await clock.goTo(3500)
  const port = await serve(context, healthPages({ health }))
  const good = await ask(port, '/healthz')
  assert.equal(
    good.body,
    '{"lastUpdated":"2026-01-02T03:04:08.500Z","currentTime":"2026-01-02T03:04:08.500Z","nodeEligible":true,"healthy":true,' +
      '"status":{"IPv4":{"lastUpdated":"2026-01-02T03:04:05.000Z","healthy":true},' +
      '"IPv6":{"lastUpdated":"2026-01-02T03:04:07.000Z","healthy":true}}}',
  )
  assert.equal(good.headers['content-type'], 'application/json')
  assert.equal(good.headers['x-content-type-options'], 'nosniff')
  await clock.goTo(12_000)
  assert.equal(
    (await ask(port, '/livez', { method: 'POST' })).body,
    '{"lastUpdated":"2026-01-02T03:04:07.000Z","currentTime":"2026-01-02T03:04:17.000Z","healthy":false,' +
      '"status":{"IPv4":{"lastUpdated":"2026-01-02T03:04:05.000Z","healthy":false},' +
      '"IPv6":{"lastUpdated":"2026-01-02T03:04:07.000Z","healthy":true}}}',
  )
})

test('while no family is known the status is left out, and the last update of a 503 is the year 1', async (context) => {
  const { health } = proxyHealth()
  const port = await serve(context, healthPages({ health }))
  assert.equal(
    (await ask(port, '/healthz')).body,
    '{"lastUpdated":"0001-01-01T00:00:00Z","currentTime":"2026-01-02T03:04:05.000Z","nodeEligible":false,"healthy":true}',
  )
})

test('/readyz answers 503 until every family was programmed', async (context) => {
  const { health } = proxyHealth()
  for (const family of ['IPv4', 'IPv6'] as const) health.loopStarted(family)
  health.syncDone('IPv6')
  const port = await serve(context, healthPages({ health }))
  const before = await ask(port, '/readyz')
  assert.equal(before.status, 503)
  assert.equal(
    before.body,
    '{"currentTime":"2026-01-02T03:04:05.000Z","ready":false,"status":{"IPv4":{"programmed":false},"IPv6":{"programmed":true}}}',
  )
  health.syncDone('IPv4')
  assert.equal((await ask(port, '/readyz')).status, 200)
})

test('every method is answered, and every other path is not found', async (context) => {
  const { health } = proxyHealth({ isNodeNeeded: false })
  const port = await serve(context, healthPages({ health }))
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD']) {
    assert.equal((await ask(port, '/healthz', { method })).status, 200, method)
  }
  for (const path of ['/', '/healthz/', '/healthz/ping', '/livez/x', '/metrics', '//healthz', '/HEALTHZ']) {
    assert.equal((await ask(port, path)).status, 404, path)
  }
})

test('?verbose lists the checks and the facts of others as lines', async (context) => {
  const { health, clock } = proxyHealth()
  await waitingIpv4(health, clock)
  health.setNode(deletedNode)
  const port = await serve(context, healthPages({ health, facts: () => ['[+]API server connected'] }))
  const { status, headers, body } = await ask(port, '/healthz?verbose')
  assert.equal(status, 503)
  assert.equal(headers['content-type'], 'text/plain; charset=utf-8')
  assert.equal(
    body,
    '[-]ipv4-sync failed: a change has waited for 25 s\n[+]ipv6-sync ok\n' +
      '[-]node failed: the Node is being deleted\n[+]API server connected\nhealthz check failed\n',
  )
  const readyz = '[+]ipv4-programmed ok\n[+]ipv6-programmed ok\n[+]API server connected\nreadyz check passed\n'
  assert.equal((await ask(port, '/readyz?verbose=1')).body, readyz)
})

test('each answer is told, a page that is not found is not', async (context) => {
  const { health } = proxyHealth({ isNodeNeeded: false, families: ['IPv4'] })
  health.loopStarted('IPv4')
  const told: unknown[] = []
  const onAnswer = (...answer: unknown[]): unknown => told.push(answer)
  const port = await serve(context, healthPages({ health, onAnswer }))
  for (const path of ['/healthz', '/livez?x', '/readyz', '/nothing']) await ask(port, path)
  assert.deepEqual(
    told.map((answer) => (answer as unknown[]).slice(0, 2)),
    [
      ['healthz', 200],
      ['livez', 200],
      ['readyz', 503],
    ],
  )
})

function updateBoth(health: ProxyHealth): void {
  health.setNode(goodNode)
  health.syncDone('IPv4')
  health.syncDone('IPv6')
}

function familiesIn(status: Record<string, { healthy: boolean }> | undefined): Record<string, boolean> | undefined {
  if (status === undefined) return undefined
  return Object.fromEntries(Object.entries(status).map(([family, { healthy }]) => [family, healthy]))
}
