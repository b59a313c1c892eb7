/* The fast path decides nothing: whoever gets where without it gets there with it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fastpathTable } from '../../src/dataplane/fastpath.ts'
import { indexTables } from '../../src/explain/ruleset.ts'
import { clusterPlan } from '../lab/plan.ts'
import { outcomesOf, sightsOf, tableOfWorld } from './machine.ts'
import { expectedSights } from './sight.ts'
import { situationsOf, variants } from './situations.ts'
import { tables } from './tables.ts'

const fastpath = fastpathTable({
  threshold: 1,
  selection: 'label',
  interfaces: [clusterPlan.outside.link, ...Object.values(clusterPlan.pods).map(({ link }) => link)],
  devices: [],
  noOffload: [],
  hasCounters: true,
})

for (const variant of variants) {
  describe(`with the fast path on, imagined packets of ${variant.protocol} over ${variant.family} meet the same`, () => {
    for (const scenario of Object.values(tables).flat()) {
      test(scenario.title, () => {
        for (const { family, world, cases } of situationsOf(scenario, variant)) {
          const withFastpath = { ...world, hasFastpath: true }
          const ruleset = indexTables([tableOfWorld(withFastpath, family), fastpath])
          for (const { title, probe, expect } of cases) {
            const sights = sightsOf(outcomesOf(ruleset, withFastpath, probe), probe)
            assert.deepEqual(sights, expectedSights(probe, expect), title)
          }
        }
      })
    }
  })
}
