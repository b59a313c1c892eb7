import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Endpoint } from '../../src/model/endpoint.ts'
import { selectEndpoints } from '../../src/model/topology.ts'
import type { EndpointSelection, NodeTopology } from '../../src/model/topology.ts'
import { endpoint, servicePort } from './fixtures.ts'

/**
 * A case in short. Service: `iTP` and `eTP` are policies Local, `ext` a node port. Endpoints: a name, then `r` ready,
 * `n` not ready, `T` not ready but serving and terminating, `x` none of these; `L` local; `zA+zB` zone hints, `n1+n2`
 * Node hints. Lists: names, `-` for a list that is not used, `empty`.
 */
interface Case {
  readonly title: string
  readonly node: string
  readonly service: string
  readonly endpoints: string
  readonly cluster: string
  readonly local: string
  readonly reachable: string
  readonly isAnyUsable?: boolean
}

const zonesABCA = 'a r zA, b r zB, c r zC, d r zA'
const localInAB = 'a r zA L, b r zB L, c r zC, d r zA'
const nodes1To4 = 'a r zA n1, b r zB n2, c r zC n3, d r zA n4'

const cases: Case[] = [
  row('zone hints select the endpoints for the zone', 'zone-a', 'plain', zonesABCA, 'a d', '-', 'a d'),
  row('external policy Local adds local endpoints', 'zone-a', 'eTP ext', localInAB, 'a d', 'a b', 'a b d'),
  row('internal policy Local adds local endpoints', 'zone-a', 'iTP ext', localInAB, 'a d', 'a b', 'a b d'),
  row('a Node without labels uses no hints', '', 'plain', 'a r zA', 'a', '-', 'a'),
  row('a Node with an empty zone uses no hints', 'zone-', 'plain', 'a r zA', 'a', '-', 'a'),
  row('hints for other zones only are not used', 'zone-b', 'plain', 'a r zA', 'a', '-', 'a'),
  row('an unready endpoint is not eligible', 'zone-a', 'plain', 'a r zA, b r zB, c r zC, d n zA', 'a', '-', 'a'),
  row('the zone needs a ready endpoint', 'zone-a', 'plain', 'a n zA, b r zB, c r zC, d n zA', 'b c', '-', 'b c'),
  row('one missing hint disables hints', 'zone-a', 'plain', 'a r zA, b r zB, c r, d r zA', 'a b c d', '-', 'a b c d'),
  row(
    'an endpoint can be for several zones',
    'zone-c',
    'plain',
    'a r zA+zB+zC, b r zB+zC, c r zB+zD, d r zC',
    'a b d',
    '-',
    'a b d',
  ),
  row('without a Node name only zone hints count', 'zone-a', 'plain', nodes1To4, 'a d', '-', 'a d'),
  row('Node hints come before zone hints', 'node-1 zone-a', 'plain', nodes1To4, 'a', '-', 'a'),
  row(
    'a missing Node hint leads to zone hints, a missing zone hint to none',
    'node-1 zone-a',
    'plain',
    'a r zA n1, b r, c r zC n3, d r zA n4',
    'a b c d',
    '-',
    'a b c d',
  ),
  row('Node hints for other Nodes lead to zone hints', 'node-0 zone-a', 'plain', nodes1To4, 'a d', '-', 'a d'),
  row(
    'hints do not narrow local endpoints',
    'zone-a',
    'eTP ext',
    'p r zA L, q r zB L, s r zA, t r zB',
    'p s',
    'p q',
    'p q s',
  ),
  row('no endpoints at all', '', 'iTP', '', '-', 'empty', 'empty', false),
  row('remote endpoints count but are not reachable for Local', '', 'iTP', 'p r, q r', '-', 'empty', 'empty', true),
  row('all endpoints are local', '', 'iTP', 'p r L, q r L', '-', 'p q', 'p q'),
  row('only local endpoints serve Local', '', 'iTP', 'p r L, q r', '-', 'p', 'p'),
  row('unready endpoints are not used', '', 'plain', 'p n, q n', 'empty', '-', 'empty', false),
  row('ready endpoints are used', '', 'plain', 'p n, q r', 'q', '-', 'q'),
  row('terminating endpoints are the last resort', '', 'plain', 'p T L, q T', 'p q', '-', 'p q'),
  row('internal Local, external Cluster', '', 'iTP ext', 'p r L, q r', 'p q', 'p', 'p q'),
  row('internal Cluster, external Local', '', 'eTP ext', 'p r L, q r', 'p q', 'p', 'p q'),
  row('both Local with a way in', '', 'iTP eTP ext', 'p r L, q r', 'p q', 'p', 'p q'),
  row('both Local without local endpoints', '', 'iTP eTP ext', 'p r, q r', 'p q', 'empty', 'p q'),
  row('both Local, all terminating elsewhere', '', 'iTP eTP ext', 'p T, q T', 'p q', 'empty', 'p q', true),
  row('Local falls back by itself', '', 'eTP ext', 'p r, q x L, s T L, t T', 'p', 's', 'p s'),
  row('external Local without a way in', '', 'eTP', 'p r, q r L', 'p q', '-', 'p q'),
  row('internal Local without a way in', '', 'iTP', 'p r, q r L', '-', 'q', 'q'),
  row('an endpoint in no condition is not used', 'zone-a', 'plain', 'p x', 'empty', '-', 'empty', false),
]

