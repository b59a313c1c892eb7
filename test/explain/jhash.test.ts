import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jhash, scaled } from '../../src/explain/jhash.ts'

/** What the expression `jhash ... mod M seed S` gave on Linux 6.18 for keys of 127.0.0.1, port 5000 and a TTL of 64. */
test('hashes are those of the kernel', () => {
  const [address, port, ttl] = [
    [127, 0, 0, 1],
    [0x13, 0x88, 0, 0],
    [64, 0, 0, 0],
  ] as const
  const rows: [key: readonly number[], seed: number, modulus: number, expected: number][] = [
    [address, 0, 0xffffffff, 0x66cb9b0d],
    [[...address, ...port], 0x1234, 1_000_000, 0x0003cc62],
    [[...address, ...address, ...port], 0xdeadbeef, 1_000_000, 0x000d3afc - 7],
    [[...address, ...address, ...port, ...ttl], 1, 1_000_000, 0x000e63a0],
  ]
  for (const [key, seed, modulus, expected] of rows) {
    assert.equal(scaled(jhash(Uint8Array.from(key), seed), modulus), expected)
  }
})

test('the hash of nothing depends on the seed only', () => {
  assert.equal(jhash(new Uint8Array(), 5), (0xdeadbeef + 5) >>> 0)
})
