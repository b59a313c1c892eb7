import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { podAddress, serviceIp } from '../../../bench/apiserver/objects.ts'
import { monotonicMs } from '../../../bench/monotonic.ts'
import { LockProbe } from '../../../bench/peer/lock-probe.ts'
import { addressCounter, hasCluster, programmedAt, tableObjects } from '../../../bench/peer/programmed.ts'
import { NetworkNamespace } from '../../../src/netlink/namespace.ts'
import { NftConnection } from '../../../src/nft/connection.ts'
import { dataTypes } from '../../../src/nft/datatypes.ts'
import { encodeElements } from '../../../src/nft/elements.ts'
import { byType, type NftSet, type Rule, type TableRef } from '../../../src/nft/objects.ts'
import { createTable, type Operation } from '../../../src/nft/transaction.ts'
import { needs, root } from '../../lab/requirements.ts'

const table: TableRef = { family: 'ip', name: 'kube-proxy' }
const services: NftSet = { name: 'service-ips', key: byType(dataTypes.ipv4_addr) }
const endpoints: NftSet = { name: 'any', key: byType(dataTypes.integer), value: byType(dataTypes.ipv4_addr) }
const chains = [{ name: 'service-1' }]
const emptyTable = createTable({ table, sets: [services, endpoints], chains, rules: [] })
const size = { services: 2, endpoints: 1 }

function bytes(address: string): Uint8Array {
  return Uint8Array.from(address.split('.').map(Number))
}

function addServices(...numbers: readonly number[]): Operation {
  const elements = encodeElements(numbers.map((number) => ({ key: bytes(serviceIp(number)) })))
  return { verb: 'add', object: 'element', table, set: services, elements }
}

function addPodElement(pod: number): Operation {
  const elements = encodeElements([{ key: Uint8Array.of(0, 0, 0, pod), value: bytes(podAddress(pod)) }])
  return { verb: 'add', object: 'element', table, set: endpoints, elements }
}

function addPodRule(pod: number): Operation {
  const rule: Rule = {
    chain: 'service-1',
    expressions: [{ kind: 'immediate', dreg: 1, data: { value: bytes(podAddress(pod)) } }],
  }
  return { verb: 'add', object: 'rule', table, rule }
}

function openKernel(t: TestContext): { namespace: NetworkNamespace; connection: NftConnection } {
  const namespace = NetworkNamespace.create()
  const connection = namespace.run(() => new NftConnection())
  t.after(() => {
    connection.close()
    namespace.close()
  })
  return { namespace, connection }
}

test('addresses are counted once each, wherever they are in a message', () => {
  const { scan, found } = addressCounter('10.96.0.1', 300)
  scan(Buffer.of(0, 0, 0, 0, 10, 96, 0, 1, 10, 96, 0, 1, 10, 96, 1, 44))
  assert.equal(found(), 2)
  scan(Buffer.of(10, 96, 0, 0, 10, 96, 1, 45, 0, 10, 96, 0, 2, 0, 0, 0))
  assert.equal(found(), 2, 'those before, behind and not aligned are none of them')
})

describe('the kernel has the cluster', needs(root), () => {
  test('when it has all cluster IPs, and all endpoints in elements or in rules', async (t) => {
    const { connection } = openKernel(t)
    const has = (): Promise<boolean | undefined> => hasCluster(connection, size)
    assert.equal(await has(), false, 'there is no table')
    await connection.commit([...emptyTable, addServices(0)])
    assert.equal(await has(), false)
    await connection.commit([addServices(1), addPodElement(0)])
    assert.equal(await has(), false, 'an endpoint is missing')
    await connection.commit([addPodRule(1)])
    assert.equal(await has(), true)
  })

  test('from the generation on that brought the last of it', async (t) => {
    const { connection } = openKernel(t)
    const programmed = programmedAt(connection, size, () => true)
    await connection.commit([...emptyTable, addServices(0, 1), addPodElement(0)])
    const beforeMs = monotonicMs()
    await connection.commit([addPodElement(1)])
    const atMs = await programmed
    assert.ok(atMs !== undefined && atMs >= beforeMs && atMs < beforeMs + 1000)
  })

  test('or is given up', async (t) => {
    const { connection } = openKernel(t)
    let hope = 3
    assert.equal(await programmedAt(connection, size, () => hope-- > 0), undefined)
  })

  test('in chains, rules and sets that are counted', async (t) => {
    const { connection } = openKernel(t)
    await connection.commit([...emptyTable, addPodRule(1)])
    assert.deepEqual(await tableObjects(connection), { chains: 1, rules: 1, sets: 2 })
  })
})

describe('the lock probe', needs(root), () => {
  test('goes on through a transaction of others, and makes no generation', async (t) => {
    const { namespace, connection } = openKernel(t)
    const probe = await namespace.run(() => LockProbe.start())
    t.after(() => probe.stop())
    const before = await connection.generation()
    const quietMs = await probe.longestMs()
    assert.equal((await connection.generation()).id, before.id)
    const many = Array.from({ length: 150_000 }, (_, index) => ({ key: Buffer.from(Uint32Array.of(index).buffer) }))
    const elements = encodeElements(many)
    await connection.commit([...emptyTable, { verb: 'add', object: 'element', table, set: services, elements }])
    const longestMs = await probe.longestMs()
    for (const ms of [quietMs, longestMs]) assert.ok(ms > 0 && Number.isFinite(ms), `${ms} ms`)
  })
})
