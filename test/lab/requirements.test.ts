import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { needs, tool } from './requirements.ts'

describe('needs', () => {
  const ci = process.env.CI

  afterEach(() => {
    if (ci === undefined) delete process.env.CI
    else process.env.CI = ci
  })

  test('skips nothing where all is there', () => {
    assert.deepEqual(needs(tool('sh')), {})
  })

  test('skips with everything that is missing', () => {
    delete process.env.CI
    assert.deepEqual(
      needs(tool('no-such-program'), tool('sh'), () => 'a newer kernel'),
      {
        skip: "needs the program 'no-such-program' and a newer kernel",
      },
    )
  })

  test('fails in CI instead of skipping', () => {
    process.env.CI = 'true'
    assert.throws(() => needs(tool('no-such-program')), /needs the program 'no-such-program'; in CI nothing is skipped/)
  })
})
