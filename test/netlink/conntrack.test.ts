import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { deleteFlows, findFlows } from '../../src/netlink/conntrack.ts'
import { type Flow, flowText, packSocket } from '../../src/netlink/flow.ts'
import { AF_INET, AF_INET6, inetPton } from '../../src/netlink/inet.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { NETLINK_NETFILTER, NetlinkSocket } from '../../src/netlink/socket.ts'
import { forgetConnections } from '../lab/connections.ts'
import { needs, root } from '../lab/requirements.ts'
import { createFlows, flow, type FlowPlan, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP } from './flows.ts'

const everything = () => true

describe('conntrack', needs(root), () => {
  let namespace: NetworkNamespace
  let socket: NetlinkSocket

  before(() => {
    namespace = NetworkNamespace.create()
    socket = namespace.run(() => new NetlinkSocket(NETLINK_NETFILTER))
  })

  afterEach(async () => {
    for (const family of ['IPv4', 'IPv6'] as const) await forgetConnections(namespace, family)
  })

  after(() => {
    socket.close()
    namespace.close()
  })

  const dns = { client: ['10.0.0.2', 5000], destination: ['172.30.0.41', 53], answerer: ['10.180.0.1', 5353] } as const
  const dns6 = { client: ['fd00::2', 5000], destination: ['fd00::41', 53], answerer: ['fd00::1', 5353] } as const

  async function listed(family: typeof AF_INET | typeof AF_INET6 = AF_INET, protocol = IPPROTO_UDP) {
    const { flows, isWhole } = await findFlows(socket, family, protocol, everything)
    assert.equal(isWhole, true)
    return flows.map(flowText).sort()
  }

  const many = (count: number, plan: FlowPlan = dns): Flow[] =>
    Array.from({ length: count }, (_, i) => flow({ ...plan, client: ['10.0.0.2', 10_000 + i] }))

  test('lists the flows of one family and protocol', async () => {
    await createFlows(socket, [
      flow(dns),
      flow(dns6),
      flow({ ...dns, protocol: IPPROTO_TCP, client: ['10.0.0.2', 5001] }),
      flow({ ...dns, protocol: IPPROTO_SCTP, client: ['10.0.0.2', 5002] }),
    ])
    assert.deepEqual(await listed(), ['10.0.0.2:5000 -> 172.30.0.41:53'])
    assert.deepEqual(await listed(AF_INET6), ['[fd00::2]:5000 -> [fd00::41]:53'])
    assert.deepEqual(await listed(AF_INET, IPPROTO_SCTP), ['10.0.0.2:5002 -> 172.30.0.41:53'])
  })

  test('tells of each flow where it was sent to, who answers, and its zone', async () => {
    await createFlows(socket, [flow({ ...dns, zone: 7 }), flow({ ...dns, client: ['10.0.0.2', 5001] })])
    const seen: [string, string, number][] = []
    await findFlows(socket, AF_INET, IPPROTO_UDP, (...flow) => {
      seen.push(flow)
      return false
    })
    const [destination, answerer] = [dns.destination, dns.answerer].map(([ip, port]) => packSocket(inetPton(ip), port))
    assert.deepEqual(
      seen.sort((a, b) => a[2] - b[2]),
      [
        [destination, answerer, 0],
        [destination, answerer, 7],
      ],
    )
  })

  test('deletes the flows that it found, and no others', async () => {
    await createFlows(socket, [flow(dns), flow({ ...dns, zone: 7 }), flow({ ...dns, client: ['10.0.0.3', 5000] })])
    const { flows } = await findFlows(socket, AF_INET, IPPROTO_UDP, (_destination, _answerer, zone) => zone === 7)
    assert.deepEqual(await deleteFlows(socket, flows), { deleted: 1, failure: undefined })
    assert.deepEqual(await listed(), ['10.0.0.2:5000 -> 172.30.0.41:53', '10.0.0.3:5000 -> 172.30.0.41:53'])
    const rest = await findFlows(socket, AF_INET, IPPROTO_UDP, (_destination, _answerer, zone) => zone === 0)
    assert.equal(rest.flows.length, 2)
  })

  test('does not delete a flow that took the place of another', async () => {
    await createFlows(socket, [flow(dns), flow({ ...dns, client: ['10.0.0.3', 5000] })])
    const { flows } = await findFlows(socket, AF_INET, IPPROTO_UDP, everything)
    await forgetConnections(namespace, 'IPv4')
    await createFlows(socket, [flow({ ...dns, answerer: ['10.180.0.2', 5353] })])
    assert.deepEqual(await deleteFlows(socket, flows), { deleted: 0, failure: undefined })
    assert.deepEqual(await listed(), ['10.0.0.2:5000 -> 172.30.0.41:53'])
  })

  test('deletes thousands at once, also when half of them are gone', async () => {
    await createFlows(socket, many(5000))
    const { flows } = await findFlows(socket, AF_INET, IPPROTO_UDP, everything)
    assert.equal(flows.length, 5000)
    const half = flows.filter((_, index) => index % 2 === 0)
    assert.deepEqual(await deleteFlows(socket, half), { deleted: 2500, failure: undefined })
    assert.deepEqual(await deleteFlows(socket, flows), { deleted: 2500, failure: undefined })
    assert.deepEqual(await listed(), [])
  })

  test('says why a flow was not deleted, and goes on with the others', async () => {
    await createFlows(socket, [flow(dns)])
    const { flows } = await findFlows(socket, AF_INET, IPPROTO_UDP, everything)
    const { header, attributes } = flow(dns)
    const broken = { header, attributes: { ...attributes, reply: { ...attributes.reply, ip: {} } } }
    const { deleted, failure } = await deleteFlows(socket, [broken, ...flows])
    assert.equal(deleted, 1)
    assert.match(failure?.message ?? '', /^IPCTNL_MSG_CT_DELETE .*: EINVAL/)
  })

  test('without anything to delete sends nothing', async () => {
    const closed = namespace.run(() => new NetlinkSocket(NETLINK_NETFILTER))
    closed.close()
    assert.deepEqual(await deleteFlows(closed, []), { deleted: 0, failure: undefined })
  })

  test('misses no flow that stays while others come and go', async () => {
    const staying = many(3000)
    await createFlows(socket, staying)
    const other = namespace.run(() => new NetlinkSocket(NETLINK_NETFILTER))
    const stop = new AbortController()
    let rounds = 0
    const churn = async (): Promise<void> => {
      for (; !stop.signal.aborted; rounds++) {
        const passing = many(200, { ...dns, destination: ['172.30.0.42', 53], answerer: ['10.180.0.2', 53] })
        await createFlows(other, passing)
        const isPassing = (destination: string) => destination === packSocket(inetPton('172.30.0.42'), 53)
        await deleteFlows(other, (await findFlows(other, AF_INET, IPPROTO_UDP, isPassing)).flows)
      }
    }
    const churning = churn()
    for (let i = 0; i < 10; i++) {
      const found = new Set((await findFlows(socket, AF_INET, IPPROTO_UDP, everything)).flows.map(flowText))
      assert.deepEqual(
        staying.map(flowText).filter((text) => !found.has(text)),
        [],
      )
    }
    stop.abort()
    await churning
    other.close()
    assert.ok(rounds > 2, `${rounds} rounds`)
  })
})
