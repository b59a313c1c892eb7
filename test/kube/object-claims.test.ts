import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { formatProblem } from '../../src/kube/manifest-problem.ts'
import { parseManifest } from '../../src/kube/manifest-text.ts'
import type { Manifest } from '../../src/kube/manifest-text.ts'
import { ObjectClaims } from '../../src/kube/object-claims.ts'
import type { KubeObject, ObjectEvent } from '../../src/kube/types.ts'
import { serviceText } from './fixtures.ts'

type Objects = Manifest['objects']

/** Services by name, with their ports. */
function services(ports: Record<string, number>): Objects {
  const text = Object.entries(ports).map(([name, port]) => serviceText(name, port))
  return parseManifest(text.join('---\n'), 'a.yaml').objects
}

/** Events as `cart:80` and `-cart`. */
function show(events: readonly ObjectEvent[]): string[] {
  return events.map((event) => (event.type === 'set' ? showObject(event.object) : `-${event.name}`))
}

function showObject(object: KubeObject): string {
  return object.kind === 'Service' ? `${object.metadata.name}:${object.spec.ports?.[0]?.port}` : object.metadata.name
}

function take(claims: ObjectClaims): { events: string[]; problems: string[] } {
  const { events, problems } = claims.takeEvents()
  return { events: show(events), problems: problems.map(formatProblem) }
}

describe('the events', () => {
  test('are the difference to what was taken before', () => {
    const claims = new ObjectClaims()
    claims.replace('a', services({ cart: 80, till: 80 }))
    assert.deepEqual(take(claims).events, ['cart:80', 'till:80'])
    claims.replace('a', services({ cart: 80, till: 81, desk: 80 }))
    assert.deepEqual(take(claims).events, ['till:81', 'desk:80'])
    claims.replace('a', services({ cart: 80 }))
    assert.deepEqual(take(claims).events, ['-till', '-desk'])
    assert.deepEqual(take(claims).events, [])
  })

  test('leave out what changed back, and what moved to another file', () => {
    const claims = new ObjectClaims()
    claims.replace('a', services({ cart: 80 }))
    claims.takeEvents()
    claims.replace('a', services({ cart: 81 }))
    claims.replace('a', services({ cart: 80 }))
    assert.deepEqual(take(claims).events, [])
    claims.replace('a', services({}))
    claims.replace('b', services({ cart: 80 }))
    assert.deepEqual(take(claims).events, [])
  })

  test('name kind, namespace and name of what is gone', () => {
    const claims = new ObjectClaims()
    claims.replace('a', services({ cart: 80 }))
    claims.takeEvents()
    claims.replace('a', services({}))
    assert.deepEqual(claims.takeEvents().events, [
      { type: 'deleted', kind: 'Service', namespace: 'shop', name: 'cart' },
    ])
  })
})

describe('an object in two files', () => {
  test('is the one in the first file by name, whichever came first; the other is reported once', () => {
    const claims = new ObjectClaims()
    claims.replace('b', services({ cart: 81 }))
    assert.deepEqual(take(claims), { events: ['cart:81'], problems: [] })
    claims.replace('a', services({ cart: 80 }))
    assert.deepEqual(take(claims), {
      events: ['cart:80'],
      problems: ['b: Service shop/cart is also in a, which is used'],
    })
    claims.replace('b', services({ cart: 82 }))
    assert.deepEqual(take(claims), { events: [], problems: [] })
  })

  test('is taken over by the other file when the first gives it up, and reported again when it comes back', () => {
    const claims = new ObjectClaims()
    claims.replace('a', services({ cart: 80 }))
    claims.replace('b', services({ cart: 81 }))
    assert.equal(take(claims).problems.length, 1)
    claims.replace('a', services({}))
    assert.deepEqual(take(claims), { events: ['cart:81'], problems: [] })
    claims.replace('a', services({ cart: 80 }))
    assert.deepEqual(take(claims).problems.length, 1)
  })

  test('is decided by the bytes of the file names', () => {
    const claims = new ObjectClaims()
    claims.replace('\u{1F600}', services({ cart: 2 }))
    claims.replace('\uFFFD', services({ cart: 1 }))
    assert.deepEqual(take(claims).events, ['cart:1'])
  })
})

test('the events of any history, applied, give what the files say in the end', () => {
  const file = fc.constantFrom('a', 'b', 'c')
  const content = fc.dictionary(fc.constantFrom('cart', 'till', 'desk'), fc.integer({ min: 80, max: 82 }))
  fc.assert(
    fc.property(fc.array(fc.tuple(file, content, fc.boolean()), { maxLength: 20 }), (steps) => {
      const claims = new ObjectClaims()
      const files = new Map<string, Objects>()
      const applied = new Map<string, string>()
      const apply = (): void => {
        for (const event of claims.takeEvents().events) {
          if (event.type === 'set') applied.set(event.object.metadata.name, showObject(event.object))
          else assert.ok(applied.delete(event.name))
        }
      }
      for (const [file, ports, isTaken] of steps) {
        const objects = services(ports)
        claims.replace(file, objects)
        files.set(file, objects)
        if (isTaken) apply()
      }
      apply()
      const expected = new Map<string, string>()
      for (const file of ['c', 'b', 'a']) {
        for (const object of files.get(file)?.values() ?? []) expected.set(object.metadata.name, showObject(object))
      }
      assert.deepEqual(applied, expected)
    }),
    { numRuns: 50 },
  )
})
