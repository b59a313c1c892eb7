/* What changes while clients come: no connection is lost, and none goes where it should not. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Host } from '../../src/demo/host.ts'
import { ipv4 } from '../lab/addresses.ts'
import { type ClusterLab, createClusterLab } from '../lab/cluster.ts'
import { needs, root } from '../lab/requirements.ts'
import { ip } from '../model/fixtures.ts'
import { inOtherFamily } from './families.ts'
import { enoughConnections, KernelNode } from './kernel-node.ts'
import { expectedSights } from './sight.ts'
import { masqueraded, type Reached } from './table.ts'
import { here, podsByRange, port, remote, service, type TestService, type World, world } from './world.ts'

const patienceMs = 3000
const [older, younger] = ['2024-01-01T00:00:00Z', '2025-01-01T00:00:00Z']

const { clusterIps, externalIps, loadBalancerIps, localEndpoints, outsideClient, pod, node: nodeIp } = ipv4
const [e1, e2, e3, e4] = localEndpoints

describe('while clients come', { ...needs(root), concurrency: true }, () => {
  let lab: ClusterLab

  before(async () => {
    lab = await createClusterLab()
  })

  after(() => lab.close())

  for (const family of ['IPv4', 'IPv6'] as const) {
    describe(`over ${family}`, { concurrency: false }, () => {
      const inFamily = <T>(data: T): T => (family === 'IPv4' ? data : inOtherFamily(data))
      const [externalIp, vip] = inFamily<[string, string]>([externalIps[0], loadBalancerIps[0]])
      const [client, podIp, main] = inFamily<[string, string, string]>([outsideClient, pod, nodeIp])
      let node: KernelNode

      before(() => {
        node = new KernelNode(lab, family)
      })

      after(() => node.close())

      /** New connections are served by these, and by all of them. */
      async function assertServed(to: string, port: number, reached: Reached): Promise<void> {
        const probe = { from: ip(client), to: ip(to), port, protocol: 'tcp' } as const
        const count = enoughConnections(reached.endpoints.length)
        const [seen] = await node.sights([{ probe, count }])
        assert.deepEqual(seen, expectedSights(probe, reached))
      }

      test('a frontend that two Services claim is the older one’s, and the other one’s at once when that goes', async () => {
        const claimed = { type: 'NodePort', externalIps: [externalIps[0]], ports: [port({ nodePort: 3001 })] } as const
        const first = service({ ...claimed, createdAt: older, endpoints: [here(e1)] })
        const second = service({
          ...claimed,
          name: 'svc2',
          clusterIp: clusterIps[1],
          createdAt: younger,
          endpoints: [here(e2), here(e3), remote(e4)],
        })
        const [both, one] = inFamily<[World, World]>([
          world({ services: [second, first] }),
          world({ services: [second] }),
        ])
        const [ofFirst, ofSecond] = inFamily<[Reached, Reached]>([masqueraded([e1]), masqueraded([e2, e3, e4])])
        await node.enter(both)
        await node.serveEndpoints(one)
        const stop = new AbortController()
        const losses = [
          dialUntil(stop.signal, lab.hostOf(client), externalIp, 80),
          dialUntil(stop.signal, lab.hostOf(podIp), main, 3001),
        ]
        for (let round = 0; round < 10; round++) {
          await node.change(round % 2 === 0 ? both : one)
          for (const [to, port] of [
            [externalIp, 80],
            [main, 3001],
          ] as const) {
            await assertServed(to, port, round % 2 === 0 ? ofFirst : ofSecond)
          }
        }
        stop.abort()
        assert.deepEqual(await Promise.all(losses), [[], []])
      })

      test('G7 an established connection stays with its endpoint when that goes, whatever it dialled', async () => {
        const given = (externalPolicy: TestService['externalPolicy'], endpoints: TestService['endpoints']): World =>
          inFamily(
            world({
              services: [
                service({
                  type: 'LoadBalancer',
                  loadBalancerIps: [loadBalancerIps[0]],
                  nodePort: 3001,
                  externalPolicy,
                  endpoints,
                }),
              ],
            }),
          )
        for (const policy of ['Cluster', 'Local'] as const) {
          await node.enter(given(policy, [here(e1)]))
          await node.serveEndpoints(given(policy, [here(e2)]))
          const connections = await Promise.all([
            lab.hostOf(client).openTcp(vip, 80, { localAddress: client }),
            lab.hostOf(client).openTcp(main, 3001, { localAddress: client }),
            lab.hostOf(podIp).openTcp(vip, 80, { localAddress: podIp }),
          ])
          for (const endpoints of [[here(e2)], [remote(e2)], []]) {
            await node.change(given(policy, endpoints))
            for (const connection of connections) {
              assert.equal(connection.first.outcome, 'answered')
              assert.deepEqual(await connection.ask(), connection.first)
            }
          }
          for (const connection of connections) await connection.close()
        }
      })

      test('twenty times the Services need no chain more', async () => {
        const chains = async (count: number): Promise<readonly string[]> => {
          await node.change(inFamily(world({ flags: { ...podsByRange, nodeportAddresses: '' } })))
          await node.change({ ...inFamily(world()), services: manyServices(count, family === 'IPv4') })
          return ((await node.read())?.chains ?? []).map(({ name }) => name).sort()
        }
        const few = await chains(20)
        assert.deepEqual(await chains(400), few)
      })
    })
  }
})

/** Opens connections without a pause; returns what failed. */
async function dialUntil(signal: AbortSignal, host: Host, address: string, port: number): Promise<readonly string[]> {
  const failed: string[] = []
  while (!signal.aborted) {
    const { failures } = await host.connectMany(address, port, 20, { atOnce: 4, timeoutMs: patienceMs })
    failed.push(...Object.keys(failures))
  }
  return failed
}

/** Services of two kinds with all that a Service can have, each with addresses and ports of its own. */
function manyServices(count: number, isIpv4: boolean): readonly TestService[] {
  const address = (network: string, index: number): string =>
    isIpv4
      ? `${network}.${index >> 8}.${index & 0xff}`
      : `fd00:${network.replace('.', ':')}::${(index + 1).toString(16)}`
  return Array.from({ length: count }, (_, index) =>
    service({
      name: `svc${index}`,
      type: 'LoadBalancer',
      clusterIp: address('172.30', index),
      externalIps: [address('198.18', index)],
      loadBalancerIps: [address('198.19', index)],
      nodePort: 30_000 + index,
      externalPolicy: index % 2 === 0 ? 'Cluster' : 'Local',
      sourceRanges: [isIpv4 ? ipv4.sourceRange : inOtherFamily<string>(ipv4.sourceRange)],
      affinitySeconds: 10_800,
      endpoints: [here(address('10.200', 2 * index)), remote(address('10.200', 2 * index + 1))],
    }),
  )
}
