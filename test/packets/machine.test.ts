/* The packet tables, run through the machine. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { elementTexts } from '../../src/nft/render-element.ts'
import { machineOf, tableOfWorld } from './machine.ts'
import { expectedSights } from './sight.ts'
import { situationsOf, variants } from './situations.ts'
import { tables } from './tables.ts'
import { mixedClusterElements, mixedWorld } from './tables/mixed-cluster.ts'
import { world } from './world.ts'

for (const variant of variants) {
  describe(`imagined packets of ${variant.protocol} over ${variant.family}`, () => {
    for (const scenario of Object.values(tables).flat()) {
      for (const { title, family, world, cases } of situationsOf(scenario, variant)) {
        describe(title, () => {
          const sights = machineOf(world, family)
          for (const { title, probe, expect } of cases) {
            test(title, () => assert.deepEqual(sights(probe), expectedSights(probe, expect)))
          }
        })
      }
    }
  })
}

test('W six Services of different kinds are these elements and no other', () => {
  const { sets, elements } = tableOfWorld(world(mixedWorld), 'IPv4')
  const found = sets.flatMap((set) => {
    const texts = elementTexts(set, elements.get(set.name) ?? [])
    return texts.length === 0 ? [] : [[set.name, texts.sort()] as const]
  })
  const expected = Object.entries(mixedClusterElements).map(([set, texts]) => [set, texts.toSorted()] as const)
  assert.deepEqual(Object.fromEntries(found), Object.fromEntries(expected))
})
