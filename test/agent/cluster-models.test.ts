import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ClusterModels } from '../../src/agent/cluster-models.ts'
import type { KubeObject, Node, ObjectEvent } from '../../src/kube/types.ts'
import { dualStackService, service } from '../model/fixtures.ts'

describe('the models of a cluster', () => {
  const nodeName = 'node-1'

  function models(): ClusterModels {
    return new ClusterModels({ families: ['IPv4', 'IPv6'], nodeName, processStartMs: 0 })
  }

  function node(name: string, zone?: string): Node {
    const labels = zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone }
    return { kind: 'Node', metadata: { namespace: '', name, labels } }
  }

  /** As a sync does: what was told takes effect in the models. */
  const take = (cluster: ClusterModels): void => void cluster.models.map((model) => model.takeChanges())

  const set = (...objects: readonly KubeObject[]): ObjectEvent[] => objects.map((object) => ({ type: 'set', object }))

  test('are told of a Service, each of its own family', () => {
    const cluster = models()
    assert.equal(cluster.apply(set(dualStackService())).isSyncNeeded, true)
    take(cluster)
    assert.deepEqual(
      cluster.models.map((model) => model.servicePorts('shop/cart').map(({ clusterIp }) => clusterIp)),
      [['172.30.0.41'], ['fd00:172:30::41']],
    )
  })

  test('need a sync when any one of them has changed', () => {
    const cluster = models()
    assert.equal(cluster.apply(set(service({ clusterIPs: ['fd00::1'], ipFamilies: ['IPv6'] }))).isSyncNeeded, true)
    take(cluster)
    const gone: ObjectEvent = { type: 'deleted', kind: 'Service', namespace: 'shop', name: 'cart' }
    assert.equal(cluster.apply([gone]).isSyncNeeded, true)
    take(cluster)
    assert.equal(cluster.apply([gone]).isSyncNeeded, false)
  })

  test('need none when nothing is new', () => {
    const cluster = models()
    assert.equal(cluster.apply([]).isSyncNeeded, false)
    const cidr: KubeObject = {
      kind: 'ServiceCIDR',
      metadata: { namespace: '', name: 'a' },
      spec: { cidrs: ['10.0.0.0/8'] },
    }
    assert.equal(cluster.apply(set(cidr)).isSyncNeeded, true)
    assert.equal(cluster.apply(set(cidr)).isSyncNeeded, false)
  })

  test('know this Node’s zone from its label', () => {
    const cluster = models()
    assert.deepEqual(cluster.node, { name: nodeName })
    assert.deepEqual(cluster.apply(set(node(nodeName, 'north'))), {
      isSyncNeeded: true,
      isNodeChanged: true,
      hasNewFacts: true,
    })
    assert.deepEqual(cluster.node, { name: nodeName, zone: 'north' })
    const again = cluster.apply(set(node(nodeName, 'north')))
    assert.deepEqual([again.isSyncNeeded, again.isNodeChanged], [false, false])
  })

  test('do not care for other Nodes', () => {
    const cluster = models()
    assert.deepEqual(cluster.apply(set(node('node-2', 'north'))), {
      isSyncNeeded: false,
      isNodeChanged: false,
      hasNewFacts: false,
    })
    assert.deepEqual(cluster.node, { name: nodeName })
  })

  test('keep the zone when the Node’s object goes, and lose it with the label', () => {
    const cluster = models()
    cluster.apply(set(node(nodeName, 'north')))
    const gone: ObjectEvent = { type: 'deleted', kind: 'Node', namespace: '', name: nodeName }
    assert.deepEqual(cluster.apply([gone]), { isSyncNeeded: false, isNodeChanged: false, hasNewFacts: false })
    assert.equal(cluster.node.zone, 'north')
    assert.deepEqual(cluster.apply(set(node(nodeName))), { isSyncNeeded: true, isNodeChanged: true, hasNewFacts: true })
    assert.equal(cluster.node.zone, undefined)
  })
})
