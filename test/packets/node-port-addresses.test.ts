/* The node's addresses come and go while the program runs. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { ManifestAgent } from '../../src/agent/manifest-agent.ts'
import { dataplaneConfig } from '../../src/config/dataplane-flags.ts'
import { ManifestDirectory, service, slice } from '../cli/manifests.ts'
import { families } from '../lab/addresses.ts'
import { type ClusterLab, createClusterLab } from '../lab/cluster.ts'
import { needs, root } from '../lab/requirements.ts'
import { KernelNode } from './kernel-node.ts'

/** An address that has come or gone is noticed, and the table changed, in so much time. */
const soonMs = 1000
const nodePort = 3001

describe('node ports on a range', needs(root), () => {
  let lab: ClusterLab

  before(async () => {
    lab = await createClusterLab()
    await Promise.all([lab.serve('tcp', 80), lab.serve('tcp', 8080), lab.serve('tcp', nodePort, bystanders)])
  })

  after(() => lab.close())

  for (const [name, plan] of Object.entries(families)) {
    test(`follow the node’s addresses within a second, over ${name}`, async (context) => {
      const [endpoint] = plan.localEndpoints
      const [address] = plan.externalIps
      const [clusterIp] = plan.clusterIps
      const spec = { type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort }] }
      const manifests = await ManifestDirectory.create(context, {
        'web.json': [service('web', clusterIp, spec), slice('web', [endpoint])],
      })
      const node = new KernelNode(lab, name === 'ipv4' ? 'IPv4' : 'IPv6')
      const agent = new ManifestAgent({
        manifests: manifests.path,
        nodeName: 'node-1',
        families: ['IPv4', 'IPv6'],
        dataplane: dataplaneConfig({ nodeportAddresses: plan.externalRange }),
        minSyncPeriodMs: 0,
        retryPeriodMs: 1000,
        log: pino({ level: 'silent' }),
        inNamespace: (open) => lab.node.namespace.run(open),
      })

      /** Resolves with the time that it took until this one answers at the node port. */
      async function untilAnswered(by: string): Promise<number> {
        const start = performance.now()
        for (;;) {
          const flow = { source: plan.outsideClient, destination: address, port: nodePort, timeoutMs: 100 }
          const outcome = await lab.send(flow)
          const elapsedMs = performance.now() - start
          if (outcome.outcome === 'answered' && outcome.endpoint.address === by) return elapsedMs
          assert.ok(elapsedMs < 5 * soonMs, `after ${elapsedMs} ms ${by} has not answered: ${JSON.stringify(outcome)}`)
          await sleep(10)
        }
      }

      assert.equal(await agent.start(), true)
      await untilAnswered(address)
      for (let round = 0; round < 3; round++) {
        await node.bind([address])
        assert.ok((await untilAnswered(endpoint)) < soonMs)
        await node.bind([])
        assert.ok((await untilAnswered(address)) < soonMs)
      }
      await agent.close()
      node.close()
    })
  }
})

/** Who answers when the address is not the node’s. */
const bystanders = Object.values(families).map(({ externalIps }) => externalIps[0])
