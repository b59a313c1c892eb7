/* The packet tables, run with real packets through the kernel. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type ClusterLab, createClusterLab } from '../lab/cluster.ts'
import { needs, root } from '../lab/requirements.ts'
import { enoughConnections, KernelNode, type Repeated } from './kernel-node.ts'
import { expectedSights } from './sight.ts'
import { type Case, situationsOf, type Variant, variants } from './situations.ts'
import { tables } from './tables.ts'

describe('real packets', { ...needs(root), concurrency: true }, () => {
  let lab: ClusterLab

  before(async () => {
    lab = await createClusterLab()
  })

  after(() => lab.close())

  // The families have tables of their own and do not disturb each other.
  for (const family of ['IPv4', 'IPv6'] as const) {
    describe(`over ${family}`, { concurrency: false }, () => {
      let node: KernelNode

      before(() => {
        node = new KernelNode(lab, family)
      })

      after(() => node.close())

      for (const variant of variants.filter((variant) => variant.family === family)) {
        describe(variant.protocol, { concurrency: false }, () => runTables(variant, () => node))
      }
    })
  }
})

/** One situation after the other. */
function runTables(variant: Variant, node: () => KernelNode): void {
  for (const scenario of Object.values(tables).flat()) {
    for (const { title, world, cases } of situationsOf(scenario, variant)) {
      describe(title, () => {
        // The others, and why they cannot be sent, are listed by the test of the tables.
        const real = cases.filter(({ machineOnly }) => machineOnly === undefined)
        const sights = new Map<Case, readonly string[]>()

        before(async () => {
          await node().enter(world)
          const seen = await node().sights(real.map(repeated))
          for (const [index, one] of real.entries()) sights.set(one, seen[index] ?? [])
        })

        for (const one of real) {
          test(one.title, () => {
            assert.deepEqual(sights.get(one), expectedSights(one.probe, one.expect))
          })
        }
      })
    }
  }
}

function repeated({ probe, expect }: Case): Repeated {
  const count = typeof expect === 'string' ? 3 : enoughConnections(expect.endpoints.length)
  return { probe, count, isDropped: expect === 'dropped' }
}
