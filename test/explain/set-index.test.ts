import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { indexSet, keyOf } from '../../src/explain/set-index.ts'
import { dataTypes } from '../../src/nft/datatypes.ts'
import { intervalElements } from '../../src/nft/intervals.ts'
import { byType, type NftSet, type SetElement } from '../../src/nft/objects.ts'

const { ipv4_addr, ipv6_addr, inet_proto, inet_service } = dataTypes
const key = (...bytes: readonly number[]): string => keyOf(Uint8Array.from(bytes))
const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values)
const end = (...values: readonly number[]): SetElement => ({ key: bytes(...values), isIntervalEnd: true })

describe('a hash set', () => {
  const set: NftSet = { name: 's', key: byType(ipv4_addr, inet_service) }
  const elements = [{ key: bytes(10, 0, 0, 1, 0, 80, 0, 0), comment: 'a' }, { key: bytes(10, 0, 0, 1, 0, 81, 0, 0) }]

  test('finds its elements and nothing else', () => {
    const { find, keyBytes, elementCount } = indexSet(set, elements)
    assert.equal(keyBytes, 8)
    assert.equal(elementCount, 2)
    assert.equal(find(key(10, 0, 0, 1, 0, 80, 0, 0))?.comment, 'a')
    assert.equal(find(key(10, 0, 0, 1, 0, 82, 0, 0)), undefined)
  })

  test('knows the length of its keys without elements', () => {
    assert.equal(indexSet(set, []).keyBytes, 8)
    assert.equal(indexSet({ name: 'p', key: byType(inet_service) }, []).keyBytes, 2)
  })

  test('keeps its catch-all element apart', () => {
    const { find, catchAll } = indexSet(set, [...elements, { key: bytes(), isCatchAll: true, comment: '*' }])
    assert.equal(find(key(1, 1, 1, 1, 0, 80, 0, 0)), undefined)
    assert.equal(catchAll?.comment, '*')
  })

  test('does not find what has expired', () => {
    const { find } = indexSet(set, [{ key: bytes(1, 1, 1, 1, 0, 1, 0, 0), timeoutMs: 1000, expiresMs: 0 }])
    assert.equal(find(key(1, 1, 1, 1, 0, 1, 0, 0)), undefined)
  })
})

describe('an interval set', () => {
  const set: NftSet = { name: 's', key: byType(ipv4_addr), flags: ['interval'] }
  /** 10.0.0.0/24 and 10.0.1.0/24, one behind the other, then 10.1.0.0-10.1.0.9, then 255.0.0.0/8 up to the end. */
  const { find } = indexSet(set, [
    end(0, 0, 0, 0),
    { key: bytes(10, 0, 0, 0), comment: 'first' },
    end(10, 0, 1, 0),
    { key: bytes(10, 0, 1, 0), comment: 'second' },
    end(10, 0, 2, 0),
    { key: bytes(10, 1, 0, 0), comment: 'range' },
    end(10, 1, 0, 10),
    { key: bytes(255, 0, 0, 0), comment: 'last' },
  ])
  const rows: [address: readonly number[], comment: string | undefined][] = [
    [[0, 0, 0, 0], undefined],
    [[9, 255, 255, 255], undefined],
    [[10, 0, 0, 0], 'first'],
    [[10, 0, 0, 255], 'first'],
    [[10, 0, 1, 0], 'second'],
    [[10, 0, 1, 255], 'second'],
    [[10, 0, 2, 0], undefined],
    [[10, 1, 0, 0], 'range'],
    [[10, 1, 0, 9], 'range'],
    [[10, 1, 0, 10], undefined],
    [[254, 255, 255, 255], undefined],
    [[255, 0, 0, 0], 'last'],
    [[255, 255, 255, 255], 'last'],
  ]
  for (const [address, comment] of rows) {
    test(`${address.join('.')} is in ${comment ?? 'none'}`, () => assert.equal(find(key(...address))?.comment, comment))
  }

  test('gives a range with its last key', () => {
    assert.deepEqual(find(key(10, 0, 1, 7))?.keyEnd, bytes(10, 0, 1, 255))
  })

  test('finds an address in a prefix exactly when it has it', () => {
    const address = fc.uint8Array({ minLength: 16, maxLength: 16 })
    const prefix = fc.record({ address, prefixLength: fc.integer({ min: 0, max: 128 }) })
    fc.assert(
      fc.property(prefix, address, fc.integer({ min: 0, max: 15 }), (range, other, sharedBytes) => {
        const bits = (value: Uint8Array): string => Array.from(value, (b) => b.toString(2).padStart(8, '0')).join('')
        const network = Uint8Array.from(range.address, (byte, index) => {
          const kept = Math.min(8, Math.max(0, range.prefixLength - index * 8))
          return byte & (0xff00 >> kept)
        })
        const { find } = indexSet(
          { name: 's', key: byType(ipv6_addr), flags: ['interval'] },
          intervalElements([{ address: network, prefixLength: range.prefixLength }]),
        )
        const near = Uint8Array.from([...range.address.slice(0, sharedBytes), ...other.slice(sharedBytes)])
        const isIn = bits(near).startsWith(bits(network).slice(0, range.prefixLength))
        assert.equal(find(keyOf(near)) !== undefined, isIn)
      }),
    )
  })
})

describe('a set of concatenated intervals', () => {
  const set: NftSet = { name: 's', key: byType(ipv4_addr, inet_proto, inet_service, ipv4_addr), flags: ['interval'] }
  const frontend = [1, 2, 3, 4, 6, 0, 0, 0, 0, 80, 0, 0]
  const source = (comment: string, from: readonly number[], to: readonly number[]): SetElement => ({
    key: bytes(...frontend, ...from),
    keyEnd: bytes(...frontend, ...to),
    comment,
  })
  const { find } = indexSet(set, [
    source('inside', [203, 0, 113, 0], [203, 0, 113, 127]),
    source('one', [192, 0, 2, 1], [192, 0, 2, 1]),
    { key: bytes(...frontend, 10, 0, 0, 1), comment: 'exact' },
    {
      key: bytes(9, 9, 9, 0, 6, 0, 0, 0, 0, 10, 0, 0, 10, 0, 0, 0),
      keyEnd: bytes(9, 9, 9, 255, 17, 0, 0, 0, 0, 20, 0, 0, 10, 255, 255, 255),
      comment: 'box',
    },
  ])
  const rows: [title: string, value: readonly number[], comment: string | undefined][] = [
    ['the first of a range', [...frontend, 203, 0, 113, 0], 'inside'],
    ['the last of a range', [...frontend, 203, 0, 113, 127], 'inside'],
    ['just behind a range', [...frontend, 203, 0, 113, 128], undefined],
    ['a range of one', [...frontend, 192, 0, 2, 1], 'one'],
    ['a key without an end', [...frontend, 10, 0, 0, 1], 'exact'],
    ['another frontend', [1, 2, 3, 5, 6, 0, 0, 0, 0, 80, 0, 0, 203, 0, 113, 5], undefined],
    ['all parts in their ranges', [9, 9, 9, 9, 10, 0, 0, 0, 0, 15, 0, 0, 10, 1, 2, 3], 'box'],
    ['one part outside', [9, 9, 9, 9, 10, 0, 0, 0, 0, 21, 0, 0, 10, 1, 2, 3], undefined],
  ]
  for (const [title, value, comment] of rows) {
    test(title, () => assert.equal(find(key(...value))?.comment, comment))
  }
})
