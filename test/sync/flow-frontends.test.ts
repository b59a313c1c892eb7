import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Frontend } from '../../src/dataplane/frontend.ts'
import type { Service } from '../../src/kube/types.ts'
import { ClusterModel } from '../../src/model/cluster-model.ts'
import type { Endpoint } from '../../src/model/endpoint.ts'
import { packSocket } from '../../src/netlink/flow.ts'
import { inetPton } from '../../src/netlink/inet.ts'
import { clusterOf } from '../../src/sync/cluster-of.ts'
import { atOnce } from '../../src/sync/time-slices.ts'
import { flowFrontends, type FlowRules, isStaleFlow, nodePortIpKeys } from '../../src/sync/flow-frontends.ts'
import { families } from '../lab/addresses.ts'
import { ip, nodeName, service, slice, sliceEndpoint } from '../model/fixtures.ts'
import { setObject } from './proxy.ts'

const ports = [
  { name: 'dns-tcp', protocol: 'TCP', port: 8000 },
  { name: 'dns', protocol: 'UDP', port: 8000, nodePort: 32_000 },
  { name: 'dns-sctp', protocol: 'SCTP', port: 8000, nodePort: 32_000 },
] as const
const slicePorts = ports.map(({ name, protocol }) => ({ name, protocol, port: 9090 }))

const notServing = { conditions: { ready: false, serving: false, terminating: true } }

type Socket = readonly [address: string, port: number]

