import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { frontendAddresses, frontendText, serviceFrontends } from '../../src/dataplane/frontend.ts'
import type { Endpoint } from '../../src/model/endpoint.ts'
import type { ServicePort } from '../../src/model/service-port.ts'
import { endpoint, ip, nodeName, servicePort } from '../model/fixtures.ts'

/** Endpoints by what they are: L local or R remote; r ready, T terminating but serving, x neither ready nor serving. */
const endpoints = {
  rL: endpoint('10.180.0.1', { isLocal: true }),
  TL: endpoint('10.180.0.2', { isLocal: true, isReady: false, isTerminating: true }),
  xL: endpoint('10.180.0.3', { isLocal: true, isReady: false, isServing: false, isTerminating: true }),
  rR: endpoint('10.180.2.1'),
  TR: endpoint('10.180.2.2', { isReady: false, isTerminating: true }),
  xR: endpoint('10.180.2.3', { isReady: false, isServing: false, isTerminating: true }),
}
type Place = keyof typeof endpoints

function frontendsOf(port: Partial<ServicePort>, available: readonly Endpoint[]) {
  const servicePorts = [servicePort(port)]
  const [only] = serviceFrontends(servicePorts, new Map([['tcp:http', available]]), { name: nodeName })
  assert.ok(only !== undefined)
  return only
}

/** What happens at the cluster IP: the endpoints picked from, by name, or the answer. */
function clusterIpTreatment(port: Partial<ServicePort>, places: readonly Place[]): string {
  const { frontends } = frontendsOf(
    port,
    places.map((place) => endpoints[place]),
  )
  const treatment = frontends.find(({ field }) => field === 'spec.clusterIP')?.treatment
  if (treatment?.kind !== 'pick') return treatment?.kind ?? 'none'
  return places.filter((place) => treatment.endpoints.includes(endpoints[place])).join(' ')
}

describe('a new connection to the cluster IP', () => {
  const cluster = { internalPolicyLocal: false }
  const local = { internalPolicyLocal: true }
  const cases: readonly [title: string, port: Partial<ServicePort>, places: readonly Place[], treatment: string][] = [
    ['goes to ready endpoints on all Nodes', cluster, ['rL', 'rR', 'TL', 'TR', 'xL', 'xR'], 'rL rR'],
    ['goes to serving endpoints when all terminate', cluster, ['TL', 'TR', 'xL', 'xR'], 'TL TR'],
    ['is rejected when no endpoint serves', cluster, ['xL', 'xR'], 'reject'],
    ['is rejected without endpoints', cluster, [], 'reject'],
    ['stays on the Node with internal policy Local', local, ['rL', 'rR'], 'rL'],
    ['stays on the Node even when all endpoints there terminate', local, ['TL', 'xL', 'rR'], 'TL'],
    ['is dropped when all usable endpoints are on other Nodes', local, ['rR'], 'drop'],
    ['is dropped when those on other Nodes terminate but serve', local, ['TR', 'xL'], 'drop'],
    ['is rejected with policy Local when no endpoint serves anywhere', local, ['xL', 'xR'], 'reject'],
    ['is rejected with policy Local without endpoints', local, [], 'reject'],
    ['does not care about the external policy', { externalPolicyLocal: true, nodePort: 3001 }, ['rL', 'rR'], 'rL rR'],
    [
      'is dropped as internal policy Local says, although external traffic may go to other Nodes',
      { internalPolicyLocal: true, nodePort: 3001 },
      ['rR'],
      'drop',
    ],
  ]
  for (const [title, port, places, treatment] of cases) {
    test(title, () => assert.equal(clusterIpTreatment(port, places), treatment))
  }

  test('goes to endpoints of the same zone where hints say so', () => {
    const near = endpoint('10.180.0.1', { zoneHints: ['b'] })
    const far = endpoint('10.180.0.2', { zoneHints: ['a'] })
    const ports = [servicePort()]
    const node = { name: nodeName, zone: 'b' }
    const [only] = serviceFrontends(ports, new Map([['tcp:http', [near, far]]]), node)
    const treatment = only?.frontends[0]?.treatment
    assert.deepEqual(treatment?.kind === 'pick' ? treatment.endpoints : [], [near])
  })
})

test('local endpoints are those of this Node that a connection may reach', () => {
  const { rL, TL, xL, rR } = endpoints
  assert.deepEqual(frontendsOf({}, [rL, TL, xL, rR]).localEndpoints, [rL])
  assert.deepEqual(frontendsOf({}, [TL, xL]).localEndpoints, [TL])
  assert.deepEqual(frontendsOf({}, [rR]).localEndpoints, [])
})

test('each port goes to the endpoints of its own name and protocol', () => {
  const ports = [
    servicePort({ portName: 'dns', protocol: 'udp', port: 53 }),
    servicePort({ portName: 'dns-tcp', protocol: 'tcp', port: 53 }),
  ]
  const udp = endpoint('10.180.0.1', { port: 53 })
  const tcp = endpoint('10.180.0.1', { port: 5353 })
  const available = new Map([
    ['udp:dns', [udp]],
    ['tcp:dns-tcp', [tcp]],
  ] as const)
  const picked = serviceFrontends(ports, available, { name: nodeName }).map(({ frontends }) => {
    const treatment = frontends[0]?.treatment
    return treatment?.kind === 'pick' ? treatment.endpoints : []
  })
  assert.deepEqual(picked, [[udp], [tcp]])
})

test('a cluster IP is written as people dial it', () => {
  const texts = [servicePort(), servicePort({ clusterIp: ip('fd00:10:96::41'), protocol: 'udp', port: 53 })].map(
    (port) => frontendAddresses(port).map(frontendText),
  )
  assert.deepEqual(texts, [['172.30.0.41:80/tcp'], ['[fd00:10:96::41]:53/udp']])
})
