/* What a sync makes in the kernel, compared with what nft makes of the same table as text. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { tableOf } from '../../src/dataplane/names.ts'
import { readManifests } from '../../src/kube/manifests.ts'
import type { KubeObject } from '../../src/kube/types.ts'
import { listTables } from '../../src/nft/dump.ts'
import { TransactionError } from '../../src/nft/errors.ts'
import { renderTable } from '../../src/nft/render.ts'
import { wantedTable } from '../../src/sync/wanted.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { nodeName, service, slice, sliceEndpoint } from '../model/fixtures.ts'
import { comparableListing, freshKernel, type Kernel } from '../nft/kernel.ts'
import { createProxy, dataplaneOptions, podsIn, type Proxy, serviceCidr } from '../sync/proxy.ts'
import { proxyOn } from './node.ts'

const families = ['IPv4', 'IPv6'] as const
const pods = { IPv4: podsIn('10.0.0.0/8'), IPv6: podsIn('fd00:10::/64') }

/** Services of all kinds: every protocol, both families, all treatments, the longest names, a conflict. */
const longName = 'n'.repeat(63)
const { objects: examples } = await readManifests(new URL('../../examples', import.meta.url).pathname)
const objects: readonly KubeObject[] = [
  ...examples,
  serviceCidr('adjacent', '10.97.0.0/16', 'fd00:10:96::1:0/112'),
  service({ ports: [{ name: 'sctp', protocol: 'SCTP', port: 132 }], clusterIPs: ['10.97.0.1'] }),
  slice({ ports: [{ name: 'sctp', protocol: 'SCTP', port: 132 }], endpoints: [sliceEndpoint('10.180.0.1')] }),
  service({ clusterIPs: ['10.97.0.2'], internalTrafficPolicy: 'Local' }, { name: 'elsewhere' }),
  slice({ name: 'elsewhere-1', service: 'elsewhere', endpoints: [sliceEndpoint('10.180.0.1')] }),
  service({ clusterIPs: ['fd00:10:96::2:1'], internalTrafficPolicy: 'Local' }, { name: 'elsewhere6' }),
  slice({
    name: 'elsewhere6-1',
    service: 'elsewhere6',
    addressType: 'IPv6',
    endpoints: [sliceEndpoint('fd00:10:180::1')],
  }),
  service(
    { clusterIPs: ['10.97.0.3'], ports: [{ name: 'p'.repeat(15), port: 80 }] },
    { namespace: longName, name: longName },
  ),
  service({ clusterIPs: ['10.96.0.10'] }, { name: 'rival' }),
]

/** The text of all tables that are wanted of these objects. */
function wantedText(objects: readonly KubeObject[]): string {
  return families
    .map((family) => {
      const proxy = createProxy({ family })
      proxy.set(...objects)
      const options = dataplaneOptions({ family, ...pods[family] })
      return renderTable(wantedTable(proxy.model, { name: nodeName }, options).contents)
    })
    .join('')
}

/** A proxy for each family in one kernel, synced once. */
async function programmed(kernel: Kernel, objects: readonly KubeObject[]): Promise<readonly Proxy[]> {
  const proxies = families.map((family) => proxyOn(kernel.connection, family, pods[family]))
  for (const proxy of proxies) await proxy.sync(...objects)
  return proxies
}

async function generation(kernel: Kernel): Promise<number> {
  return (await kernel.connection.generation()).id
}

describe('the tables in the kernel', needs(root, tool('nft')), () => {
  test('list as they are rendered', async (t) => {
    const kernel = freshKernel(t)
    await programmed(kernel, objects)
    assert.equal(kernel.listing(), comparableListing(wantedText(objects)))
  })

  test('are what nft makes of the rendered text, down to the bytecode', async (t) => {
    const [ours, nfts] = [freshKernel(t), freshKernel(t)]
    await programmed(ours, objects)
    nfts.load(wantedText(objects))
    assert.equal(ours.listing(), nfts.listing())
    assert.equal(ours.bytecode(), nfts.bytecode())
  })

  test('of a cluster without objects are what nft makes of the rendered text', async (t) => {
    const [ours, nfts] = [freshKernel(t), freshKernel(t)]
    await programmed(ours, [])
    nfts.load(wantedText([]))
    assert.equal(ours.listing(), nfts.listing())
    assert.equal(ours.bytecode(), nfts.bytecode())
  })
})

