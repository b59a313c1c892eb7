import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { accept, drop, goto, jump, returnToCaller, type Expr } from '../../src/nft/expressions.ts'
import { daddr, numgenRandom } from '../../src/nft/selectors.ts'
import { ctState, hasMark, inPrefix, protocolIs, reject, setMark, verdict } from '../../src/nft/statements.ts'
import { at, type ChainParts, only, packet, path, regular, summary, table, trace } from './fixtures.ts'

const to = (name: string): readonly Expr[] => [verdict(jump(name))]
const on = (name: string): readonly Expr[] => [verdict(goto(name))]
const back = [verdict(returnToCaller)]
const mark = setMark(1)

describe('rules run in the order of the kernel:', () => {
  const rows: [title: string, verdict: string, path: readonly string[], chains: Record<string, ChainParts>][] = [
    ['the end of a base chain accepts', 'pass', ['f 0'], { f: at('forward', [mark]) }],
    [
      'a policy drops what no rule decides',
      'drop',
      ['f 0', 'f policy'],
      { f: at('forward', [mark], { policy: 'drop' }) },
    ],
    [
      'return in a base chain is its policy',
      'drop',
      ['f 0', 'f policy'],
      {
        f: at('forward', [back, mark], { policy: 'drop' }),
      },
    ],
    ['a jump comes back', 'pass', ['f 0', 'a 0', 'f 1'], { f: at('forward', [to('a'), mark]), a: regular(mark) }],
    [
      'return comes back early',
      'pass',
      ['f 0', 'a 0', 'f 1'],
      {
        f: at('forward', [to('a'), mark]),
        a: regular(back, mark),
      },
    ],
    ['goto does not come back', 'pass', ['f 0', 'a 0'], { f: at('forward', [on('a'), mark]), a: regular(mark) }],
    [
      'the end behind a goto is the policy',
      'drop',
      ['f 0', 'a 0', 'f policy'],
      {
        f: at('forward', [on('a')], { policy: 'drop' }),
        a: regular(mark),
      },
    ],
    [
      'goto comes back to where the last jump was',
      'pass',
      ['f 0', 'a 0', 'b 0', 'f 1'],
      {
        f: at('forward', [to('a'), mark]),
        a: regular(on('b'), mark),
        b: regular(mark),
      },
    ],
    [
      'return behind a goto does too',
      'pass',
      ['f 0', 'a 0', 'b 0', 'f 1'],
      {
        f: at('forward', [to('a'), mark]),
        a: regular(on('b'), mark),
        b: regular(back, mark),
      },
    ],
    [
      'jumps nest',
      'pass',
      ['f 0', 'a 0', 'b 0', 'a 1', 'f 1'],
      {
        f: at('forward', [to('a'), mark]),
        a: regular(to('b'), mark),
        b: regular(mark),
      },
    ],
    [
      'a rule that does not match is passed over',
      'drop',
      ['f 1'],
      {
        f: at('forward', [[...protocolIs('udp'), verdict(accept)], [verdict(drop)]]),
      },
    ],
    [
      'accept in a nested chain ends the base chain',
      'pass',
      ['f 0', 'a 0'],
      {
        f: at('forward', [to('a'), [verdict(drop)]]),
        a: regular([verdict(accept)]),
      },
    ],
    [
      'accept does not end the base chain behind',
      'drop',
      ['early 0', 'late 0'],
      {
        late: at('forward', [[verdict(drop)]], { priority: 10 }),
        early: at('forward', [[verdict(accept)]], { priority: -10 }),
      },
    ],
    [
      'drop ends everything',
      'drop',
      ['early 0'],
      {
        early: at('forward', [[verdict(drop)]], { priority: -10 }),
        late: at('forward', [mark], { priority: 10 }),
      },
    ],
    [
      'reject ends everything',
      'reject',
      ['early 0'],
      {
        early: at('forward', [[reject('ip')]], { priority: -10 }),
        late: at('forward', [mark], { priority: 10 }),
      },
    ],
    [
      'of two chains with one priority the later one runs first',
      'pass',
      ['second 0', 'first 0'],
      {
        first: at('forward', [mark]),
        second: at('forward', [mark]),
      },
    ],
    [
      'a mark stays for the chains behind',
      'drop',
      ['early 0', 'late 0'],
      {
        early: at('forward', [mark], { priority: -10 }),
        late: at('forward', [[...hasMark(1), verdict(drop)]], { priority: 10 }),
      },
    ],
  ]
  for (const [title, verdict, steps, chains] of rows) {
    test(title, () => {
      const outcome = only(trace(table(chains)))
      assert.equal(outcome.verdict, verdict)
      assert.deepEqual(path(outcome), steps)
    })
  }
})

