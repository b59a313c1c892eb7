/* Random Services and random packets: the machine and the kernel agree. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { indexTables } from '../../src/explain/ruleset.ts'
import type { Family } from '../../src/model/ip.ts'
import { type ClusterLab, createClusterLab } from '../lab/cluster.ts'
import { needs, root } from '../lab/requirements.ts'
import { enoughConnections, KernelNode, type Repeated } from './kernel-node.ts'
import { outcomesOf, sightsOf, tableOfWorld } from './machine.ts'
import { type RandomSituation, randomSituation } from './random-worlds.ts'
import type { Probe } from './sight.ts'
import { inVariant } from './situations.ts'

const clustersOfEachFamily = 40
const timeLimitMs = 60_000

describe('random packets in random clusters', { ...needs(root), concurrency: true }, () => {
  let lab: ClusterLab

  before(async () => {
    lab = await createClusterLab()
  })

  after(() => lab.close())

  for (const family of ['IPv4', 'IPv6'] as const) {
    test(`meet in the kernel what they meet in the machine, over ${family}`, async () => {
      const node = new KernelNode(lab, family)
      await fc.assert(
        fc.asyncProperty(randomSituation, (situation) =>
          assertAgreement(node, family, inVariant({ family, protocol: 'tcp' }, situation)),
        ),
        { numRuns: clustersOfEachFamily, interruptAfterTimeLimit: timeLimitMs },
      )
      node.close()
    })
  }
})

/** What the machine says of a packet. */
type Prediction = {
  readonly probe: Probe
  readonly sights: readonly string[]
  /** The kernel remembers the client from then on, or has since earlier: one of the endpoints answers. */
  readonly isStuck: boolean
}

async function assertAgreement(node: KernelNode, family: Family, { world, probes }: RandomSituation): Promise<void> {
  await node.enter(world)
  const ruleset = indexTables([tableOfWorld(world, family)])
  const predictions = probes.flatMap((probe): Prediction[] => {
    const outcomes = outcomesOf(ruleset, world, probe)
    const isToItself = outcomes.some(
      ({ destination, isMasqueraded }) => destination.address === probe.from && !isMasqueraded,
    )
    // An endpoint that other nodes have answers itself directly, past the node: such a connection never opens.
    if (isToItself) return []
    const isStuck = outcomes.some(({ setChanges }) => setChanges.length > 0)
    return [{ probe, sights: sightsOf(outcomes, probe), isStuck }]
  })
  const seen = await node.sights(predictions.map(repeated))
  for (const [index, prediction] of predictions.entries()) assertSights(prediction, seen[index] ?? [])
}

function repeated({ probe, sights, isStuck }: Prediction): Repeated {
  const count = isStuck || sights.length === 1 ? 5 : enoughConnections(sights.length)
  return { probe, count, isDropped: sights.includes('dropped') }
}

function assertSights({ probe, sights, isStuck }: Prediction, seen: readonly string[]): void {
  if (!isStuck) return assert.deepEqual(seen, sights, JSON.stringify(probe))
  assert.equal(seen.length, 1, JSON.stringify({ probe, seen }))
  assert.ok(sights.includes(seen[0] ?? ''), JSON.stringify({ probe, seen, sights }))
}