describe('a start', needs(root, tool('nft')), () => {
  const foreign = (family: string): string => `
    table ${family} kube-proxy {
      comment "rules for kube-proxy"
      set cluster-ips { type ${family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'}; flags interval; }
      map service-ips { type inet_proto . inet_service : verdict; }
      chain service-ABC { counter accept; }
      chain services { meta l4proto . th dport vmap @service-ips; jump service-ABC; }
      chain filter-input { type filter hook input priority -110; jump services; }
      chain old { type filter hook forward priority -110; policy drop; }
    }`

  test('replaces a table of its name, whatever is in it, in one transaction', async (t) => {
    const [kernel, fresh] = [freshKernel(t), freshKernel(t)]
    kernel.load(foreign('ip'))
    await programmed(fresh, objects)
    const proxy = proxyOn(kernel.connection, 'IPv4', pods.IPv4)
    const before = await generation(kernel)
    await proxy.sync(...objects)
    assert.equal(await generation(kernel), before + 1)
    fresh.nft(['delete', 'table', 'ip6', 'kube-proxy'])
    assert.equal(kernel.listing(), fresh.listing())
  })

  test('replaces its own table of an earlier run with an equal one', async (t) => {
    const kernel = freshKernel(t)
    await programmed(kernel, objects)
    const earlier = kernel.listing()
    await programmed(kernel, objects)
    assert.equal(kernel.listing(), earlier)
  })

  test('leaves all other tables alone', async (t) => {
    const kernel = freshKernel(t)
    const others = [
      'table inet kube-proxy { chain input { type filter hook input priority 0; counter; }; }',
      'table ip firewall { set cluster-ips { type ipv4_addr; elements = { 10.96.0.1 }; }; chain services { accept; }; }',
      foreign('ip6'),
    ]
    kernel.load(others.join('\n'))
    const listed = (): string[] =>
      ['inet kube-proxy', 'ip firewall', 'ip6 kube-proxy'].map((table) =>
        kernel.nft(['list', 'table', ...table.split(' ')]),
      )
    const before = listed()
    const proxy = proxyOn(kernel.connection, 'IPv4')
    await proxy.sync(...objects)
    proxy.delete(...objects)
    await proxy.sync()
    assert.deepEqual(listed(), before)
  })
})

describe('a table that somebody else has deleted', needs(root, tool('nft')), () => {
  const cart = [service(), slice({ endpoints: [sliceEndpoint('10.180.0.1')] })]
  const more = slice({ endpoints: [sliceEndpoint('10.180.0.1'), sliceEndpoint('10.180.0.2')] })

  test('makes a change fail with the operation that was refused, and leaves the kernel as it is', async (t) => {
    const kernel = freshKernel(t)
    const proxy = proxyOn(kernel.connection, 'IPv4')
    await proxy.sync(...cart)
    kernel.nft(['delete', 'table', 'ip', 'kube-proxy'])
    kernel.load('table ip other { chain forward { type filter hook forward priority 0; }; }')
    const before = kernel.listing()
    await assert.rejects(proxy.sync(more), (error) => {
      assert.ok(error instanceof TransactionError)
      assert.equal(error.errno, 'ENOENT')
      assert.equal(error.nftLine, 'add chain ip kube-proxy pick-tcp-2')
      return true
    })
    assert.equal(kernel.listing(), before)
  })

  test('is made anew, with what has changed meanwhile, by the sync after the one that failed', async (t) => {
    const [kernel, fresh] = [freshKernel(t), freshKernel(t)]
    const proxy = proxyOn(kernel.connection, 'IPv4')
    await proxy.sync(...cart)
    kernel.nft(['flush', 'ruleset'])
    await assert.rejects(proxy.sync(more), TransactionError)
    assert.equal((await proxy.sync()).isFull, true)
    await proxyOn(fresh.connection, 'IPv4').sync(cart[0]!, more)
    assert.equal(kernel.listing(), fresh.listing())
  })

  test('is made anew by the sync that wanted to delete a stale chain', async (t) => {
    const [kernel, fresh] = [freshKernel(t), freshKernel(t)]
    const proxy = proxyOn(kernel.connection, 'IPv4')
    await proxy.sync(...cart)
    await proxy.sync(more)
    kernel.nft(['delete', 'table', 'ip', 'kube-proxy'])
    await proxy.clock.goTo(1000)
    assert.equal((await proxy.sync()).isFull, true)
    await proxyOn(fresh.connection, 'IPv4').sync(cart[0]!, more)
    assert.equal(kernel.listing(), fresh.listing())
  })
})