test('tables of the other family are not met, those of both are', () => {
  const dropping = { f: at('forward', [[verdict(drop)]]) }
  assert.equal(only(trace(table(dropping, { family: 'ip6' }))).verdict, 'pass')
  assert.equal(only(trace(table(dropping, { family: 'inet' }))).verdict, 'drop')
})

test('chains that lead into each other for ever are not followed', () => {
  const outcome = only(trace(table({ f: at('forward', [to('a')]), a: regular(on('b')), b: regular(to('a')) })))
  assert.equal(outcome.verdict, 'unknown')
  assert.equal(outcome.steps.length, 16)
})

test('sixteen chains may follow each other', () => {
  const nested = Array.from({ length: 15 }, (_, depth) => [`c${depth}`, regular(to(`c${depth + 1}`))] as const)
  const chains = { f: at('forward', [to('c1')]), ...Object.fromEntries(nested), c15: regular(mark) }
  assert.equal(only(trace(table(chains))).verdict, 'pass')
})

describe('a step', () => {
  const rule = [...inPrefix(daddr('ip'), 'in', Uint8Array.of(192, 0, 0, 0), 8), verdict(drop)]
  const chains = { f: at('forward', [[...ctState('new'), ...to('a')]]), a: regular(protocolIs('udp'), rule) }

  test('says where the rule is, what it says and what it did', () => {
    const at = { kind: 'rule', hook: 'forward', table: { family: 'ip', name: 't' } }
    assert.deepEqual(only(trace(table(chains))).steps, [
      { ...at, chain: 'f', index: 0, text: 'ct state new jump a', effects: [{ kind: 'jump', chain: 'a' }] },
      { ...at, chain: 'a', index: 1, text: 'ip daddr 192.0.0.0/8 drop', effects: [{ kind: 'drop' }] },
    ])
  })

  test('tells on request why a rule did not match', () => {
    const steps = only(trace(table(chains), packet(), { showsMismatches: true })).steps
    assert.deepEqual(
      steps.map((step) => (step.kind === 'mismatch' ? `not ${step.until}` : step.kind)),
      ['rule', 'not meta l4proto udp', 'rule'],
    )
  })

  test('is there for a rule that changed the packet before it turned out not to match', () => {
    const [step] = only(trace(table({ f: at('forward', [[...mark, ...protocolIs('udp')]]) }))).steps
    assert.equal(step?.kind, 'mismatch')
  })
})

describe('a drawn number', () => {
  const draw = (modulus: number) => numgenRandom(modulus).load(1)
  const isNumber = (value: number): Expr => ({
    kind: 'cmp',
    sreg: 1,
    op: 0,
    data: { value: Uint8Array.of(value, 0, 0, 0) },
  })

  test('leads every way, each as likely as the others', () => {
    const rule = [draw(4), isNumber(1), verdict(drop)]
    const outcomes = trace(table({ f: at('forward', [rule]) }))
    assert.deepEqual(outcomes.map(summary), ['pass 192.0.2.7:80 0.75', 'drop 192.0.2.7:80 0.25'])
  })

  test('multiplies with the next one', () => {
    const rule = [draw(4), isNumber(1), verdict(drop)]
    const outcomes = trace(table({ f: at('forward', [rule, rule]) }))
    assert.deepEqual(
      outcomes.map(({ verdict, probability }) => `${verdict} ${probability}`),
      ['pass 0.5625', 'drop 0.1875', 'drop 0.25'],
    )
  })

  test('begins at its offset', () => {
    const rule = [{ ...draw(2), offset: 5 } as Expr, isNumber(6), verdict(drop)]
    assert.equal(trace(table({ f: at('forward', [rule]) })).length, 2)
  })

  test('is unknown when there are too many', () => {
    const outcome = only(trace(table({ f: at('forward', [[draw(1_000_000)]]) })))
    assert.deepEqual([outcome.verdict, outcome.probability], ['unknown', 1])
  })

  test('of a hash is one number where the seed is known, else any', () => {
    const hash = { kind: 'hash', sreg: 1, dreg: 1, len: 4, modulus: 4, type: 0 } as const
    const rules = (expr: Expr) => [[daddr('ip').load(1), expr, isNumber(1), verdict(drop)]]
    assert.equal(trace(table({ f: at('forward', rules({ ...hash, seed: 1 })) })).length, 1)
    assert.equal(trace(table({ f: at('forward', rules(hash)) })).length, 2)
    assert.equal(trace(table({ f: at('forward', rules({ ...hash, type: 1, seed: 1 })) })).length, 2)
  })
})
