import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deletedNode, proxyHealth, startTime } from './health.ts'

test('a request that waits for the limit makes its family unhealthy, one that waits less does not', async () => {
  const { health, clock } = proxyHealth()
  health.loopStarted('IPv4')
  health.syncRequested('IPv4')
  await clock.goTo(9999)
  assert.equal(health.isHealthy, true)
  await clock.goTo(10_000)
  assert.equal(health.isHealthy, false)
})

test('the oldest request counts, not the latest', async () => {
  const { health, clock } = proxyHealth()
  health.loopStarted('IPv4')
  health.syncRequested('IPv4')
  await clock.goTo(6000)
  health.syncRequested('IPv4')
  await clock.goTo(10_000)
  assert.deepEqual(
    health.report().families.map(({ pendingMs }) => pendingMs),
    [10_000],
  )
  assert.equal(health.isHealthy, false)
})

test('a family whose loop never started is left out', async () => {
  const { health, clock } = proxyHealth()
  health.syncRequested('IPv6')
  health.loopStarted('IPv4')
  await clock.goTo(60_000)
  const { families, isHealthy } = health.report()
  assert.deepEqual(
    families.map(({ family }) => family),
    ['IPv4'],
  )
  assert.equal(isHealthy, true)
})

test('a first sync that fails leaves the proxy healthy until a change has waited too long', async () => {
  const { health, clock } = proxyHealth()
  health.loopStarted('IPv4')
  await clock.goTo(100_000)
  assert.equal(health.isHealthy, true)
  health.syncRequested('IPv4')
  await clock.goTo(110_000)
  assert.equal(health.isHealthy, false)
})

test('the latest update of any family is the last update', async () => {
  const { health, clock } = proxyHealth()
  assert.equal(health.report().lastUpdated, undefined)
  health.loopStarted('IPv4')
  await clock.goTo(3000)
  health.syncDone('IPv6')
  await clock.goTo(7000)
  assert.deepEqual(health.report().lastUpdated, new Date(startTime + 3000))
})

test('the proxy is ready when every family was programmed, and stays so', async () => {
  const { health, clock } = proxyHealth()
  for (const family of ['IPv4', 'IPv6'] as const) health.loopStarted(family)
  assert.equal(health.isReady, false)
  health.syncDone('IPv6')
  assert.equal(health.isReady, false)
  health.syncDone('IPv4')
  assert.equal(health.isReady, true)
  health.syncRequested('IPv4')
  await clock.goTo(60_000)
  assert.equal(health.isReady, true)
})

test('without need of a Node object the Node is eligible until something is known against it', () => {
  const { health } = proxyHealth({ isNodeNeeded: false })
  assert.equal(health.report().nodeProblem, undefined)
  health.setNode(deletedNode)
  assert.equal(health.report().nodeProblem, 'the Node is being deleted')
})
