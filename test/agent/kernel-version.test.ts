import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKernelSince } from '../../src/agent/kernel-version.ts'

const rows = [
  ['6.14.0', true],
  ['6.14-rc1', true],
  ['6.13.12', false],
  ['6.1.0-56-amd64', false],
  ['7.3.4+deb14-amd64', true],
  ['5.15.200-generic', false],
  ['10.0', true],
  ['unknown', false],
] as const

for (const [release, isSince] of rows) {
  test(`${release} is ${isSince ? '' : 'not '}since 6.14`, () => assert.equal(isKernelSince(6, 14, release), isSince))
}
