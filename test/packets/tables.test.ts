import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inOtherFamily } from './families.ts'
import { tables } from './tables.ts'
import { affinityScenarios } from './tables/affinity.ts'

/** How many rows each table has at least: its numbers begin at 1 and none is left out. */
const lastNumbers = { N: 6, C: 11, L: 13, P: 13, X: 7, I: 4, T: 8, M: 27, F: 11, G: 6, S: 8, D: 8, H: 9 }

const ids = Object.values(tables)
  .flat()
  .flatMap(({ rows }) => rows.map(({ id }) => id))

describe('the packet tables', () => {
  test('use every id once', () => {
    assert.deepEqual(
      ids.filter((id, index) => ids.indexOf(id) !== index),
      [],
    )
  })

  for (const [letter, last] of Object.entries(lastNumbers)) {
    test(`have ${letter}1 to ${letter}${last}`, () => {
      const wanted = Array.from({ length: last }, (_, index) => `${letter}${index + 1}`)
      assert.deepEqual(
        wanted.filter((id) => !ids.some((found) => new RegExp(`^${id}[a-z]?$`).test(found))),
        [],
      )
    })
  }

  test('name only columns that there are', () => {
    const unknown = Object.values(tables)
      .flat()
      .flatMap(({ columns = {}, rows }) =>
        rows.flatMap(({ id, in: others = {} }) =>
          Object.keys(others)
            .filter((column) => !Object.hasOwn(columns, column))
            .map((column) => `${id} ${column}`),
        ),
      )
    assert.deepEqual(unknown, [])
  })

  test('run in the kernel too, but for one row that cannot be sent', () => {
    const notSent = Object.values(tables)
      .flat()
      .flatMap(({ rows }) =>
        rows.flatMap(({ id, machineOnly }) => (machineOnly === undefined ? [] : [[id, machineOnly]])),
      )
    assert.deepEqual(notSent, [['C7', 'Node.js has no SCTP sockets']])
  })

  test('mean the same when they change into the other family and back', () => {
    assert.deepEqual(inOtherFamily(inOtherFamily(tables)), tables)
    assert.deepEqual(inOtherFamily(inOtherFamily(affinityScenarios)), affinityScenarios)
  })
})
