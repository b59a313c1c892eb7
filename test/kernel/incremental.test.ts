import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { tableOf } from '../../src/dataplane/names.ts'
import { needs, root } from '../lab/requirements.ts'
import { freshKernel, type Kernel } from '../nft/kernel.ts'
import { podsIn, type Proxy } from '../sync/proxy.ts'
import { type Change, clusterChanges } from './cluster-changes.ts'
import { proxyOn } from './node.ts'
import { behaviourOf, sharedChains } from './table-contents.ts'

const pods = { IPv4: podsIn('10.0.0.0/8'), IPv6: podsIn('fd00:10::/32') }

function proxies(kernel: Kernel): readonly Proxy[] {
  return (['IPv4', 'IPv6'] as const).map((family) => proxyOn(kernel.connection, family, pods[family]))
}

async function apply(proxy: Proxy, change: Change): Promise<void> {
  switch (change.kind) {
    case 'set':
    case 'delete':
      return proxy[change.kind](change.object)
    case 'sync':
      return void (await proxy.sync())
    case 'wait':
      return proxy.clock.goTo(proxy.clock.now() + change.ms)
  }
}

describe('syncs after any changes', needs(root), () => {
  test('leave the table that one sync of the end state makes', async () => {
    await fc.assert(
      fc.asyncProperty(clusterChanges, async (changes) => {
        const ends: (() => void)[] = []
        const test = { after: (end: () => void) => ends.push(end) }
        try {
          const [changed, fresh] = [freshKernel(test), freshKernel(test)]
          const [stepwise, atOnce] = [proxies(changed), proxies(fresh)]
          for (const change of changes) {
            for (const proxy of stepwise) await apply(proxy, change)
            if (change.kind !== 'sync') for (const proxy of atOnce) await apply(proxy, change)
          }
          for (const proxy of [...stepwise, ...atOnce]) await proxy.sync()
          for (const { model } of stepwise) {
            const table = tableOf(model.family)
            const [is, shall] = [await changed.read(table), await fresh.read(table)]
            assert.deepEqual(behaviourOf(is), behaviourOf(shall))
            const chains = sharedChains(is)
            for (const [name, rules] of sharedChains(shall)) assert.deepEqual(chains.get(name), rules, name)
          }
        } finally {
          for (const end of ends) end()
        }
      }),
      { numRuns: 40 },
    )
  })
})
