import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { exitCodeOf, failureLine, UsageError } from '../../src/cli/failure.ts'
import { ConfigError } from '../../src/config/errors.ts'
import { NetlinkError } from '../../src/netlink/errors.ts'
import { TransactionError } from '../../src/nft/errors.ts'

describe('a failure', () => {
  const notPermitted = 'not permitted: run it as root, or with the capability NET_ADMIN'
  const noNfTables =
    'this kernel has no nf_tables: load the module (modprobe nf_tables) or use a kernel with CONFIG_NF_TABLES'
  const inTransaction = (errno: string) =>
    new TransactionError(undefined, 'add table ip kube-proxy', new NetlinkError('write', errno))
  const cases: [error: Error, line: string, exitCode: number][] = [
    [new UsageError('no such place'), 'no such place', 2],
    [new ConfigError('--flag', '"x" is no number'), '--flag: "x" is no number', 2],
    [new NetlinkError('NFT_MSG_GETGEN', 'EPERM'), notPermitted, 2],
    [new NetlinkError('socket', 'EACCES'), notPermitted, 2],
    [new NetlinkError('socket', 'EPROTONOSUPPORT'), noNfTables, 2],
    [new NetlinkError('socket', 'EAFNOSUPPORT'), noNfTables, 2],
    [new NetlinkError('NFT_MSG_GETTABLE', 'ENOBUFS'), 'NFT_MSG_GETTABLE: ENOBUFS', 1],
    [inTransaction('EPERM'), notPermitted, 2],
    [inTransaction('EBUSY'), 'add table ip kube-proxy: EBUSY', 1],
  ]
  for (const [error, line, exitCode] of cases) {
    test(`${error.name} "${error.message}" is one line and exit code ${exitCode}`, () => {
      assert.deepEqual([failureLine(error), exitCodeOf(error)], [line, exitCode])
    })
  }

  test('of the program itself has no line: it shall crash with its stack', () => {
    for (const error of [new TypeError('x is not a function'), 'text', undefined]) {
      assert.equal(failureLine(error), undefined)
    }
  })
})
