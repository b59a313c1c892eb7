import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Placed } from '../../src/dataplane/elements.ts'
import { drop, goto } from '../../src/nft/expressions.ts'
import { intervalElements } from '../../src/nft/intervals.ts'
import type { SetElement } from '../../src/nft/objects.ts'
import { diffPacked, elementKey, forEachPacked, packElements, type SetNumbers } from '../../src/sync/packed-elements.ts'

const names = ['frontends', 'values', 'shared', 'many-sets-later']
const sets: SetNumbers = { of: (name) => names.indexOf(name), isShared: (number) => names[number] === 'shared' }

/** Few keys, so that what is wanted and what is there have many in common. */
const key = fc.integer({ min: 0, max: 7 }).map((number) => Uint8Array.of(172, 30, 0, number))
const verdictElement = fc.record(
  {
    key,
    verdict: fc.constantFrom(drop, goto('pick-tcp-1'), goto('pick-tcp-2')),
    comment: fc.constantFrom('a/b', 'a/c:http'),
  },
  { requiredKeys: ['key', 'verdict'] },
)
const valueElement = fc.record({ key, value: fc.uint8Array({ minLength: 1, maxLength: 5 }) })
const placed: fc.Arbitrary<Placed> = fc.oneof(
  verdictElement.map((element) => ({ set: 'frontends', element })),
  valueElement.map((element) => ({ set: 'values', element })),
  key.map((key) => ({ set: 'shared', element: { key } })),
  valueElement.map((element) => ({ set: 'many-sets-later', element })),
)
const contents = fc.uniqueArray(placed, {
  selector: ({ set, element }) => `${set} ${element.key.join('.')}`,
  maxLength: 12,
})

type Packed = { readonly set: number; readonly element: string }

function unpacked(elements: readonly Placed[]): Packed[] {
  const all: Packed[] = []
  forEachPacked(packElements(elements, sets), (set, element) => all.push({ set, element }))
  return all
}

function difference(before: readonly Placed[], after: readonly Placed[]) {
  const removed: Packed[] = []
  const added: Packed[] = []
  diffPacked(
    packElements(before, sets),
    packElements(after, sets),
    (set, element) => removed.push({ set, element }),
    (set, element) => added.push({ set, element }),
  )
  return { removed, added }
}

/** In one set, with one key: what the kernel holds at most once. */
const identity = ({ set, element }: Packed): string => elementKey(set, element)
const text = ({ set, element }: Packed): string => `${set} ${Buffer.from(element, 'latin1').toString('hex')}`

describe('the difference of packed elements', () => {
  test('turns what is there into what is wanted, removals first', () => {
    fc.assert(
      fc.property(contents, contents, (before, after) => {
        const { removed, added } = difference(before, after)
        const held = new Map(unpacked(before).map((one) => [identity(one), one]))
        for (const one of removed) {
          assert.equal(held.get(identity(one))?.element, one.element, 'what is removed is there')
          held.delete(identity(one))
        }
        for (const one of added) {
          assert.ok(!held.has(identity(one)), 'the place of what is added is free')
          held.set(identity(one), one)
        }
        assert.deepEqual([...held.values()].map(text).sort(), unpacked(after).map(text).sort())
      }),
    )
  })

  test('is empty for equal contents in whatever order', () => {
    fc.assert(
      fc.property(contents, (all) => {
        assert.deepEqual(difference(all, all.toReversed()), { removed: [], added: [] })
      }),
    )
  })

  const frontend = { key: Uint8Array.of(172, 30, 0, 41), verdict: goto('pick-tcp-2'), comment: 'shop/cart:http' }
  const changes: readonly [title: string, after: SetElement][] = [
    ['another comment', { ...frontend, comment: 'shop/cart:web' }],
    ['another verdict', { ...frontend, verdict: goto('pick-tcp-3') }],
    ['no comment any more', { key: frontend.key, verdict: frontend.verdict }],
  ]
  for (const [title, element] of changes) {
    test(`removes and adds an element that has ${title}`, () => {
      const [before, after] = [[{ set: 'frontends', element: frontend }], [{ set: 'frontends', element }]]
      assert.deepEqual(difference(before, after), { removed: unpacked(before), added: unpacked(after) })
    })
  }

  test('tells the end of a range from the begin of the next one', () => {
    const ranges = intervalElements([
      { address: Uint8Array.of(10, 96, 0, 0), prefixLength: 16 },
      { address: Uint8Array.of(10, 97, 0, 0), prefixLength: 16 },
    ]).map((element) => ({ set: 'values', element }))
    assert.equal(difference(ranges, []).removed.length, ranges.length)
    assert.equal(difference([...ranges, { set: 'shared', element: frontend }], ranges).removed.length, 1)
  })
})

test('a shared element is packed once however often it is wanted', () => {
  const element = { key: Uint8Array.of(172, 30, 0, 41) }
  assert.equal(
    unpacked([
      { set: 'shared', element },
      { set: 'values', element },
      { set: 'shared', element },
    ]).length,
    2,
  )
})

test('nothing packs to nothing', () => {
  assert.equal(packElements([], sets), '')
  assert.deepEqual(difference([], []), { removed: [], added: [] })
})
