import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Node, zoneLabel } from '../../src/kube/types.ts'
import { NetlinkError } from '../../src/netlink/errors.ts'
import { TransactionError } from '../../src/nft/errors.ts'
import { metadata, nodeName, service, slice, sliceEndpoint } from '../model/fixtures.ts'
import { accepted, createProxy, type Proxy, serviceCidr } from './proxy.ts'

const endpoints = ['10.180.0.1', '10.180.0.2'].map((address) => sliceEndpoint(address))

function node(zone: string): Node {
  return { kind: 'Node', metadata: metadata({ namespace: '', name: nodeName, labels: { [zoneLabel]: zone } }) }
}

/** A proxy whose commits meet this errno as long as one is set. */
function refusingProxy(): Proxy & { errno: string | undefined } {
  const proxy = {
    errno: undefined as string | undefined,
    ...createProxy({
      async commit() {
        if (proxy.errno === undefined) return accepted
        throw new TransactionError(undefined, 'transaction', new NetlinkError('NFT_MSG_NEWTABLE', proxy.errno))
      },
    }),
  }
  return proxy
}

const startOfTable = ['add table ip kube-proxy', 'delete table ip kube-proxy', 'add table ip kube-proxy']

describe('the first sync', () => {
  test('replaces the whole table in one transaction', async () => {
    const proxy = createProxy()
    const { isFull, services } = await proxy.sync(service(), slice({ endpoints }))
    assert.equal(isFull, true)
    assert.equal(services, 1)
    assert.equal(proxy.transactions.length, 1)
    assert.deepEqual(proxy.lastLines().slice(0, 3), startOfTable)
  })

  test('makes the table of a cluster that has nothing', async () => {
    const proxy = createProxy({ family: 'IPv6' })
    const report = await proxy.sync()
    assert.deepEqual([report.family, report.isFull, report.services, report.elementsAdded], ['IPv6', true, 0, 0])
    assert.equal(proxy.lastLines()[0], 'add table ip6 kube-proxy')
  })
})

describe('a later sync', () => {
  test('without changes commits nothing', async () => {
    const proxy = createProxy()
    await proxy.sync(service(), slice({ endpoints }), serviceCidr('kubernetes', '172.30.0.0/16'))
    const { isFull, servicesChanged } = await proxy.sync(service(), slice({ endpoints }))
    assert.deepEqual([isFull, servicesChanged], [false, 0])
    assert.deepEqual(proxy.lastLines(), [])
  })

  test('looks at the changed Service alone', async () => {
    const proxy = createProxy()
    const till = service({ clusterIPs: ['172.30.0.42'] }, { name: 'till' })
    await proxy.sync(service(), slice({ endpoints }), till)
    const { servicesChanged, services } = await proxy.sync(slice({ name: 'till-1', service: 'till', endpoints }))
    assert.deepEqual([servicesChanged, services], [1, 2])
    assert.ok(proxy.lastLines().every((line) => line.includes('172.30.0.42')))
  })

  test('makes new chains before the elements that lead to them', async () => {
    const proxy = createProxy()
    await proxy.sync(service(), slice({ endpoints }))
    await proxy.sync(slice({ endpoints: endpoints.slice(1) }))
    const [, chains, elements] = proxy.transactions
    assert.deepEqual(
      chains?.map((line) => line.split(' ').slice(0, 5).join(' ')),
      ['add chain ip kube-proxy pick-tcp-1', 'add rule ip kube-proxy pick-tcp-1'],
    )
    assert.ok(elements?.some((line) => line.endsWith('goto pick-tcp-1')))
    assert.equal(proxy.transactions.length, 3)
  })

  test('looks at all Services when this Node has moved to another zone', async () => {
    const inZones = endpoints.map((endpoint, index) => ({
      ...endpoint,
      hints: { forZones: [{ name: index === 0 ? 'a' : 'b' }] },
    }))
    const proxy = createProxy()
    await proxy.sync(service(), slice({ endpoints: inZones }), node('a'))
    await proxy.sync(node('b'))
    assert.deepEqual(proxy.lastLines(), [
      'delete endpoints-tcp 172.30.0.41 . 80 . 0 : 10.180.0.1 . 8080',
      'add endpoints-tcp 172.30.0.41 . 80 . 0 : 10.180.0.2 . 8080',
    ])
  })

  test('makes the table anew when that was asked for', async () => {
    const proxy = createProxy()
    await proxy.sync(service(), slice({ endpoints }))
    const whole = proxy.lastLines()
    proxy.syncer.requireRebuild()
    const { isFull } = await proxy.sync()
    assert.equal(isFull, true)
    assert.deepEqual(proxy.lastLines(), whole)
    assert.equal((await proxy.sync()).isFull, false)
  })

  test('makes the table anew when that was asked for during the commit before', async () => {
    const proxy: Proxy = createProxy({
      async commit() {
        if (proxy.transactions.length === 1) proxy.syncer.requireRebuild()
        return accepted
      },
    })
    await proxy.sync(service())
    assert.equal((await proxy.sync()).isFull, true)
    assert.equal((await proxy.sync()).isFull, false)
  })
})

describe('a failed sync', () => {
  test('rejects with the error of the transaction, and the next one makes the whole table anew', async () => {
    const proxy = refusingProxy()
    await proxy.sync(service(), slice({ endpoints }))
    const whole = proxy.lastLines()
    proxy.errno = 'ENOENT'
    await assert.rejects(proxy.sync(slice({ endpoints: endpoints.slice(1) })), {
      name: 'TransactionError',
      errno: 'ENOENT',
    })
    await assert.rejects(proxy.sync(slice({ endpoints })), TransactionError)
    proxy.errno = undefined
    assert.equal((await proxy.sync()).isFull, true)
    assert.deepEqual(proxy.lastLines(), whole)
  })

  test('does not lose what was to be reported', async () => {
    const proxy = refusingProxy()
    proxy.errno = 'EPERM'
    await assert.rejects(proxy.sync(serviceCidr('kubernetes', '172.30.0.0/99')))
    proxy.errno = undefined
    const { warnings } = await proxy.sync()
    assert.deepEqual(
      warnings.map(({ object }) => object),
      ['ServiceCIDR kubernetes'],
    )
    assert.deepEqual((await proxy.sync()).warnings, [])
  })
})

describe('a stale chain that cannot be deleted', () => {
  async function withStaleChain(): Promise<ReturnType<typeof refusingProxy>> {
    const proxy = refusingProxy()
    await proxy.sync(service(), slice({ endpoints }))
    await proxy.sync(slice({ endpoints: endpoints.slice(1) }))
    await proxy.clock.goTo(1000)
    return proxy
  }

  test('is tried again by each sync while something refers to it', async () => {
    const proxy = await withStaleChain()
    for (let i = 0; i < 2; i++) {
      const tried = proxy.transactions.length
      proxy.errno = 'EBUSY'
      const sync = proxy.sync()
      proxy.errno = undefined
      assert.equal((await sync).isFull, false)
      assert.deepEqual(proxy.transactions[tried], ['delete chain ip kube-proxy pick-tcp-2'])
    }
  })

  test('because the table is not what it was makes the same sync replace it', async () => {
    const proxy = await withStaleChain()
    proxy.errno = 'ENOENT'
    const sync = proxy.sync()
    proxy.errno = undefined
    assert.equal((await sync).isFull, true)
    assert.deepEqual(proxy.lastLines().slice(0, 3), startOfTable)
  })
})
