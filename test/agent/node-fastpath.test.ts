import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { pino } from 'pino'
import { NodeFastpath, type NodeFastpathOptions } from '../../src/agent/node-fastpath.ts'
import { createDualStackProxier, dataplaneConfig, type Proxier } from '../../src/index.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { ruleset, untilRuleset } from '../cli/ruleset.ts'
import { inNamespace } from '../lab/namespace.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { service, slice, sliceEndpoint } from '../model/fixtures.ts'
import { MemoryKernel } from '../sync/fastpath-kernel.ts'

describe('beside a fast path, Services', needs(root, tool('nft')), () => {
  let namespace: NetworkNamespace
  let kernel: MemoryKernel
  let proxier: Proxier
  let fastpath: NodeFastpath
  let stop: AbortController
  let running: Promise<unknown>

  beforeEach(() => {
    namespace = NetworkNamespace.create()
    kernel = new MemoryKernel()
    kernel.add('eth0', 'veth1')
    stop = new AbortController()
    running = Promise.resolve()
  })

  afterEach(async () => {
    stop.abort()
    await running
    proxier.close()
    namespace.close()
  })

  /** As the agent does it. */
  async function start(options: Partial<NodeFastpathOptions> = {}): Promise<void> {
    const log = pino({ level: 'silent' })
    proxier = createDualStackProxier({
      nodeName: 'node-1',
      dataplane: dataplaneConfig({}),
      minSyncPeriodMs: 0,
      retryPeriodMs: 200,
      log,
      inNamespace: (open) => inNamespace(namespace, open),
      onSync: () => fastpath.servicesSynced(),
      onFlowsReconciled: (report) => fastpath.flowsReconciled(report),
    })
    fastpath = new NodeFastpath({
      threshold: 20,
      interfaces: [],
      models: () => proxier.models,
      nodePortIps: () => proxier.nodePortIps,
      log,
      kernel,
      ...options,
    })
    await fastpath.prepare((bit) => proxier.setFastpathLabel(bit))
    proxier.onServiceAdd(service())
    proxier.onServiceSynced()
    proxier.onEndpointSlicesSynced()
    running = Promise.all([proxier.syncLoop(stop.signal), fastpath.start(stop.signal)])
  }

  /** Endpoints that come one after the other are programmed within seconds each. */
  async function follow(): Promise<void> {
    for (const address of ['10.180.0.1', '10.180.0.2', '10.180.0.3']) {
      const startMs = performance.now()
      proxier.onEndpointSliceUpdate(undefined, slice({ endpoints: [sliceEndpoint(address)] }))
      await untilRuleset(namespace, { has: address })
      assert.ok(performance.now() - startMs < 5_000)
    }
  }

  test('are programmed with the label where there are flow tables', async () => {
    await start()
    await follow()
    assert.match(ruleset(namespace), /ct label set 90/)
    assert.deepEqual((await fastpath.report()).status.interfaces, ['eth0', 'veth1'])
  })

  test('are programmed without it where there are none', async () => {
    kernel.refuses = ({ object }) => (object === 'flowtable' ? 'ENOENT' : undefined)
    await start()
    await follow()
    assert.doesNotMatch(ruleset(namespace), /ct label/)
    assert.equal((await fastpath.report()).status.state, 'unsupported')
  })

  test('are programmed while each transaction of the fast path fails', async () => {
    let commits = 0
    kernel.refuses = (operation) => (operation.table.name.endsWith('-probe') ? undefined : 'EBUSY')
    kernel.onCommit = () => void commits++
    await start()
    await follow()
    assert.equal((await fastpath.report()).status.state, 'failing')
    assert.ok(commits > 0)
    assert.match(fastpath.facts().join('\n'), /^\[-\]fast path failing: add table inet kube-proxy-fastpath: EBUSY/)
  })

  test('do not wait for a kernel that takes long to say what it can do, and get the label then', async () => {
    const { commit } = kernel
    const answer = Promise.withResolvers<void>()
    Object.assign(kernel, {
      commit: (...args: Parameters<typeof commit>) => answer.promise.then(() => commit(...args)),
    })
    const startMs = performance.now()
    await start()
    assert.ok(performance.now() - startMs < 3_000)
    await follow()
    assert.doesNotMatch(ruleset(namespace), /ct label/)
    answer.resolve()
    await untilRuleset(namespace, { has: 'ct label set 90' })
  })

  test('tell the fast path their addresses where the kernel has no labels', async () => {
    kernel.refuses = (operation) =>
      operation.object === 'rule' && 'rule' in operation && operation.rule.chain === 'labels' ? 'EOPNOTSUPP' : undefined
    await start()
    await follow()
    assert.doesNotMatch(ruleset(namespace), /ct label/)
    proxier.onServiceAdd(service({ clusterIPs: ['172.30.0.77'] }, { name: 'other' }))
    await untilRuleset(namespace, { has: '172.30.0.77' })
    const addresses = (): readonly string[] =>
      (kernel.tables.get('inet kube-proxy-fastpath')?.elements.get('service-ipv4') ?? []).map(({ key }) =>
        key.join('.'),
      )
    const endMs = performance.now() + 5_000
    while (!addresses().includes('172.30.0.77') && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    assert.deepEqual([...addresses()].sort(), ['172.30.0.41', '172.30.0.77'])
  })
})
