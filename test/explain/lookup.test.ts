import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NFT_DYNSET_OP_ADD, NFT_DYNSET_OP_DELETE, NFT_LOOKUP_F_INV } from '../../src/nft/constants.ts'
import { dataTypes } from '../../src/nft/datatypes.ts'
import { drop, type Expr, goto } from '../../src/nft/expressions.ts'
import { byType, type NftSet, type SetElement } from '../../src/nft/objects.ts'
import { daddr, l4proto, saddr, thDport } from '../../src/nft/selectors.ts'
import { dnatToMap, inSet, updateMap, verdict, verdictMap } from '../../src/nft/statements.ts'
import { effectText } from '../../src/explain/effect-text.ts'
import { laterPacket } from '../../src/explain/later-packet.ts'
import type { SetChange } from '../../src/explain/trace.ts'
import { ipv4 } from '../lab/addresses.ts'
import { ip } from '../model/fixtures.ts'
import { at, only, packet, regular, table, trace } from './fixtures.ts'

const { ipv4_addr, inet_proto, inet_service } = dataTypes
const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values)
const destination: SetElement = { key: bytes(192, 0, 2, 7) }

describe('a lookup', () => {
  const inverted = inSet([daddr('ip')], 's').map((expr) =>
    expr.kind === 'lookup' ? { ...expr, flags: NFT_LOOKUP_F_INV } : expr,
  )
  const catchAll: SetElement = { key: bytes(), isCatchAll: true }
  const rows: [title: string, isMatching: boolean, expressions: readonly Expr[], elements: readonly SetElement[]][] = [
    ['matches an element', true, inSet([daddr('ip')], 's'), [destination]],
    ['does not match without one', false, inSet([daddr('ip')], 's'), []],
    ['matches the catch-all element', true, inSet([daddr('ip')], 's'), [catchAll]],
    ['turned round, does not match an element', false, inverted, [destination]],
    ['turned round, matches without one', true, inverted, []],
  ]
  for (const [title, isMatching, expressions, elements] of rows) {
    test(title, () => {
      const sets = [{ name: 's', key: byType(ipv4_addr), elements }]
      const outcome = only(trace(table({ f: at('forward', [[...expressions, verdict(drop)]]) }, { sets })))
      assert.equal(outcome.verdict, isMatching ? 'drop' : 'pass')
    })
  }

  test('in a verdict map does what the element says and names it', () => {
    const element: SetElement = {
      key: bytes(192, 0, 2, 7, 6, 0, 0, 0, 0, 80, 0, 0),
      verdict: goto('dropping'),
      comment: 'shop/web:http',
    }
    const sets = [
      {
        name: 'services',
        key: byType(ipv4_addr, inet_proto, inet_service),
        value: 'verdict' as const,
        elements: [element],
      },
    ]
    const rules = [verdictMap([daddr('ip'), l4proto, thDport], 'services')]
    const outcome = only(trace(table({ f: at('forward', rules), dropping: regular([verdict(drop)]) }, { sets })))
    assert.equal(outcome.verdict, 'drop')
    const [step] = outcome.steps
    assert.deepEqual(step?.kind === 'rule' ? step.effects.map(effectText) : undefined, [
      '@services: 192.0.2.7 . tcp . 80 comment "shop/web:http" : goto dropping',
      'goto dropping',
    ])
  })

  test('says which range it found', () => {
    const sets: (NftSet & { elements: SetElement[] })[] = [
      {
        name: 'ranges',
        key: byType(ipv4_addr),
        flags: ['interval'],
        elements: [{ key: bytes(192, 0, 0, 0) }, { key: bytes(193, 0, 0, 0), isIntervalEnd: true }],
      },
    ]
    const outcome = only(trace(table({ f: at('forward', [inSet([daddr('ip')], 'ranges')]) }, { sets })))
    const [step] = outcome.steps
    assert.deepEqual(step?.kind === 'rule' ? step.effects.map(effectText) : undefined, ['@ranges: 192.0.0.0/8'])
  })
})

