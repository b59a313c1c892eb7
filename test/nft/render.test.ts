import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { dataTypes } from '../../src/nft/datatypes.ts'
import { accept } from '../../src/nft/expressions.ts'
import { type BaseChain, byType, byTypeof, type NftSet, type TableContents } from '../../src/nft/objects.ts'
import { renderTable } from '../../src/nft/render.ts'
import { daddr, dport, numgenRandom } from '../../src/nft/selectors.ts'
import { inSet, verdict } from '../../src/nft/statements.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { assertListedAsRendered, assertParity } from './parity.ts'

const empty: TableContents = {
  table: { family: 'ip', name: 't' },
  flowtables: [],
  sets: [],
  chains: [],
  rules: [],
  elements: new Map(),
}
const addresses: NftSet = { name: 'addresses', key: byType(dataTypes.ipv4_addr) }

describe('a base chain is written as nft lists it', needs(root, tool('nft')), () => {
  const named = [-400, -300, -200, -150, -100, 0, 50, 100, 300]
  const priorities = named.flatMap((priority) => [-11, -10, -1, 0, 1, 10, 11].map((distance) => priority + distance))
  const places = [
    ...(['prerouting', 'input', 'forward', 'output', 'postrouting'] as const).map(
      (hook) => ({ type: 'filter', hook, lowest: -411 }) as const,
    ),
    // the kernel refuses nat before conntrack (-200)
    ...(['prerouting', 'input', 'output', 'postrouting'] as const).map(
      (hook) => ({ type: 'nat', hook, lowest: -199 }) as const,
    ),
    { type: 'route', hook: 'output', lowest: -411 } as const,
  ]
  for (const { type, hook, lowest } of places) {
    for (const family of ['ip', 'ip6', 'inet'] as const) {
      if (type === 'route' && family === 'inet') continue
      test(`${type} at ${hook} of family ${family}, at every priority near a name and in between`, async (t) => {
        const chains = priorities
          .filter((priority) => priority >= lowest)
          .map((priority, index) => ({
            name: `c${index}`,
            base: { type, hook, priority, policy: index % 2 === 0 ? 'accept' : 'drop' } satisfies BaseChain,
          }))
        await assertListedAsRendered(t, { ...empty, table: { family, name: 't' }, chains })
      })
    }
  }

  test('with the policy accept where none is given', async (t) => {
    await assertListedAsRendered(t, {
      ...empty,
      chains: [{ name: 'c', base: { type: 'filter', hook: 'input', priority: 7 } }],
    })
  })
})

describe('a set is written as nft lists it', needs(root, tool('nft')), () => {
  const { ipv4_addr, inet_service } = dataTypes
  const sets: readonly NftSet[] = [
    addresses,
    { name: 'commented', key: byType(ipv4_addr), comment: 'every cluster IP' },
    { name: 'sized', key: byType(ipv4_addr), size: 10 },
    { name: 'constant-set', key: byType(ipv4_addr), flags: ['constant'], size: 10 },
    { name: 'timeouts', key: byType(ipv4_addr), flags: ['timeout'] },
    { name: 'default-timeout', key: byType(ipv4_addr), timeoutMs: 90_061_000 },
    { name: 'both-timeouts', key: byType(ipv4_addr), flags: ['timeout'], timeoutMs: 10_800_000 },
    { name: 'dynamic-set', key: byType(ipv4_addr), flags: ['dynamic'], size: 65535 },
    { name: 'dynamic-timeout', key: byType(ipv4_addr), flags: ['dynamic'], timeoutMs: 60_000, size: 5 },
    { name: 'in-any-order', key: byType(ipv4_addr), flags: ['timeout', 'interval'] },
    { name: 'ranges', key: byType(ipv4_addr, inet_service), flags: ['interval'] },
    {
      name: 'everything',
      key: byType(ipv4_addr),
      flags: ['timeout', 'dynamic'],
      timeoutMs: 5000,
      size: 9,
      comment: 'c',
    },
    { name: 'verdicts', key: byType(ipv4_addr), value: 'verdict' },
    {
      name: 'endpoints',
      key: byTypeof(daddr('ip'), dport('tcp'), numgenRandom(1)),
      value: byTypeof(daddr('ip'), dport('tcp')),
    },
  ]
  for (const set of sets) test(set.name, (t) => assertListedAsRendered(t, { ...empty, sets: [set] }))
})

