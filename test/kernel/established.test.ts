/* What changes while clients are connected. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Host, HostConnection } from '../../src/demo/host.ts'
import type { EndpointSlice } from '../../src/kube/types.ts'
import { runInNamespace } from '../lab/program.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import type { Proxy } from '../sync/proxy.ts'
import { createPacketLab, type PacketLab, plans, seenBy } from './packets.ts'
import { elsewhere, onNode, serviceAt, sliceFor } from './services.ts'

describe('while a connection is established', needs(root), () => {
  let lab: PacketLab

  before(async () => {
    lab = await createPacketLab()
    await lab.serve('tcp', 80)
  })

  after(() => lab.close())

  for (const { family, plan } of plans) {
    describe(`over ${family}`, () => {
      const [clusterIp] = plan.clusterIps
      const [first, second] = plan.localEndpoints
      const [remote] = plan.remoteEndpoints
      const ports = [{ protocol: 'tcp', port: 80 }] as const
      const service = serviceAt('web', clusterIp, ports)
      const sliceOf = (...addresses: readonly string[]): EndpointSlice => sliceFor('web', onNode(...addresses), ports)
      const flow = { source: plan.pod, destination: clusterIp, protocol: 'tcp', port: 80 } as const
      const outside = { ...flow, source: plan.outsideClient }

      /** A proxy with one endpoint, and an open connection to it from each of two clients. */
      async function connected(): Promise<{
        proxy: Proxy
        assertAnswered: () => Promise<void>
        close: () => Promise<void>
      }> {
        const proxy = await lab.program(plan, [service, sliceOf(first)])
        const connections: HostConnection[] = []
        for (const source of [plan.pod, plan.outsideClient]) {
          connections.push(await lab.hostOf(source).openTcp(clusterIp, 80, { localAddress: source }))
        }
        return {
          proxy,
          async assertAnswered() {
            for (const connection of connections) {
              assert.equal(connection.first.outcome, 'answered')
              assert.deepEqual(await connection.ask(), connection.first)
            }
          },
          async close() {
            for (const connection of connections) await connection.close()
          },
        }
      }

      const changes: readonly [
        title: string,
        change: (proxy: Proxy) => void,
        expected: 'refused' | 'timeout' | string[],
      ][] = [
        ['its endpoint is removed', (proxy) => proxy.set(sliceOf()), 'refused'],
        ['its endpoint is replaced', (proxy) => proxy.set(sliceOf(second)), [second]],
        ['its Service is deleted', (proxy) => proxy.delete(service), 'timeout'],
        ['everything is deleted', (proxy) => proxy.delete(service, sliceOf(first)), 'timeout'],
        [
          'its endpoints are elsewhere under internal policy Local',
          (proxy) =>
            proxy.set(
              serviceAt('web', clusterIp, ports, { internalTrafficPolicy: 'Local' }),
              sliceFor('web', elsewhere(remote), ports),
            ),
          'timeout',
        ],
        ['the table is made anew', (proxy) => proxy.syncer.requireRebuild(), [first]],
      ]
      for (const [title, change, expected] of changes) {
        test(`G7: it goes on when ${title}`, async () => {
          const { proxy, assertAnswered, close } = await connected()
          await assertAnswered()
          change(proxy)
          await proxy.sync()
          await assertAnswered()
          await lab.assertFlow(flow, Array.isArray(expected) ? seenBy(expected, 80, plan.pod) : expected)
          await assertAnswered()
          await close()
        })
      }

      test('new connections go to the endpoints of the moment', async () => {
        const proxy = await lab.program(plan, [service, sliceOf(first)])
        for (const endpoints of [
          [first, second],
          [first, second, remote],
          [second, remote],
          [remote],
          [first, remote],
        ]) {
          await proxy.sync(sliceOf(...endpoints))
          await lab.assertFlow(flow, seenBy(endpoints, 80, plan.pod))
          await lab.assertFlow(outside, seenBy(endpoints, 80, plan.node))
        }
      })

      test('no new connection is lost while endpoints come and go', async () => {
        const proxy = await lab.program(plan, [service, sliceOf(first, second)])
        const stop = new AbortController()
        const failures = dialUntil(stop.signal, lab.hostOf(plan.pod), clusterIp)
        for (let round = 0; round < 60; round++) {
          await proxy.clock.goTo(1000 * round)
          await proxy.sync(round % 2 === 0 ? sliceOf(first, second, remote) : sliceOf(second))
        }
        stop.abort()
        assert.deepEqual(await failures, [])
      })

      test(
        'a connection that draws a slot that is gone meanwhile goes to another endpoint',
        needs(tool('nft')),
        async () => {
          await lab.program(plan, [service, sliceOf(first, second)])
          const inet = family === 'IPv4' ? 'ip' : 'ip6'
          const gone = ['element', inet, 'kube-proxy', 'endpoints-tcp', `{ ${clusterIp} . 80 . 1 }`]
          assert.equal(runInNamespace(lab.node.namespace, 'nft', ['delete', ...gone]).status, 0)
          await lab.assertFlow(flow, seenBy([first], 80, plan.pod))
          await lab.assertFlow(outside, seenBy([first], 80, plan.node))
        },
      )
    })
  }
})

/** Opens connections without a pause; returns what failed. */
async function dialUntil(signal: AbortSignal, host: Host, address: string): Promise<string[]> {
  const failed: string[] = []
  while (!signal.aborted) {
    const { failures } = await host.connectMany(address, 80, 20, { atOnce: 4, timeoutMs: 3000 })
    failed.push(...Object.keys(failures))
  }
  return failed
}
