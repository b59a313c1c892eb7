import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { clearLabel, countFlows, deleteFlows, findFlows, IPS_OFFLOAD } from '../../src/netlink/conntrack.ts'
import { type Flow, flowText, nfgenmsg, packSocket, tupleLayout } from '../../src/netlink/flow.ts'
import { AF_INET, AF_INET6, inetPton } from '../../src/netlink/inet.ts'
import { attrs, be32, bytes } from '../../src/netlink/layout.ts'
import { body, NLM_F_CREATE, NLM_F_EXCL } from '../../src/netlink/message.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { NETLINK_NETFILTER, NetlinkSocket } from '../../src/netlink/socket.ts'
import { forgetConnections } from '../lab/connections.ts'
import { runInNamespace } from '../lab/program.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { createFlows, flow, type FlowPlan, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP } from './flows.ts'

const everything = () => true

const IPCTNL_MSG_CT_NEW = 1 << 8
const IPCTNL_MSG_CT_GET = (1 << 8) | 1
const labelledLayout = body(
  nfgenmsg,
  attrs({ original: [1, tupleLayout], reply: [2, tupleLayout], timeout: [7, be32, '?'], labels: [22, bytes, '?'] }),
)

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
    const seen: [string, string, number, boolean][] = []
    await findFlows(socket, AF_INET, IPPROTO_UDP, (...flow) => {
      seen.push(flow)
      return false
    })
    const [destination, answerer] = [dns.destination, dns.answerer].map(([ip, port]) => packSocket(inetPton(ip), port))
    assert.deepEqual(
      seen.sort((a, b) => a[2] - b[2]),
      [
        [destination, answerer, 0, false],
        [destination, answerer, 7, false],
      ],
    )
  })

  test('counts the flows with all the status bits that are asked for, by family and protocol', async () => {
    await createFlows(socket, [flow(dns), flow({ ...dns, client: ['10.0.0.2', 5001] }), flow(dns6)])
    const confirmed = 1 << 3
    assert.deepEqual(
      (await countFlows(socket, confirmed)).toSorted((a, b) => a.family - b.family),
      [
        { family: AF_INET, protocol: IPPROTO_UDP, count: 2 },
        { family: AF_INET6, protocol: IPPROTO_UDP, count: 1 },
      ],
    )
    assert.deepEqual(await countFlows(socket, IPS_OFFLOAD), [])
    assert.deepEqual(await countFlows(socket, IPS_OFFLOAD | confirmed), [])
  })

  test('finds only flows with the status bits that are asked for', async () => {
    await createFlows(socket, [flow(dns)])
    const found = async (status: number) => {
      return (await findFlows(socket, AF_INET, IPPROTO_UDP, () => true, status)).flows.length
    }
    assert.deepEqual([await found(1 << 3), await found(IPS_OFFLOAD)], [1, 0])
  })

  test('takes one label from a flow and leaves its others', needs(tool('nft')), async () => {
    // Flows have room for labels while there is a rule that sets one.
    const rules = 'table ip t { chain c { type filter hook forward priority 0; ct label set 90; }; }'
    assert.equal(runInNamespace(namespace, 'nft', ['-f', '-'], rules).status, 0)
    const labels = new Uint8Array(16)
    labels.set([1 << 7], 0) // bit 7
    labels.set([1 << 2], 11) // bit 90
    const labelled = flow(dns)
    const { header, attributes } = labelled
    await socket.request('IPCTNL_MSG_CT_NEW', IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, labelledLayout, {
      header,
      attributes: { ...attributes, labels },
    })
    const labelsOf = () =>
      socket.dump(
        'IPCTNL_MSG_CT_GET',
        IPCTNL_MSG_CT_GET,
        body(nfgenmsg, attrs({})),
        { header, attributes: {} },
        (m) => {
          const found = labelledLayout.read(m.payload, 0, m.payload.length).attributes.labels
          return Buffer.from(found ?? []).toString('hex')
        },
      )
    assert.deepEqual(await labelsOf(), ['80000000000000000000000400000000'])
    await clearLabel(socket, [labelled, flow({ ...dns, client: ['10.0.0.9', 5009] })], 90)
    assert.deepEqual(await labelsOf(), ['80000000000000000000000000000000'])
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
