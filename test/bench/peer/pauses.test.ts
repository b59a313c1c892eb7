import assert from 'node:assert/strict'
import { test } from 'node:test'
import { profileParts } from '../../../bench/peer/pauses.ts'

function node(
  id: number,
  functionName: string,
  url = '',
): { id: number; callFrame: { functionName: string; url: string } } {
  return { id, callFrame: { functionName, url } }
}

test('a profile is summed up by folder of the program, without the time that nothing was to do', () => {
  const nodes = [
    node(1, '(idle)'),
    node(2, 'parse', 'file:///opt/flowproxy/dist/kube/json-value.js'),
    node(3, 'push', 'file:///opt/flowproxy/dist/kube/scanner.js'),
    node(4, '(garbage collector)'),
    node(5, '', 'file:///opt/flowproxy/src/model/slots.ts'),
    node(6, 'read', 'node:fs'),
    node(7, 'load', 'file:///opt/flowproxy/node_modules/koffi/index.js'),
    node(8, '(program)'),
    node(9, 'parse', 'file:///opt/flowproxy/dist/kube/json-value.js'),
  ]
  const samples = [1, 2, 3, 2, 4, 5, 6, 7, 8, 9]
  const timeDeltas = [9000, 2000, 1000, 4000, 5000, 900, 800, 700, 600, 1000]
  assert.deepEqual(profileParts({ nodes, samples, timeDeltas }), [
    { part: 'kube', selfMs: 8, heaviest: ['parse', 'push'] },
    { part: 'garbage collection', selfMs: 5, heaviest: ['(garbage collector)'] },
    { part: 'model', selfMs: 0.9, heaviest: ['(anonymous)'] },
    { part: 'Node.js', selfMs: 0.8, heaviest: ['read'] },
    { part: 'libraries', selfMs: 0.7, heaviest: ['load'] },
    { part: 'native code', selfMs: 0.6, heaviest: ['(program)'] },
  ])
})
