/* Whose address the endpoints of a cluster IP see. */
import { after, before, describe, test } from 'node:test'
import type { DataplaneOptions } from '../../src/dataplane/options.ts'
import type { ServiceSpec } from '../../src/kube/types.ts'
import type { AddressPlan } from '../lab/addresses.ts'
import { needs, root } from '../lab/requirements.ts'
import { podsIn } from '../sync/proxy.ts'
import { createPacketLab, type PacketLab, plans, seenBy } from './packets.ts'
import { elsewhere, onNode, serviceAt, sliceFor } from './services.ts'

/** The node's packets leave with its main address when they are masqueraded, so here it sends from another one. */
const sources = {
  'a pod': ({ pod }: AddressPlan) => pod,
  'the node': ({ secondNodeIp }: AddressPlan) => secondNodeIp,
  'a client outside': ({ outsideClient }: AddressPlan) => outsideClient,
}
type Source = keyof typeof sources

/** The services of the matrix, by number: their specs, and which endpoints answer at the cluster IP. */
const matrix = [
  {
    spec: { externalTrafficPolicy: 'Cluster' },
    answer: 'both',
    rows: { 'a pod': 'M1', 'the node': 'M4', 'a client outside': 'M7' },
  },
  {
    spec: { externalTrafficPolicy: 'Local' },
    answer: 'both',
    rows: { 'a pod': 'M10', 'the node': 'M13', 'a client outside': 'M16' },
  },
  {
    spec: { internalTrafficPolicy: 'Local' },
    answer: 'local',
    rows: { 'a pod': 'M19', 'the node': 'M22', 'a client outside': 'M25' },
  },
] as const satisfies readonly { spec: Partial<ServiceSpec>; answer: string; rows: Record<Source, string> }[]

type Configuration = {
  readonly title: string
  readonly dataplane: (plan: AddressPlan) => Partial<DataplaneOptions>
  readonly isMasqueraded: Readonly<Record<Source, boolean>>
}

const everybody = { 'a pod': true, 'the node': true, 'a client outside': true }

const configurations: readonly Configuration[] = [
  {
    title: 'with a known pod network',
    dataplane: ({ podCidr }) => podsIn(podCidr),
    isMasqueraded: { ...everybody, 'a pod': false },
  },
  {
    title: 'without a known pod network',
    dataplane: () => ({}),
    isMasqueraded: { 'a pod': false, 'the node': false, 'a client outside': false },
  },
  {
    title: 'masquerading all, with a known pod network',
    dataplane: ({ podCidr }) => ({ ...podsIn(podCidr), masqueradeAll: true }),
    isMasqueraded: everybody,
  },
  {
    title: 'masquerading all, without a known pod network',
    dataplane: () => ({ masqueradeAll: true }),
    isMasqueraded: everybody,
  },
]

describe('at a cluster IP', needs(root), () => {
  let lab: PacketLab

  before(async () => {
    lab = await createPacketLab()
    await Promise.all([lab.serve('tcp', 80), lab.serve('udp', 80)])
  })

  after(() => lab.close())

  for (const { family, plan } of plans) {
    for (const { title, dataplane, isMasqueraded } of configurations) {
      describe(`${title} (${family})`, () => {
        const ports = [
          { name: 'tcp', protocol: 'tcp', port: 80 },
          { name: 'udp', protocol: 'udp', port: 80 },
        ] as const
        const [ownEndpoint] = plan.localEndpoints
        const services = matrix.map(({ spec, answer, rows }, index) => {
          const [local, remote] = [plan.localEndpoints[index] ?? '', plan.remoteEndpoints[index + 1] ?? '']
          const endpoints = answer === 'both' ? [local, remote] : [local]
          return {
            name: `svc${index + 1}`,
            clusterIp: plan.clusterIps[index] ?? '',
            spec,
            rows,
            local,
            remote,
            endpoints,
          }
        })

        before(() =>
          lab.program(
            plan,
            services.flatMap(({ name, clusterIp, spec, local, remote }) => [
              serviceAt(name, clusterIp, ports, { type: 'LoadBalancer', ...spec }),
              sliceFor(name, [...onNode(local), ...elsewhere(remote)], ports),
            ]),
            { dataplane: dataplane(plan) },
          ),
        )

        for (const { protocol } of ports) {
          for (const { name, clusterIp, rows, endpoints } of services) {
            for (const who of Object.keys(sources) as Source[]) {
              const source = sources[who](plan)
              const seen = isMasqueraded[who] ? plan.node : source
              const verb = isMasqueraded[who] ? 'is masqueraded' : 'keeps its address'
              test(`${rows[who]}: ${who} ${verb} at ${name} over ${protocol}`, () =>
                lab.assertFlow({ source, destination: clusterIp, protocol, port: 80 }, seenBy(endpoints, 80, seen)))
            }
          }

          test(`an endpoint that reaches itself is masqueraded over ${protocol}`, async () => {
            const [{ clusterIp, remote }] = services as [(typeof services)[0]]
            await lab.assertFlow(
              { source: ownEndpoint, destination: clusterIp, protocol, port: 80 },
              {
                ...seenBy([ownEndpoint], 80, plan.node),
                ...seenBy([remote], 80, isMasqueraded['a pod'] ? plan.node : ownEndpoint),
              },
            )
          })
        }
      })
    }
  }
})