describe('a comment', needs(root, tool('nft')), () => {
  const comments = {
    'with quotes': `"double" and 'single'`,
    'with what means something to nft': String.raw`} ; { , : $x @y * # \ \n / ~ %s`,
    'with line breaks and tabs': 'one\ntwo\r\n\tthree',
    'of several scripts': 'Überdienst сервис 服务 😀',
    'of 127 bytes': 'x'.repeat(127),
    'of 128 bytes': 'x'.repeat(128),
    'of 253 bytes': `${'é'.repeat(126)}x`,
    'of nothing but a quote': '"',
  }
  for (const [title, comment] of Object.entries(comments)) {
    test(`${title} is listed and loads again on every object`, (t) => assertListedAsRendered(t, commented(comment)))
  }

  test('of any characters is listed and loads again on every object', async (t) => {
    const comment = fc.string({ unit: 'binary', minLength: 1, maxLength: 150 }).map((text) => text.replaceAll('\0', ''))
    await fc.assert(
      fc.asyncProperty(comment, (text) => assertListedAsRendered(t, commented(text))),
      { numRuns: 30 },
    )
  })
})

describe('a table', () => {
  test('without anything in it is two lines', () => {
    assert.equal(renderTable(empty), 'table ip t {\n}\n')
  })

  test('gives the same text for any order of its elements', () => {
    const elements = [3, 1, 2].map((last) => ({ key: Uint8Array.of(10, 0, 0, last) }))
    const text = renderTable({ ...empty, sets: [addresses], elements: new Map([['addresses', elements]]) })
    const other = renderTable({
      ...empty,
      sets: [addresses],
      elements: new Map([['addresses', elements.toReversed()]]),
    })
    assert.equal(text, other)
    assert.ok(text.includes('elements = { 10.0.0.1,\n\t\t\t     10.0.0.2,\n\t\t\t     10.0.0.3 }\n'), text)
  })

  test('keeps each rule in its chain and in order', () => {
    const chains = [{ name: 'first' }, { name: 'second' }]
    const rules = ['second', 'first', 'second'].map((chain, index) => ({
      chain,
      expressions: inSet([daddr('ip')], `set-${index}`),
    }))
    assert.equal(
      renderTable({ ...empty, chains, rules }),
      [
        'table ip t {',
        '\tchain first {',
        '\t\tip daddr @set-1',
        '\t}',
        '',
        '\tchain second {',
        '\t\tip daddr @set-0',
        '\t\tip daddr @set-2',
        '\t}',
        '}',
        '',
      ].join('\n'),
    )
  })
})

describe('a flowtable', () => {
  const flowtables = [
    { name: 'fast', priority: 0, devices: ['eth0', 'veth1'], hasCounters: true },
    { name: 'later', priority: 5, devices: [] },
    { name: 'raw-is-no-name-at-ingress', priority: -300, devices: ['eth0'] },
  ]
  test('is written between sets and chains, with a name for one priority alone', () => {
    const text = renderTable({ ...empty, table: { family: 'inet', name: 't' }, flowtables, chains: [{ name: 'c' }] })
    assert.equal(
      text,
      [
        'table inet t {',
        '\tflowtable fast {',
        '\t\thook ingress priority filter',
        '\t\tdevices = { "eth0", "veth1" }',
        '\t\tcounter',
        '\t}',
        '',
        '\tflowtable later {',
        '\t\thook ingress priority filter + 5',
        '\t}',
        '',
        '\tflowtable raw-is-no-name-at-ingress {',
        '\t\thook ingress priority -300',
        '\t\tdevices = { "eth0" }',
        '\t}',
        '',
        '\tchain c {',
        '\t}',
        '}',
        '',
      ].join('\n'),
    )
  })
})

test('a table of every family is written as nft lists it', needs(root, tool('nft')), async (t) => {
  for (const family of ['ip', 'ip6', 'inet'] as const) {
    await assertParity(
      t,
      { family, name: 'kube-proxy' },
      `table ${family} kube-proxy {\n comment "rules for Services"\n}`,
    )
  }
})

/** A table in which every object has the comment. */
function commented(comment: string): TableContents {
  return {
    ...empty,
    table: { ...empty.table, comment },
    sets: [{ ...addresses, comment }],
    chains: [{ name: 'c', comment }],
    rules: [{ chain: 'c', expressions: [verdict(accept)], comment }],
    elements: new Map([['addresses', [{ key: Uint8Array.of(10, 0, 0, 1), comment }]]]),
  }
}
