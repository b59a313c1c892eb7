import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { forgetHalfClosed, keepHalfClosed } from '../../src/agent/half-close.ts'

describe('the time that half-closed connections of the fast path may be silent', () => {
  let root: string
  const folder = 'proc/sys/net/netfilter'
  const flowTimeout = (): string => join(root, folder, 'nf_flowtable_tcp_timeout')

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'half-close-'))
    mkdirSync(join(root, folder), { recursive: true })
    writeFileSync(flowTimeout(), '30\n')
    writeFileSync(join(root, folder, 'nf_conntrack_tcp_timeout_close'), '10\n')
  })

  afterEach(() => rmSync(root, { recursive: true }))

  test('is raised to 300 s in all', () => {
    assert.deepEqual(keepHalfClosed(root), {
      seconds: 300,
      change: { path: flowTimeout(), before: 30, value: 290 },
      problem: undefined,
    })
    assert.equal(readFileSync(flowTimeout(), 'utf8'), '290')
  })

  test('is left as it is where it is long enough', () => {
    writeFileSync(flowTimeout(), '600\n')
    assert.deepEqual(keepHalfClosed(root), { seconds: 610, change: undefined, problem: undefined })
    assert.equal(readFileSync(flowTimeout(), 'utf8'), '600\n')
  })

  test('is unknown where the kernel has no such parameter', () => {
    assert.deepEqual(keepHalfClosed(join(root, 'nothing')), {
      seconds: undefined,
      change: undefined,
      problem: undefined,
    })
    assert.equal(forgetHalfClosed(join(root, 'nothing')), undefined)
  })

  test('is taken back when the fast path is turned off', () => {
    keepHalfClosed(root)
    assert.deepEqual(forgetHalfClosed(root), { path: flowTimeout(), before: 290, value: 30 })
    assert.equal(readFileSync(flowTimeout(), 'utf8'), '30')
  })

  test('is not taken back where somebody else has chosen it', () => {
    writeFileSync(flowTimeout(), '120\n')
    assert.equal(forgetHalfClosed(root), undefined)
    assert.equal(readFileSync(flowTimeout(), 'utf8'), '120\n')
  })
})
