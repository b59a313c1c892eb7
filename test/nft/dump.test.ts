import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NetlinkError } from '../../src/netlink/errors.ts'
import { listTables, readElements, readTable } from '../../src/nft/dump.ts'
import { partTypes, type TableRef } from '../../src/nft/objects.ts'
import { renderTable } from '../../src/nft/render.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { freshKernel } from './kernel.ts'
import { plain } from './round-trip.ts'

const table: TableRef = { family: 'ip', name: 't' }

describe('reading tables', needs(root, tool('nft')), () => {
  test('a missing table is undefined', async (t) => {
    const { connection, load } = freshKernel(t)
    assert.equal(await readTable(connection, table), undefined)
    load('table ip6 t {\n}\ntable ip other {\n}')
    assert.equal(await readTable(connection, table), undefined)
  })

  test('the tables of one family are listed with their comments', async (t) => {
    const { connection, load } = freshKernel(t)
    load('table ip a {\n comment "first"\n}\ntable ip b {\n}\ntable ip6 c {\n}\ntable inet d {\n}')
    assert.deepEqual(await listTables(connection, 'ip'), [
      { family: 'ip', name: 'a', comment: 'first' },
      { family: 'ip', name: 'b' },
    ])
    assert.deepEqual(await listTables(connection, 'inet'), [{ family: 'inet', name: 'd' }])
  })

  test('a table holds nothing of its neighbours of the same family', async (t) => {
    const { load, read } = freshKernel(t)
    for (const name of ['t', 'other']) {
      load(`table ip ${name} {\n set s-${name} { type ipv4_addr; }\n chain c-${name} {\n accept\n }\n}`)
    }
    const { sets, chains, rules, elements, flowtables } = await read(table)
    assert.deepEqual([sets.map(({ name }) => name), [...elements.keys()]], [['s-t'], ['s-t']])
    assert.deepEqual([chains.map(({ name }) => name), rules.map(({ chain }) => chain)], [['c-t'], ['c-t']])
    assert.deepEqual(flowtables, [])
  })

  test('chains, sets and rules come with all that was declared', async (t) => {
    const { load, read } = freshKernel(t)
    load(`table ip t {
      map m { type ipv4_addr : verdict; size 9; flags interval,timeout; timeout 3h; comment "of m"; }
      chain c { comment "of c"
        type filter hook forward priority -7; policy drop;
        accept comment "of the rule"
      }
      chain plain { }
    }`)
    const { sets, chains, rules } = await read(table)
    assert.deepEqual(chains, [
      { name: 'c', base: { type: 'filter', hook: 'forward', priority: -7, policy: 'drop' }, comment: 'of c' },
      { name: 'plain' },
    ])
    const [{ key, ...set } = { key: undefined }] = sets
    assert.deepEqual(key && partTypes(key).map(({ name }) => name), ['ipv4_addr'])
    assert.deepEqual(set, {
      name: 'm',
      value: 'verdict',
      flags: ['interval', 'timeout'],
      timeoutMs: 10_800_000,
      size: 9,
      comment: 'of m',
    })
    const [{ handle, ...rule } = {}] = rules
    assert.ok(handle !== undefined && handle > 0)
    assert.deepEqual(rule, {
      chain: 'c',
      expressions: [{ kind: 'immediate', dreg: 0, data: { verdict: { code: 1 } } }],
      comment: 'of the rule',
    })
  })

  test('elements come with key, value, comment and time-out', async (t) => {
    const { connection, load } = freshKernel(t)
    load(`table ip t {
      map m { type ipv4_addr : inet_service; flags timeout;
        elements = { 10.0.0.1 timeout 1h comment "first" : 80, 10.0.0.2 : 81 } }
    }`)
    const elements = await readElements(connection, table, 'm')
    const [first, second] = plain(elements.toSorted((a, b) => Buffer.compare(a.key, b.key)))
    const expiresMs = first?.expiresMs ?? 0
    assert.ok(expiresMs > 3_500_000 && expiresMs <= 3_600_000, String(expiresMs))
    assert.deepEqual(first, {
      key: Uint8Array.of(10, 0, 0, 1),
      value: Uint8Array.of(0, 80),
      comment: 'first',
      timeoutMs: 3_600_000,
      expiresMs,
    })
    assert.deepEqual(second, { key: Uint8Array.of(10, 0, 0, 2), value: Uint8Array.of(0, 81) })
  })

  test('thousands of elements are read from many messages', async (t) => {
    const { connection, load } = freshKernel(t)
    const addresses = Array.from({ length: 10_000 }, (_, index) => `10.0.${index >> 8}.${index & 0xff}`)
    load(`table ip t {\n set s {\n type ipv4_addr\n elements = { ${addresses.join(', ')} }\n }\n}`)
    const keys = (await readElements(connection, table, 's')).map(({ key }) => key.join('.'))
    assert.deepEqual(keys.toSorted(), addresses.toSorted())
  })

  test('the elements of a missing set are ENOENT', async (t) => {
    const { connection, load } = freshKernel(t)
    load('table ip t {\n}')
    await assert.rejects(
      readElements(connection, table, 'missing'),
      (error) => error instanceof NetlinkError && error.errno === 'ENOENT',
    )
  })
})

describe('a table with what is not known here', needs(root, tool('nft')), () => {
  const foreign = `table ip t {
    counter packets-seen { packets 1 bytes 2 }
    set macs { type ether_addr . ipv4_addr; elements = { 00:11:22:33:44:55 . 10.0.0.1 } }
    set with-counters { type ipv4_addr; counter; elements = { 10.0.0.1 } }
    map counters { type ipv4_addr : counter; elements = { 10.0.0.1 : "packets-seen" } }
    chain at-ingress { type filter hook input priority 0; policy accept;
      limit rate 5/second log prefix "x" accept
      tcp dport { 80, 443 } ct state vmap { new : accept, established : drop }
      ip ttl 1 tcp flags syn
      quota over 5 mbytes drop
      counter name "packets-seen"
      meta length > 1000 ip dscp set cs1
    }
  }`

  test('is read, and rendered, without an error', async (t) => {
    const { load, read } = freshKernel(t)
    load(foreign)
    const text = renderTable(await read(table))
    for (const part of ['<limit> <log> accept', '<quota> drop', '<objref>', 'set macs', 'with-counters']) {
      assert.ok(text.includes(part), `${part} in\n${text}`)
    }
  })

  test('keeps an unknown expression as the bytes that make it again', async (t) => {
    const [original, copy] = [freshKernel(t), freshKernel(t)]
    const text = 'table ip t {\n chain c {\n limit rate 5/second log prefix "x" accept\n }\n}'
    original.load(text)
    const { rules } = await original.read(table)
    assert.deepEqual(
      rules[0]?.expressions.map((expr) => (expr.kind === 'unknown' ? expr.name : expr.kind)),
      ['limit', 'log', 'immediate'],
    )
    copy.load('table ip t {\n chain c {\n }\n}')
    await copy.connection.commit(rules.map((rule) => ({ verb: 'add', object: 'rule', table, rule })))
    assert.equal(copy.listing(), original.listing())
    assert.equal(copy.bytecode(), original.bytecode())
  })
})
