import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import {
  cleanupLeftovers,
  createDualStackProxier,
  dataplaneConfig,
  type DataplaneFlags,
  Proxier,
} from '../../src/index.ts'
import type { Node } from '../../src/kube/types.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { ruleset, untilRuleset } from '../cli/ruleset.ts'
import { until } from '../cli/until.ts'
import { inNamespace } from '../lab/namespace.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { dualStackService, service, slice, sliceEndpoint } from '../model/fixtures.ts'

describe('the proxier', needs(root, tool('nft')), () => {
  let namespace: NetworkNamespace
  let proxier: Proxier
  let stop: AbortController
  let running: Promise<void> | undefined
  let syncs: string[]

  beforeEach(() => {
    namespace = NetworkNamespace.create()
    stop = new AbortController()
    running = undefined
    syncs = []
  })

  afterEach(async () => {
    stop.abort()
    await running
    proxier.close()
    namespace.close()
  })

  /** A proxier whose loop runs. */
  function start(flags: DataplaneFlags = {}): void {
    proxier = createDualStackProxier({
      nodeName: 'node-1',
      dataplane: dataplaneConfig(flags),
      minSyncPeriodMs: 0,
      retryPeriodMs: 200,
      log: pino({ level: 'silent' }),
      inNamespace: (open) => inNamespace(namespace, open),
      onSync: ({ family }) => syncs.push(family),
    })
    running = proxier.syncLoop(stop.signal)
  }

  function synced(): void {
    proxier.onServiceSynced()
    proxier.onEndpointSlicesSynced()
  }

  test('programs what it is told through the handlers, in both families', async () => {
    start()
    proxier.onServiceAdd(dualStackService())
    proxier.onEndpointSliceAdd(slice({ endpoints: [sliceEndpoint('10.180.0.1')] }))
    synced()
    const programmed = await untilRuleset(namespace, { has: '10.180.0.1' })
    assert.match(programmed, /172\.30\.0\.41 \. tcp \. 80 comment "shop\/cart:http" : goto pick-tcp-1/)
    await untilRuleset(namespace, { has: 'fd00:172:30::41 . tcp . 80 comment "shop/cart:http" : goto reject-chain' })

    proxier.onEndpointSliceUpdate(undefined, slice({ endpoints: [sliceEndpoint('10.180.0.2')] }))
    await untilRuleset(namespace, { has: '10.180.0.2', hasNot: '10.180.0.1' })
    proxier.onEndpointSliceDelete(slice())
    await untilRuleset(namespace, { has: '172.30.0.41 . tcp . 80 comment "shop/cart:http" : goto reject-chain' })
    proxier.onServiceDelete(service())
    await untilRuleset(namespace, { hasNot: '172.30.0.41' })
  })

  test('programs nothing before both lists are complete, and then at once', async () => {
    start()
    proxier.onServiceAdd(service())
    proxier.onServiceSynced()
    proxier.sync()
    await sleep(200)
    assert.equal(ruleset(namespace), '')
    proxier.onEndpointSlicesSynced()
    await untilRuleset(namespace, { has: '172.30.0.41' })
  })

  test('drops what is sent to the ranges of ServiceCIDRs, the last ones that it was told', async () => {
    start()
    synced()
    proxier.onServiceCIDRsChanged(['10.96.0.0/16', 'fd00:10:96::/112'])
    await untilRuleset(namespace, { has: '10.96.0.0/16' })
    await untilRuleset(namespace, { has: 'fd00:10:96::/112' })
    proxier.onServiceCIDRsChanged(['10.97.0.0/16'])
    await untilRuleset(namespace, { has: '10.97.0.0/16', hasNot: '10.96.0.0/16' })
  })

  test('lays the table out anew when the pod range of its Node becomes known or another one', async () => {
    start({ detectLocalMode: 'NodeCIDR' })
    synced()
    await untilRuleset(namespace, { has: 'table ip kube-proxy' })
    assert.doesNotMatch(ruleset(namespace), /ip daddr @cluster-ips ip saddr != /)
    proxier.onNodeAdd(node({ podCIDRs: ['10.244.1.0/24'] }))
    await untilRuleset(namespace, { has: 'ip saddr != 10.244.1.0/24' })
    proxier.onNodeUpdate(undefined, node({ podCIDRs: ['10.244.2.0/24'] }))
    await untilRuleset(namespace, { has: 'ip saddr != 10.244.2.0/24', hasNot: '10.244.1.0/24' })
    proxier.onNodeDelete(node({}))
    proxier.onNodeAdd({ ...node({ podCIDRs: ['10.244.9.0/24'] }), metadata: { namespace: '', name: 'node-2' } })
    await sleep(100)
    assert.match(ruleset(namespace), /ip saddr != 10\.244\.2\.0\/24/)
  })

  test('is content with a Node whose addresses and ranges are the same as before', async () => {
    start({ detectLocalMode: 'NodeCIDR' })
    proxier.onNodeAdd(node({ podCIDRs: ['10.244.1.0/24'] }))
    synced()
    await until(
      () => (syncs.length >= 2 ? true : undefined),
      () => 'a first sync of both families',
    )
    proxier.onNodeUpdate(undefined, node({ podCIDRs: ['10.244.1.0/24'] }))
    await sleep(100)
    assert.deepEqual(syncs.toSorted(), ['IPv4', 'IPv6'])
  })

  test('leaves its tables when it ends, and cleanupLeftovers removes them', async () => {
    start()
    synced()
    await untilRuleset(namespace, { has: 'table ip6 kube-proxy' })
    stop.abort()
    await running
    assert.match(ruleset(namespace), /table ip kube-proxy/)
    const leftovers = await cleanupLeftovers((open) => inNamespace(namespace, open))
    assert.deepEqual(
      leftovers.map(({ table, isRemoved }) => [table.family, isRemoved]),
      [
        ['ip', true],
        ['ip6', true],
        ['inet', false],
      ],
    )
    assert.equal(ruleset(namespace), '')
  })
})

function node(spec: NonNullable<Node['spec']>): Node {
  return { kind: 'Node', metadata: { namespace: '', name: 'node-1' }, spec }
}
