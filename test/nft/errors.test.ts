import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NetlinkError } from '../../src/netlink/errors.ts'
import { dataTypes } from '../../src/nft/datatypes.ts'
import { encodeElements } from '../../src/nft/elements.ts'
import { TransactionError } from '../../src/nft/errors.ts'
import { goto } from '../../src/nft/expressions.ts'
import { byType, type NftSet, type SetElement, type TableRef } from '../../src/nft/objects.ts'
import { daddr, l4proto, thDport } from '../../src/nft/selectors.ts'
import { verdict, verdictMap } from '../../src/nft/statements.ts'
import { createTable, type Operation } from '../../src/nft/transaction.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { freshKernel } from './kernel.ts'

const table: TableRef = { family: 'ip', name: 't' }
const services: NftSet = {
  name: 'service-ips',
  key: byType(dataTypes.ipv4_addr, dataTypes.inet_proto, dataTypes.inet_service),
  value: 'verdict',
}
const start = createTable({ table, sets: [services], chains: [{ name: 'pick-tcp-2' }], rules: [] })

/** `10.96.x.y . tcp . 80`, for indexes up to 2^24. */
function service(index: number, chain = 'pick-tcp-2'): SetElement {
  const key = Uint8Array.of(10, index >> 16, index >> 8, index, 6, 0, 0, 0, 0, 80, 0, 0)
  return { key, verdict: goto(chain), comment: `default/service-${index}` }
}

function onElements(verb: 'add' | 'create', elements: readonly SetElement[]): Operation {
  return { verb, object: 'element', table, set: services, elements: encodeElements(elements) }
}

describe('an error names', needs(root, tool('nft')), () => {
  const rows: readonly [title: string, message: string, operation: Operation][] = [
    [
      'the element whose chain is missing',
      'add element ip t service-ips { 10.0.0.1 . tcp . 80 comment "default/service-1" : goto pick-tcp-3 }: ENOENT',
      onElements('add', [service(0), service(1, 'pick-tcp-3'), service(2)]),
    ],
    [
      'the table that is missing',
      'add chain ip missing c: ENOENT',
      { verb: 'add', object: 'chain', table: { family: 'ip', name: 'missing' }, chain: { name: 'c' } },
    ],
    [
      'the rule whose set is missing',
      'add rule ip t pick-tcp-2 ip daddr . meta l4proto . th dport vmap @missing: ENOENT',
      {
        verb: 'add',
        object: 'rule',
        table,
        rule: { chain: 'pick-tcp-2', expressions: verdictMap([daddr('ip'), l4proto, thDport], 'missing') },
      },
    ],
    [
      'the chain at a hook where its type cannot be',
      'add chain ip t c { type route hook input priority 0; }: EOPNOTSUPP',
      {
        verb: 'add',
        object: 'chain',
        table,
        chain: { name: 'c', base: { type: 'route', hook: 'input', priority: 0 } },
      },
    ],
    [
      'the chain that is in use',
      'delete chain ip t used: EBUSY',
      { verb: 'delete', object: 'chain', table, name: 'used' },
    ],
    [
      'the set that is there in another form',
      'add set ip t service-ips { type mark; }: EEXIST',
      { verb: 'add', object: 'set', table, set: { name: 'service-ips', key: byType(dataTypes.mark) } },
    ],
  ]
  for (const [title, message, operation] of rows) {
    test(title, async (t) => {
      const { connection } = freshKernel(t)
      const user: Operation = {
        verb: 'add',
        object: 'rule',
        table,
        rule: { chain: 'pick-tcp-2', expressions: [verdict(goto('used'))] },
      }
      await connection.commit([...start, { verb: 'add', object: 'chain', table, chain: { name: 'used' } }, user])
      await assert.rejects(connection.commit([operation]), (error) => {
        assert.ok(error instanceof TransactionError)
        assert.equal(error.message, message)
        assert.equal(`${error.nftLine}: ${error.errno}`, message)
        assert.deepEqual([error.operation, error.code], [operation, 'ERR_TRANSACTION'])
        assert.ok(error.cause instanceof NetlinkError)
        return true
      })
    })
  }

  for (const refused of [0, 1, 700, 4999, 9999]) {
    test(`element ${refused} of 10,000 in many messages`, async (t) => {
      const { connection } = freshKernel(t)
      const elements = Array.from({ length: 10_000 }, (_, index) => service(index))
      await connection.commit([...start, onElements('add', elements.slice(refused, refused + 1))])
      await assert.rejects(connection.commit([onElements('create', elements)]), (error) => {
        assert.ok(error instanceof TransactionError)
        const { nftLine, errno } = error
        const name = `10.0.${refused >> 8}.${refused & 0xff} . tcp . 80 comment "default/service-${refused}"`
        assert.deepEqual([nftLine, errno], [`create element ip t service-ips { ${name} : goto pick-tcp-2 }`, 'EEXIST'])
        return true
      })
    })
  }

  test('what the kernel says of it, where it says something', async (t) => {
    const { connection } = freshKernel(t)
    await connection.commit(start)
    const base = { type: 'filter', hook: 'input', priority: 0 } as const
    await connection.commit([{ verb: 'add', object: 'chain', table, chain: { name: 'base', base } }])
    const tooLong: Operation = { verb: 'add', object: 'chain', table, chain: { name: 'x'.repeat(300) } }
    await assert.rejects(connection.commit([tooLong]), (error) => {
      assert.ok(error instanceof TransactionError)
      assert.match(error.message, /^add chain ip t x+: (ERANGE|ENAMETOOLONG|EINVAL) \(.+\)$/)
      return true
    })
  })

  test('no operation where the kernel refuses the transaction as a whole', async (t) => {
    const { connection } = freshKernel(t)
    connection.close()
    await assert.rejects(connection.commit(start), (error) => {
      assert.ok(error instanceof TransactionError)
      assert.deepEqual([error.operation, error.nftLine], [undefined, 'transaction'])
      assert.match(error.message, /^transaction: EBADF/)
      return true
    })
  })
})