describe('a chain that nobody uses any more', needs(root, tool('nft')), () => {
  const one = slice({ endpoints: [sliceEndpoint('10.180.0.1')] })
  const two = slice({ endpoints: [sliceEndpoint('10.180.0.1'), sliceEndpoint('10.180.0.2')] })

  /** The chains that pick, in the kernel. */
  async function pickChains(kernel: Kernel): Promise<string[]> {
    const { chains } = await kernel.read(tableOf('IPv4'))
    return chains.flatMap(({ name }) => (name.startsWith('pick-') ? [name] : [])).sort()
  }

  test('is gone from the kernel after a second', async (t) => {
    const kernel = freshKernel(t)
    const proxy = proxyOn(kernel.connection, 'IPv4')
    await proxy.sync(service(), two)
    await proxy.sync(one)
    await proxy.clock.goTo(999)
    await proxy.sync()
    assert.deepEqual(await pickChains(kernel), ['pick-tcp-1', 'pick-tcp-2'])
    await proxy.clock.goTo(1000)
    await proxy.sync()
    assert.deepEqual(await pickChains(kernel), ['pick-tcp-1'])
  })

  test('is there again when it is wanted by the sync that deletes it', async (t) => {
    const kernel = freshKernel(t)
    const proxy = proxyOn(kernel.connection, 'IPv4')
    await proxy.sync(service(), two)
    await proxy.sync(one)
    await proxy.clock.goTo(1000)
    await proxy.sync(two)
    assert.deepEqual(await pickChains(kernel), ['pick-tcp-1', 'pick-tcp-2'])
  })

  test('stays while somebody else’s rule refers to it, and all else goes on', async (t) => {
    const kernel = freshKernel(t)
    const proxy = proxyOn(kernel.connection, 'IPv4')
    await proxy.sync(service(), two)
    kernel.load('add chain ip kube-proxy debug; add rule ip kube-proxy debug jump pick-tcp-2')
    await proxy.sync(one)
    await proxy.clock.goTo(1000)
    const { isFull, elementsAdded } = await proxy.sync(slice({ endpoints: [sliceEndpoint('10.180.0.3')] }))
    assert.deepEqual([isFull, elementsAdded], [false, 1])
    assert.deepEqual(await pickChains(kernel), ['pick-tcp-1', 'pick-tcp-2'])
    kernel.nft(['delete', 'chain', 'ip', 'kube-proxy', 'debug'])
    await proxy.sync()
    assert.deepEqual(await pickChains(kernel), ['pick-tcp-1'])
  })
})

describe('the ranges of cluster IPs change', needs(root, tool('nft')), () => {
  const changes: readonly [title: string, before: readonly string[], after: readonly string[]][] = [
    ['from none to one', [], ['10.96.0.0/16']],
    ['from one to none', ['10.96.0.0/16'], []],
    ['to a larger one', ['10.96.0.0/16'], ['10.96.0.0/12']],
    ['to a smaller one', ['10.96.0.0/12'], ['10.96.0.0/16']],
    ['to the upper half', ['10.96.0.0/15'], ['10.97.0.0/16']],
    ['by an adjacent one that comes', ['10.96.0.0/16'], ['10.96.0.0/16', '10.97.0.0/16']],
    ['by an adjacent one that goes', ['10.96.0.0/16', '10.97.0.0/16'], ['10.97.0.0/16']],
    ['into two halves', ['10.96.0.0/15'], ['10.96.0.0/16', '10.97.0.0/16']],
    ['from two halves into one', ['10.96.0.0/16', '10.97.0.0/16'], ['10.96.0.0/15']],
    ['to all addresses', ['10.96.0.0/16'], ['0.0.0.0/0']],
    ['to the last addresses', ['0.0.0.0/0'], ['255.255.0.0/16']],
    ['of IPv6', ['fd00:10:96::/112'], ['fd00:10:96::/108', 'fd00:10:97::/112']],
  ]
  for (const [title, before, after] of changes) {
    test(title, async (t) => {
      const [changed, fresh] = [freshKernel(t), freshKernel(t)]
      const family = [...before, ...after].some((cidr) => cidr.includes(':')) ? 'IPv6' : 'IPv4'
      const proxy = proxyOn(changed.connection, family)
      await proxy.sync(serviceCidr('kubernetes', ...before))
      assert.equal((await proxy.sync(serviceCidr('kubernetes', ...after))).isFull, false)
      await proxyOn(fresh.connection, family).sync(serviceCidr('kubernetes', ...after))
      assert.equal(changed.listing(), fresh.listing())
      assert.equal(changed.bytecode(), fresh.bytecode())
    })
  }
})

test('a proxy of one family makes no table of the other', needs(root, tool('nft')), async (t) => {
  const kernel = freshKernel(t)
  await proxyOn(kernel.connection, 'IPv6').sync(...objects)
  assert.deepEqual(await listTables(kernel.connection, 'ip'), [])
  assert.deepEqual(
    (await listTables(kernel.connection, 'ip6')).map(({ name }) => name),
    ['kube-proxy'],
  )
})
