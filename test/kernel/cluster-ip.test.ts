import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { tableOf } from '../../src/dataplane/names.ts'
import { NftConnection } from '../../src/nft/connection.ts'
import { readTable } from '../../src/nft/dump.ts'
import { elementTexts } from '../../src/nft/render-element.ts'
import { needs, root } from '../lab/requirements.ts'
import { service } from '../model/fixtures.ts'
import { createPacketLab, type Expected, type Flow, type PacketLab, plans, seenBy } from './packets.ts'
import { elsewhere, onNode, serviceAt, sliceFor } from './services.ts'

type Row = readonly [title: string, flow: Flow, expected: Expected]

describe('cluster IPs', needs(root), () => {
  let lab: PacketLab

  before(async () => {
    lab = await createPacketLab()
    await Promise.all([80, 8443, 5353].map((port) => lab.serve('tcp', port)))
    await Promise.all([53, 80].map((port) => lab.serve('udp', port)))
  })

  after(() => lab.close())

  for (const { family, plan } of plans) {
    const [web, suite] = plan.clusterIps
    const [local] = plan.localEndpoints
    const [remote] = plan.remoteEndpoints
    const { pod } = plan

    describe(`of two Services in ${family}`, () => {
      const http = [{ name: 'http', protocol: 'tcp', port: 80 }] as const
      const ports = [
        ...http,
        { name: 'https', protocol: 'tcp', port: 443, targetPort: 8443 },
        { name: 'dns-udp', protocol: 'udp', port: 53 },
        { name: 'dns-tcp', protocol: 'tcp', port: 53, targetPort: 5353 },
        { name: 'dns-sctp', protocol: 'sctp', port: 53 },
      ] as const
      const toWeb = { source: pod, destination: web, protocol: 'tcp', port: 80 } as const
      const toSuite = { ...toWeb, destination: suite }
      const both = [local, remote]

      before(() =>
        lab.program(plan, [
          serviceAt('web', web, http),
          sliceFor('web', onNode(local), http),
          serviceAt('suite', suite, ports),
          sliceFor('suite', [...onNode(local), ...elsewhere(remote)], ports),
        ]),
      )

      const rows: readonly Row[] = [
        ['C1: a pod reaches the one endpoint', toWeb, seenBy([local], 80, pod)],
        ['C2: the endpoint reaches itself, masqueraded', { ...toWeb, source: local }, seenBy([local], 80, plan.node)],
        ['C3: a pod reaches all endpoints', toSuite, seenBy(both, 80, pod)],
        ['C4: a port leads to the target port', { ...toSuite, port: 443 }, seenBy(both, 8443, pod)],
        ['C5: a TCP port has endpoints of its own', { ...toSuite, port: 53 }, seenBy(both, 5353, pod)],
        [
          'C6: a UDP port of the same number has other ones',
          { ...toSuite, port: 53, protocol: 'udp' },
          seenBy(both, 53, pod),
        ],
        ['C8: a port of another protocol is refused', { ...toSuite, protocol: 'udp' }, 'refused'],
        ['C9: a port of another Service is refused', { ...toWeb, port: 443 }, 'refused'],
        [
          'C10: an address that no Service has is silent',
          { ...toWeb, destination: plan.unallocatedClusterIp },
          'timeout',
        ],
        [
          'C11: an address that is no cluster IP is left alone',
          { ...toWeb, destination: plan.otherPod },
          seenBy([plan.otherPod], 80, pod),
        ],
        [
          'an endpoint of several reaches itself masqueraded and the others as it is',
          { ...toSuite, source: local },
          { ...seenBy([local], 80, plan.node), ...seenBy([remote], 80, local) },
        ],
        ['the node is refused at a port of another Service', { ...toWeb, source: plan.node, port: 443 }, 'refused'],
        [
          'the node meets silence at an address that no Service has',
          { ...toWeb, source: plan.node, destination: plan.unallocatedClusterIp },
          'timeout',
        ],
        [
          'a client outside is refused at a port of another Service',
          { ...toWeb, source: plan.outsideClient, port: 443 },
          'refused',
        ],
      ]
      for (const [title, flow, expected] of rows) test(title, () => lab.assertFlow(flow, expected))

      // Kernels without the SCTP module cannot send such a packet, but they take its rules.
      test('C7: an SCTP port leads to all endpoints', async () => {
        const connection = lab.node.namespace.run(() => new NftConnection())
        const contents = await readTable(connection, tableOf(family))
        connection.close()
        const lines = (name: string): string[] => {
          const set = contents?.sets.find((set) => set.name === name)
          return set === undefined ? [] : elementTexts(set, contents?.elements.get(name) ?? [])
        }
        assert.deepEqual(
          lines('service-ips').filter((line) => line.includes('sctp')),
          [`${suite} . sctp . 53 comment "shop/suite:dns-sctp" : goto pick-sctp-2`],
        )
        assert.deepEqual(
          lines('endpoints-sctp'),
          both.map((endpoint, slot) => `${suite} . 53 . ${slot} : ${endpoint} . 53`),
        )
      })
    })

    for (const protocol of ['tcp', 'udp'] as const) {
      const ports = [{ protocol, port: 80 }]
      const toWeb = { source: pod, destination: web, protocol, port: 80 }

      describe(`over ${protocol} in ${family}`, () => {
        test('N1: a Service without endpoints refuses pods, the node, and clients outside', async () => {
          await lab.program(plan, [serviceAt('web', web, ports, { type: 'LoadBalancer' })])
          for (const source of [pod, plan.node, plan.outsideClient])
            await lab.assertFlow({ ...toWeb, source }, 'refused')
        })

        test('G1: an address of a ServiceCIDR that no Service has is silent', async () => {
          await lab.program(plan, [serviceAt('web', web, ports)])
          await lab.assertFlow({ ...toWeb, destination: plan.unallocatedClusterIp }, 'timeout')
        })

        test('G2: without a ServiceCIDR an address that no Service has is left alone', async () => {
          const { unallocatedClusterIp } = plan
          const listeners = await lab.serve(protocol, 80, [unallocatedClusterIp])
          await lab.program(plan, [serviceAt('web', web, ports)], { serviceCidrs: [] })
          await lab.assertFlow({ ...toWeb, destination: unallocatedClusterIp }, seenBy([unallocatedClusterIp], 80, pod))
          for (const listener of listeners) await listener.close()
        })

        test('G3: a cluster IP outside all ServiceCIDRs refuses other ports', async () => {
          const serviceCidrs = [family === 'IPv4' ? '172.31.0.0/16' : 'fd00:10:97::/112']
          await lab.program(plan, [serviceAt('web', web, ports), sliceFor('web', onNode(local), ports)], {
            serviceCidrs,
          })
          await lab.assertFlow(toWeb, seenBy([local], 80, pod))
          await lab.assertFlow({ ...toWeb, port: 443 }, 'refused')
        })

        test('G4: headless and ExternalName Services have no effect', async () => {
          const slices = sliceFor('web', onNode(local), ports)
          for (const spec of [{ clusterIP: 'None', clusterIPs: ['None'] }, { type: 'ExternalName' } as const]) {
            const { model } = await lab.program(plan, [service(spec, { name: 'web' }), slices])
            assert.deepEqual([...model.serviceKeys()], [])
            await lab.assertFlow({ ...toWeb, destination: local }, seenBy([local], 80, pod))
            await lab.assertFlow(toWeb, 'timeout')
          }
        })

        test('of an older and a younger Service is answered by the endpoints of the older one', async () => {
          const created = (name: string, year: number) => {
            const { metadata, ...rest } = serviceAt(name, web, ports)
            return { ...rest, metadata: { ...metadata, creationTimestamp: `${year}-01-01T00:00:00Z` } }
          }
          const old = created('old', 2025)
          const proxy = await lab.program(plan, [
            created('young', 2026),
            old,
            sliceFor('young', elsewhere(remote), ports),
            sliceFor('old', onNode(local), ports),
          ])
          await lab.assertFlow(toWeb, seenBy([local], 80, pod))
          proxy.delete(old)
          await proxy.sync()
          await lab.assertFlow(toWeb, seenBy([remote], 80, pod))
        })
      })
    }
  }
})