for (const [name, plan] of Object.entries(families)) {
  const family = name === 'ipv4' ? 'IPv4' : 'IPv6'
  const [clusterIp, otherClusterIp] = plan.clusterIps
  const [externalIp] = plan.externalIps
  const [vip] = plan.loadBalancerIps
  const [serving, unready, gone, remote] = [...plan.localEndpoints.slice(0, 3), plan.remoteEndpoints[0]] as const

  const spec = {
    clusterIPs: [clusterIp],
    ipFamilies: [family],
    type: 'LoadBalancer',
    externalIPs: [externalIp],
    ports,
  } as const
  const status = { loadBalancer: { ingress: [{ ip: vip }] } }
  const web = service(spec, {}, status)
  const webSlice = slice({
    addressType: family,
    ports: slicePorts,
    endpoints: [sliceEndpoint(serving, { nodeName }), sliceEndpoint(unready!, notServing)],
  })

  function rulesFor(protocol: 'udp' | 'tcp', ...objects: readonly (Service | typeof webSlice)[]): FlowRules {
    const model = new ClusterModel({ family, nodeName, processStartMs: 0 })
    for (const object of objects) setObject(model, object)
    model.takeChanges()
    return {
      frontends: atOnce(flowFrontends(model, protocol)),
      formerFrontends: new Set(),
      nodePortIps: nodePortIpKeys([ip(plan.node)]),
    }
  }

  function rulesOf(...objects: readonly (Service | typeof webSlice)[]): FlowRules {
    return rulesFor('udp', ...objects)
  }

  function isStale(rules: FlowRules, destination: Socket, answerer: Socket = destination, zone = 0): boolean {
    return isStaleFlow(rules, key(...destination), key(...answerer), zone)
  }

  describe(`UDP flows over ${family}`, () => {
    const rules = rulesOf(web, webSlice)
    const frontends = [clusterIp, vip, externalIp].map((address): Socket => [address, 8000])
    const notFrontends = [clusterIp, vip, externalIp].map((address): Socket => [address, 3000])

    const cases: readonly [title: string, destinations: readonly Socket[], answerer: Socket | undefined, boolean][] = [
      ['to an endpoint that serves are right', frontends, [serving, 9090], false],
      ['to another port of an endpoint are stale', frontends, [serving, 8080], true],
      ['to an endpoint that does not serve are stale', frontends, [unready!, 9090], true],
      ['to an endpoint that is in no slice are stale', frontends, [gone!, 9090], true],
      ['to a port that no Service has are left alone', notFrontends, [gone!, 9090], false],
      ['to a node port and a serving endpoint are right', [[plan.node, 32_000]], [serving, 9090], false],
      ['to a node port and an endpoint that does not serve are stale', [[plan.node, 32_000]], [unready!, 9090], true],
      ['to a node port and a vanished endpoint are stale', [[plan.node, 32_000]], [gone!, 9090], true],
      ['that nobody translated are stale', [...frontends, [plan.node, 32_000]], undefined, true],
      ['to other ports, untranslated, are left alone', notFrontends, undefined, false],
      [
        'to a strange address and the number of a node port are left alone',
        [[plan.elsewhere, 32_000]],
        undefined,
        false,
      ],
      ['that somebody else translated there are left alone', [[plan.elsewhere, 32_000]], [gone!, 9090], false],
      ['to a node port at an address that takes none are left alone', [[plan.secondNodeIp, 32_000]], [gone!, 1], false],
      ['to a node port on loopback are left alone', [[plan.loopback, 32_000]], undefined, false],
      ['to a node port’s number at a cluster IP are left alone', [[clusterIp, 32_000]], [gone!, 9090], false],
    ]
    for (const [title, destinations, answerer, expected] of cases) {
      test(title, () => {
        for (const destination of destinations) assert.equal(isStale(rules, destination, answerer), expected)
      })
    }

    test('in a zone of somebody’s own are stale only when translated', () => {
      for (const destination of frontends) {
        assert.equal(isStale(rules, destination, destination, 7), false)
        assert.equal(isStale(rules, destination, [serving, 9090], 7), false)
        assert.equal(isStale(rules, destination, [gone!, 9090], 7), true)
      }
    })

    test('are all stale when the Service has no endpoint', () => {
      const rules = rulesOf(web, slice({ addressType: family, ports: slicePorts }))
      assert.equal(isStale(rules, [externalIp, 8000], [serving, 9090]), true)
      assert.equal(isStale(rules, [externalIp, 8000], [gone!, 9090]), true)
      assert.equal(isStale(rules, [plan.node, 32_000], [serving, 9090]), true)
    })

    test('are right wherever their endpoint serves, whatever policies say', () => {
      const local = { internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' } as const
      const endpoints = [
        sliceEndpoint(remote!, { nodeName: 'node-2', hints: { forZones: [{ name: 'elsewhere' }] } }),
        sliceEndpoint(serving, { conditions: { ready: false, serving: true, terminating: true } }),
        sliceEndpoint(unready!, { conditions: { ready: true, serving: false, terminating: false } }),
      ]
      const rules = rulesOf(
        service({ ...spec, ...local }, {}, status),
        slice({ ...webSlice, ports: slicePorts, addressType: family, endpoints }),
      )
      for (const destination of [...frontends, [plan.node, 32_000] as const]) {
        for (const endpoint of [remote!, serving, unready!]) {
          assert.equal(isStale(rules, destination, [endpoint, 9090]), false, endpoint)
        }
      }
    })

    test('to a frontend that two Services claim are right with the endpoints of both', () => {
      const other = service({ ...spec, clusterIPs: [otherClusterIp] }, { name: 'other' })
      const otherSlice = slice({
        name: 'other-1',
        service: 'other',
        addressType: family,
        ports: slicePorts,
        endpoints: [sliceEndpoint(remote!)],
      })
      for (const objects of [
        [web, webSlice, other, otherSlice],
        [other, otherSlice, web, webSlice],
      ]) {
        const rules = rulesOf(...objects)
        for (const endpoint of [serving, remote!]) {
          assert.equal(isStale(rules, [externalIp, 8000], [endpoint, 9090]), false)
          assert.equal(isStale(rules, [externalIp, 8000], [gone!, 9090]), true)
        }
        assert.equal(isStale(rules, [otherClusterIp, 8000], [serving, 9090]), true)
      }
    })

    test('to a node’s address that is an external IP too follow the external IP', () => {
      const nodePortOfOther = { name: 'dns', protocol: 'UDP', port: 53, nodePort: 8000 } as const
      const other = service(
        { ...spec, clusterIPs: [otherClusterIp], externalIPs: [], ports: [nodePortOfOther] },
        { name: 'other' },
      )
      const rules = rulesOf(service({ ...spec, externalIPs: [plan.node] }), webSlice, other)
      assert.equal(isStale(rules, [plan.node, 8000], [serving, 9090]), false)
    })

    test('to a frontend that is gone are stale if they were translated', () => {
      const former = rulesOf(web, webSlice)
      const rules = { ...rulesOf(), formerFrontends: new Set(former.frontends.answerers.keys()) }
      for (const destination of [...frontends, [plan.node, 32_000] as const]) {
        assert.equal(isStale(rules, destination, [serving, 9090]), true)
        assert.equal(isStale(rules, destination), false)
      }
      assert.equal(isStale(rules, [plan.elsewhere, 32_000], [serving, 9090]), false)
    })

    test('that are offloaded are stale when their Service has opted out of the fast path, others are not', () => {
      const optedOut = service(spec, { annotations: { 'flowproxy.dev/fastpath': 'off' } }, status)
      const rules = rulesOf(optedOut, webSlice)
      for (const destination of [...frontends, [plan.node, 32_000] as const]) {
        const [to, from] = [key(...destination), key(serving, 9090)]
        assert.equal(isStaleFlow(rules, to, from, 0, true), true)
        assert.equal(isStaleFlow(rules, to, from, 0, false), false)
        assert.equal(isStaleFlow(rulesOf(web, webSlice), to, from, 0, true), false)
      }
    })

    test('of protocols other than UDP know no frontends', () => {
      const others = ports.filter(({ protocol }) => protocol !== 'UDP')
      assert.equal(rulesOf(service({ ...spec, ports: others }, {}, status), webSlice).frontends.answerers.size, 0)
    })
  })

  describe(`TCP flows of the fast path over ${family}`, () => {
    const rules = rulesFor('tcp', web, webSlice)

    test('stay with an endpoint that is terminating, and are stale when it is gone', () => {
      for (const address of [clusterIp, vip, externalIp]) {
        assert.equal(isStale(rules, [address, 8000], [serving, 9090]), false)
        assert.equal(isStale(rules, [address, 8000], [unready!, 9090]), false)
        assert.equal(isStale(rules, [address, 8000], [gone!, 9090]), true)
      }
    })

    test('are stale when their Service is gone', () => {
      const former = { ...rulesFor('tcp'), formerFrontends: new Set(rules.frontends.answerers.keys()) }
      assert.equal(isStale(former, [clusterIp, 8000], [serving, 9090]), true)
    })
  })
}

test('no flow that the table makes now is stale', () => {
  const policy = fc.constantFrom('Cluster', 'Local')
  const conditions = fc.record({ ready: fc.boolean(), serving: fc.boolean(), terminating: fc.boolean() })
  const endpoint = fc.record({ conditions, nodeName: fc.constantFrom(nodeName, 'node-2') })
  const count = { kept: 0 }
  fc.assert(
    fc.property(policy, policy, fc.array(endpoint, { maxLength: 5 }), (internal, external, endpoints) => {
      const { localEndpoints, node: nodeIp } = families.ipv4
      const dns = service({
        type: 'NodePort',
        externalIPs: ['192.168.99.22'],
        internalTrafficPolicy: internal,
        externalTrafficPolicy: external,
        ports,
      })
      const model = new ClusterModel({ family: 'IPv4', nodeName, processStartMs: 0 })
      setObject(model, dns)
      const at = endpoints.map((parts, index) => sliceEndpoint(localEndpoints[index]!, parts))
      setObject(model, slice({ ports: slicePorts, endpoints: at }))
      model.takeChanges()
      const nodePortIps = nodePortIpKeys([ip(nodeIp)])
      const rules = { frontends: atOnce(flowFrontends(model, 'udp')), formerFrontends: new Set<string>(), nodePortIps }
      const made = clusterOf(model, { name: nodeName }).frontends('shop/cart')
      for (const frontend of made.flatMap(({ frontends }) => frontends)) {
        if (frontend.protocol !== 'udp') continue
        const destination = key(frontend.kind === 'ip' ? frontend.ip : nodeIp, frontend.port)
        for (const used of endpointsOf(frontend)) {
          assert.equal(isStaleFlow(rules, destination, key(used.ip, used.port), 0), false)
          count.kept++
        }
      }
    }),
  )
  assert.ok(count.kept > 100, `${count.kept} flows`)
})

function endpointsOf({ treatment }: Frontend): readonly Endpoint[] {
  switch (treatment.kind) {
    case 'pick':
      return treatment.endpoints
    case 'external-local':
      return [...treatment.cluster, ...treatment.local]
    case 'reject':
    case 'drop':
      return []
  }
}

function key(address: string, port: number): string {
  return packSocket(inetPton(address), port)
}
