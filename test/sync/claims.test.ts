import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ObjectKey } from '../../src/kube/types.ts'
import { Claims } from '../../src/sync/claims.ts'

const frontend = '172.30.0.41:80/tcp'

/** Claims of one frontend, preferred in the order of their names. */
function claims(...claimants: readonly ObjectKey[]): Claims {
  const all = new Claims((a, b) => (a < b ? -1 : 1))
  for (const claimant of claimants) all.add(frontend, claimant)
  return all
}

test('nobody owns a frontend that nobody claims', () => {
  assert.equal(claims().owner(frontend), undefined)
  assert.deepEqual(claims().claimants(frontend), [])
})

test('the preferred claimant owns the frontend, whoever came first', () => {
  for (const order of [
    ['a/old', 'a/young'],
    ['a/young', 'a/old'],
  ] as const) {
    assert.equal(claims(...order).owner(frontend), 'a/old')
    assert.deepEqual(claims(...order).claimants(frontend), ['a/old', 'a/young'])
  }
})

test('a claim tells whether others claim the frontend too', () => {
  const all = claims()
  assert.equal(all.add(frontend, 'a/young'), false)
  assert.equal(all.add(frontend, 'a/old'), true)
  assert.equal(all.add('172.30.0.41:81/tcp', 'a/old'), false)
})

test('a claim that is repeated counts once', () => {
  const all = claims('a/old', 'a/old', 'a/young')
  assert.deepEqual(all.claimants(frontend), ['a/old', 'a/young'])
  all.release(frontend, 'a/old')
  assert.deepEqual(all.claimants(frontend), ['a/young'])
})

test('a release passes the frontend on to the next, and tells whether there is one', () => {
  const all = claims('a/old', 'a/young', 'b/other')
  assert.equal(all.release(frontend, 'a/old'), true)
  assert.equal(all.owner(frontend), 'a/young')
  assert.equal(all.release(frontend, 'b/other'), true)
  assert.equal(all.release(frontend, 'a/young'), false)
  assert.equal(all.owner(frontend), undefined)
})

test('a release by somebody without a claim changes nothing', () => {
  const all = claims('a/old')
  assert.equal(all.release(frontend, 'a/young'), true)
  assert.equal(all.owner(frontend), 'a/old')
  assert.equal(all.release('172.30.0.41:81/tcp', 'a/old'), false)
})