for (const [index, { title, node, service, endpoints, ...expected }] of cases.entries()) {
  test(`case ${index + 1}: ${title}`, () => {
    const named = parseEndpoints(endpoints)
    const selection = select(service, [...named.values()], node)
    assert.deepEqual(
      {
        cluster: show(selection.cluster, named),
        local: show(selection.local, named),
        reachable: show(selection.reachable, named),
        isAnyUsable: selection.isAnyUsable,
      },
      { ...expected, isAnyUsable: expected.isAnyUsable ?? true },
    )
  })
}

test('serving alone does not make an endpoint usable', () => {
  const serving = endpoint('10.1.2.3', { isReady: false, isServing: true, isTerminating: false })
  assert.deepEqual(select('plain', [serving], '').cluster, [])
})

test('a ready endpoint is used although it terminates', () => {
  const both = endpoint('10.1.2.3', { isReady: true, isTerminating: true })
  assert.deepEqual(select('plain', [both, endpoint('10.1.2.4')], '').cluster?.length, 2)
})

test('hints of unready endpoints, or none on them, do not matter', () => {
  const selection = selectNamed('plain', 'a r zA, b r zB, c n, d T zA', 'zone-a')
  assert.deepEqual([selection.topologyMode, selection.cluster?.length], ['same-zone', 1])
})

test('terminating endpoints are used whatever their hints', () => {
  const selection = selectNamed('plain', 'a T zA, b T zB', 'zone-a')
  assert.deepEqual([selection.topologyMode, selection.cluster?.length], ['none', 2])
  assert.equal(selection.isClusterTerminating, true)
})

const reasons: [string, string, string, string, string | undefined][] = [
  ['hints are used', 'zone-a', 'a r zA, b r zB', 'same-zone', undefined],
  ['Node hints are used', 'node-1 zone-a', 'a r zA n1, b r zB n2', 'same-node', undefined],
  ['no endpoint has a hint', 'zone-a', 'a r, b r', 'none', undefined],
  ['no endpoint is ready', 'zone-a', 'a n zA', 'none', undefined],
  ['one hint is missing', 'zone-a', 'a r zA, b r', 'none', 'some-missing'],
  ['the Node has no zone', 'node-1', 'a r zA, b r zB', 'none', 'zone-unknown'],
  ['all hints are for other zones', 'zone-c', 'a r zA, b r zB', 'none', 'other-zones'],
  ['all hints are for other Nodes', 'node-1 zone-a', 'a r n2, b r n3', 'none', 'other-zones'],
]

for (const [title, node, endpoints, mode, unused] of reasons) {
  test(`the selection says why hints narrow it or not when ${title}`, () => {
    const { topologyMode, unusedHints } = selectNamed('plain', endpoints, node)
    assert.deepEqual([topologyMode, unusedHints], [mode, unused])
  })
}

function row(
  ...[title, node, service, endpoints, cluster, local, reachable, isAnyUsable]: [
    ...[string, string, string, string, string, string, string],
    boolean?,
  ]
): Case {
  const base = { title, node, service, endpoints, cluster, local, reachable }
  return isAnyUsable === undefined ? base : { ...base, isAnyUsable }
}

function selectNamed(service: string, endpoints: string, node: string): EndpointSelection {
  return select(service, [...parseEndpoints(endpoints).values()], node)
}

function select(service: string, endpoints: readonly Endpoint[], node: string): EndpointSelection {
  const words = service.split(' ')
  const port = servicePort({
    internalPolicyLocal: words.includes('iTP'),
    externalPolicyLocal: words.includes('eTP'),
    nodePort: words.includes('ext') ? 8080 : 0,
  })
  return selectEndpoints(port, endpoints, parseNode(node))
}

function parseNode(text: string): NodeTopology {
  const words = text.split(' ')
  const zone = words.find((word) => word.startsWith('zone-'))
  const name = words.find((word) => word.startsWith('node-')) ?? ''
  return { name, zone: zone === 'zone-' ? '' : zone }
}

function parseEndpoints(text: string): Map<string, Endpoint> {
  const entries = text.split(', ').filter((entry) => entry !== '')
  return new Map(
    entries.map((entry, index) => {
      const [name = '', condition = '', ...words] = entry.split(' ')
      const hints = words.flatMap((word) => (word === 'L' ? [] : word.split('+')))
      const parts = {
        isReady: condition === 'r',
        isServing: condition === 'r' || condition === 'T',
        isTerminating: condition === 'T',
        isLocal: words.includes('L'),
        zoneHints: hints.filter((hint) => hint.startsWith('z')).map((hint) => `zone-${hint.slice(1).toLowerCase()}`),
        nodeHints: hints.filter((hint) => hint.startsWith('n')).map((hint) => `node-${hint.slice(1)}`),
      }
      return [name, endpoint(`10.1.2.${3 + index}`, parts)]
    }),
  )
}

function show(list: readonly Endpoint[] | undefined, named: Map<string, Endpoint>): string {
  if (list === undefined) return '-'
  const names = [...named].filter(([, endpoint]) => list.includes(endpoint)).map(([name]) => name)
  return names.join(' ') || 'empty'
}
