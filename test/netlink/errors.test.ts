import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DecodeError, errnoName, NetlinkError } from '../../src/netlink/errors.ts'

describe('errnoName', () => {
  for (const [errno, name] of [
    [1, 'EPERM'],
    [2, 'ENOENT'],
    [11, 'EAGAIN'],
    [95, 'EOPNOTSUPP'],
    [105, 'ENOBUFS'],
    [524, 'errno 524'], // ENOTSUPP, which the kernel leaks now and then
  ] as const) {
    test(`${errno} is ${name}`, () => assert.equal(errnoName(errno), name))
  }
})

describe('NetlinkError', () => {
  test('says what was done, what came back, and the kernel’s own words', () => {
    const cause = new Error('below')
    const details = { kernelMessage: 'Unknown device type', offset: 52, seq: 3 }
    const error = new NetlinkError('RTM_NEWLINK x0', 'EOPNOTSUPP', details, { cause })
    assert.equal(error.message, 'RTM_NEWLINK x0: EOPNOTSUPP (Unknown device type)')
    assert.deepEqual([error.code, error.offset, error.seq, error.cause], ['ERR_NETLINK', 52, 3, cause])
  })
})

describe('DecodeError', () => {
  test('shows the 64 bytes around the place, with offsets of the whole buffer', () => {
    const buffer = Uint8Array.from({ length: 256 }, (_, i) => i)
    const error = new DecodeError('attribute name', buffer, 100)
    assert.equal(error.offset, 100)
    assert.match(error.message, /^expected attribute name at offset 100\n00000050 {2}50 51/)
    assert.deepEqual(
      error.dump.split('\n').map((line) => line.slice(0, 8)),
      ['00000050', '00000060', '00000070', '00000080'],
    )
  })
})
