import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { interfaceChoice, interfacePatternProblem } from '../../src/model/interface-pattern.ts'

const good = [
  'eth0',
  'eth*',
  'ens?f0',
  'veth[0-9a-f]*',
  'veth[!x]*',
  'a.b-c_d@2',
  '!lo',
  '!*',
  '!docker0',
  'fifteen-bytes-x',
  '*abcdefghijklmno',
]

const bad: readonly (readonly [pattern: string, problem: RegExp])[] = [
  ['', /is empty/],
  ['!', /is empty/],
  ['sixteen-bytes-xx', /is longer than the 15 bytes/],
  ['?'.repeat(16), /is longer than the 15 bytes/],
  ['[ab]'.repeat(16), /is longer than the 15 bytes/],
  ['e/0', /characters that no interface name has/],
  ['e 0', /characters that no interface name has/],
  ['!!e', /characters that no interface name has/],
  ['eth[0', /a \[ without its \]/],
  ['eth[9-0]', /a range that is none/],
  ['lo', /matches the loopback interface/],
  ['l*', /matches the loopback interface/],
  ['*', /matches the loopback interface/],
  ['??', /matches the loopback interface/],
  ['[kl]o', /matches the loopback interface/],
]

describe('an interface pattern', () => {
  for (const pattern of good) {
    test(`${pattern} is one`, () => assert.equal(interfacePatternProblem(pattern), undefined))
  }
  for (const [pattern, problem] of bad) {
    test(`'${pattern}' is none`, () => assert.match(interfacePatternProblem(pattern) ?? '', problem))
  }
})

const choices: readonly (readonly [patterns: readonly string[], chosen: readonly string[]])[] = [
  [[], ['eth0', 'eth1', 'veth9', 'a.b']],
  [['eth*'], ['eth0', 'eth1']],
  [['eth?'], ['eth0', 'eth1']],
  [['eth'], []],
  [['eth*', '!eth1'], ['eth0']],
  [['!eth*'], ['veth9', 'a.b']],
  [['!eth1', 'eth1', 'veth*'], ['veth9']],
  [['eth[1-3]'], ['eth1']],
  [['eth[!1-3]'], ['eth0']],
  [['a.?'], ['a.b']],
  [['e.*'], []],
]

describe('patterns choose', () => {
  const names = ['eth0', 'eth1', 'veth9', 'a.b']
  for (const [patterns, chosen] of choices) {
    test(`with [${patterns.join(', ')}]: ${chosen.join(', ') || 'nothing'}`, () => {
      const { includes, excludedBy } = interfaceChoice(patterns)
      assert.deepEqual(
        names.filter((name) => includes(name) && excludedBy(name) === undefined),
        chosen,
      )
    })
  }

  test('and those that match none of the names are told', () => {
    assert.deepEqual(interfaceChoice(['eth*', 'ens*', '!docker0', '!veth9']).unmatched(names), ['ens*', '!docker0'])
  })
})
