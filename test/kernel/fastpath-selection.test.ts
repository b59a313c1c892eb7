/*
 * Which packets get as far as the flow table: real connections, on a kernel with or without flow tables. The rule that
 * needs one is left out, the one before it counts.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fastpathAddresses } from '../../src/dataplane/fastpath-addresses.ts'
import { type FastpathOptions, fastpathTable } from '../../src/dataplane/fastpath.ts'
import { fastpathLabelBit, fastpathNames, fastpathTableRef } from '../../src/dataplane/names.ts'
import type { Service } from '../../src/kube/types.ts'
import { fastpathAnnotation, servicePorts } from '../../src/model/service-port.ts'
import { NftConnection } from '../../src/nft/connection.ts'
import { readTable } from '../../src/nft/dump.ts'
import { removeTable } from '../../src/nft/transaction.ts'
import { needs, root } from '../lab/requirements.ts'
import { clusterPlan } from '../lab/plan.ts'
import { ip } from '../model/fixtures.ts'
import { operationsFor } from '../nft/parity.ts'
import { podsIn } from '../sync/proxy.ts'
import { createPacketLab, type PacketLab, plans, seenBy } from './packets.ts'
import { elsewhere, serviceAt, sliceFor } from './services.ts'

const ports = [
  { name: 'tcp', protocol: 'tcp', port: 80 },
  { name: 'udp', protocol: 'udp', port: 80 },
] as const

const podLink = clusterPlan.pods.pod.link
const remoteLink = clusterPlan.pods.remotePods.link

describe('packets of long connections are taken for the fast path', needs(root), () => {
  let lab: PacketLab
  let connection: NftConnection

  before(async () => {
    lab = await createPacketLab()
    connection = lab.node.namespace.run(() => new NftConnection())
    for (const protocol of ['tcp', 'udp'] as const) await lab.serve(protocol, 80)
  })

  after(async () => {
    connection.close()
    await lab.close()
  })

  async function load(options: Partial<FastpathOptions>): Promise<void> {
    const contents = fastpathTable({
      threshold: 20,
      selection: 'label',
      interfaces: [podLink, remoteLink],
      devices: [],
      noOffload: [],
      hasCounters: false,
      ...options,
    })
    const rules = contents.rules.filter(({ expressions }) => expressions.every(({ kind }) => kind !== 'flow_offload'))
    const table = { ...contents, flowtables: [], rules }
    await connection.commit([...removeTable(fastpathTableRef), ...operationsFor(table)])
  }

  async function eligiblePackets(): Promise<number> {
    const table = await readTable(connection, fastpathTableRef)
    const [counter] = table?.rules.findLast(({ chain }) => chain === fastpathNames.offloadChain)?.expressions ?? []
    assert.ok(counter?.kind === 'counter')
    return counter.packets ?? 0
  }

  for (const { family, plan } of plans) {
    const [clusterIp] = plan.clusterIps
    const [endpoint] = plan.remoteEndpoints
    const optsOut = (service: Service): Service => ({
      ...service,
      metadata: { ...service.metadata, annotations: { [fastpathAnnotation]: 'off' } },
    })
    const web = serviceAt('web', clusterIp, ports)
    const slice = sliceFor('web', elsewhere(endpoint), ports)
    const addressesOf = (service: Service) => fastpathAddresses(servicePorts(service, family).ports, [])
    const byAddress = (service: Service) =>
      ({ selection: 'addresses', serviceAddresses: addressesOf(service) }) as const

    const cases: readonly [
      title: string,
      isTaken: boolean,
      table: Partial<FastpathOptions>,
      parts?: { readonly service?: Service; readonly destination?: string },
    ][] = [
      ['by the label of their Service', true, {}],
      ['but not when their Service opted out', false, {}, { service: optsOut(web) }],
      ['but not without a Service', false, {}, { destination: endpoint }],
      ['but not from an interface that takes no part', false, { interfaces: [remoteLink] }],
      ['but not to an interface that takes no part', false, { interfaces: [podLink] }],
      ['but not to an endpoint that is exempt', false, { noOffload: [ip(endpoint)] }],
      ['but not from a client that is exempt', false, { noOffload: [ip(plan.pod)] }],
      ['by the address that was dialled, without labels', true, byAddress(web)],
      ['but not by the address of a Service that opted out', false, byAddress(optsOut(web))],
      ['but not by an address without a Service', false, byAddress(web), { destination: endpoint }],
    ]
    for (const protocol of ['tcp', 'udp'] as const) {
      describe(`over ${protocol} and ${family}`, () => {
        for (const [title, isTaken, table, { service = web, destination = clusterIp } = {}] of cases) {
          test(title, async () => {
            const fastpath = table.selection === 'addresses' ? {} : { fastpath: { labelBit: fastpathLabelBit } }
            await lab.program(plan, [service, slice], { dataplane: { ...podsIn(plan.podCidr), ...fastpath } })
            await load(table)
            const flow = { source: plan.pod, destination, port: 80, protocol }
            await lab.assertFlow(flow, seenBy([endpoint], 80, plan.pod))
            assert.equal((await eligiblePackets()) > 0, isTaken)
          })
        }
      })
    }
  }
})