describe('session affinity', () => {
  const affinity: NftSet = {
    name: 'affinity',
    key: byType(ipv4_addr, inet_service),
    value: byType(ipv4_addr, inet_service),
    flags: ['dynamic', 'timeout'],
    timeoutMs: 10_800_000,
  }
  const endpoints: NftSet & { readonly elements: readonly SetElement[] } = {
    name: 'endpoints',
    key: byType(ipv4_addr, dataTypes.integer),
    value: byType(ipv4_addr, inet_service),
    elements: [1, 2].map((slot) => ({
      key: bytes(192, 0, 2, 7, slot - 1, 0, 0, 0),
      value: bytes(10, 180, 0, slot, 0, 80, 0, 0),
    })),
  }
  const pick: readonly Expr[] = [
    daddr('ip').load(1),
    { kind: 'numgen', dreg: 9, modulus: 2, type: 1, offset: 0 },
    ...dnatToMap('ip', [], 'endpoints'),
  ]
  const contents = table(
    {
      pick: at('prerouting', [dnatToMap('ip', [saddr('ip'), thDport], 'affinity'), pick], { type: 'nat' }),
      record: at('postrouting', [updateMap('affinity', [saddr('ip'), thDport], [daddr('ip'), thDport], 10_800_000)]),
    },
    { sets: [affinity, endpoints] },
  )

  test('is recorded for each endpoint that may be picked', () => {
    const outcomes = trace(contents)
    assert.deepEqual(
      outcomes.map(({ destination, setChanges }) => [
        destination.address,
        setChanges.map((change) => effectText({ kind: 'set change', ...change })),
      ]),
      [
        ['10.180.0.1', ['@affinity: 10.0.0.2 . 80 : 10.180.0.1 . 80 added']],
        ['10.180.0.2', ['@affinity: 10.0.0.2 . 80 : 10.180.0.2 . 80 added']],
      ],
    )
  })

  test('leads the next connection to the same endpoint, and its time begins anew', () => {
    for (const { destination, setChanges } of trace(contents)) {
      const next = only(trace(contents, packet({ sourcePort: 40_001 }), { setChanges }))
      assert.deepEqual(next.destination, destination)
      assert.deepEqual(
        next.setChanges.map(({ change }) => change),
        ['added', 'refreshed'],
      )
    }
  })

  test('means one client and one port', () => {
    const [first] = trace(contents)
    const setChanges = first?.setChanges ?? []
    assert.equal(trace(contents, packet({ source: ip(ipv4.otherPod) }), { setChanges }).length, 2)
  })

  test('ends with its time', () => {
    const setChanges = (trace(contents)[0]?.setChanges ?? []).map((change): SetChange => ({
      ...change,
      element: { ...change.element, expiresMs: 0 },
    }))
    assert.equal(trace(contents, packet(), { setChanges }).length, 2)
  })

  test('is not asked for by later packets of a connection', () => {
    const [outcome] = trace(contents)
    assert.ok(outcome)
    const later = laterPacket(packet(), outcome, {})
    assert.deepEqual(only(trace(contents, later)).destination, outcome.destination)
  })
})

describe('a packet that changes a set', () => {
  const dynset = (parts: Partial<Extract<Expr, { kind: 'dynset' }>> = {}): readonly Expr[] => [
    saddr('ip').load(1),
    daddr('ip').load(9),
    { kind: 'dynset', set: 'm', op: NFT_DYNSET_OP_ADD, sregKey: 1, sregData: 9, ...parts },
  ]
  const map = (elements: readonly SetElement[], parts: Partial<NftSet> = {}) => ({
    sets: [{ name: 'm', key: byType(ipv4_addr), value: byType(ipv4_addr), elements, ...parts }],
  })
  const pod: SetElement = { key: bytes(10, 0, 0, 2), value: bytes(1, 1, 1, 1), timeoutMs: 5000, expiresMs: 100 }
  const rows: [title: string, changes: readonly string[], rule: readonly Expr[], parts: ReturnType<typeof map>][] = [
    ['adds an element', ['added'], dynset(), map([])],
    ['leaves one that is there', [], dynset(), map([pod])],
    ['gives one that is there its time anew', ['refreshed'], dynset({ op: 1 }), map([pod], { timeoutMs: 5000 })],
    ['removes one', ['removed'], dynset({ op: NFT_DYNSET_OP_DELETE }), map([pod])],
    ['cannot remove one that is not there', [], dynset({ op: NFT_DYNSET_OP_DELETE }), map([])],
  ]
  for (const [title, changes, rule, parts] of rows) {
    test(title, () => {
      const { setChanges } = only(trace(table({ f: at('forward', [rule]) }, parts)))
      assert.deepEqual(
        setChanges.map(({ change }) => change),
        changes,
      )
    })
  }

  test('adds an element once', () => {
    const { setChanges } = only(trace(table({ f: at('forward', [dynset(), dynset()]) }, map([]))))
    assert.equal(setChanges.length, 1)
  })

  test('does not change the value of an element that is there', () => {
    const rules = [dynset({ op: 1 })]
    const [change] = only(trace(table({ f: at('forward', rules) }, map([pod], { timeoutMs: 5000 })))).setChanges
    assert.deepEqual(change?.element, { ...pod, expiresMs: 5000 })
  })

  test('does not match where the set is full', () => {
    const rules = [[...dynset(), verdict(drop)]]
    const other = { ...pod, key: bytes(9, 9, 9, 9) }
    assert.equal(only(trace(table({ f: at('forward', rules) }, map([other], { size: 1 })))).verdict, 'pass')
    assert.equal(only(trace(table({ f: at('forward', rules) }, map([other], { size: 2 })))).verdict, 'drop')
  })
})
