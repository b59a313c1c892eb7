import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPool } from '../../src/kube/pool.ts'

test('a pool gives the value seen first, until it is full and forgets all', () => {
  const pool = createPool<{ readonly at: number }>(2)
  const first = pool('a', { at: 1 })
  assert.equal(pool('a', { at: 2 }), first)
  pool('b', { at: 3 })
  assert.equal(pool('a', { at: 4 }), first)
  pool('c', { at: 5 })
  assert.notEqual(pool('a', { at: 6 }), first)
})
