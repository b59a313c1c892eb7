/* Which endpoints of a Service a pod reaches at its cluster IP. */
import { after, before, describe, test } from 'node:test'
import type { ServiceSpec, SliceEndpoint } from '../../src/kube/types.ts'
import { needs, root } from '../lab/requirements.ts'
import { createPacketLab, type PacketLab, plans, seenBy } from './packets.ts'
import { elsewhere, onNode, serviceAt, sliceFor } from './services.ts'

/**
 * The endpoints by number, each as: r ready, T not ready but still serving while it terminates, x terminating and no
 * longer serving; L on this node, R on another one.
 */
type Row = {
  readonly title: string
  readonly spec: Partial<ServiceSpec>
  readonly endpoints: readonly `${number} ${'r' | 'T' | 'x'}${'L' | 'R'}`[]
  /** The numbers of those that answer, or what all connections meet. */
  readonly answer: readonly number[] | 'refused' | 'timeout'
}

const cluster = { internalTrafficPolicy: 'Cluster' } as const
const local = { internalTrafficPolicy: 'Local' } as const
const externalCluster = { type: 'LoadBalancer', externalTrafficPolicy: 'Cluster' } as const
const externalLocal = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 30_000 } as const

const rows: readonly Row[] = [
  {
    title: 'I1: internal policy Cluster leads to all endpoints',
    spec: cluster,
    endpoints: ['1 rL', '2 rR', '3 rR'],
    answer: [1, 2, 3],
  },
  {
    title: 'I2: internal policy Local leads to the one endpoint here',
    spec: local,
    endpoints: ['1 rL', '2 rR', '3 rR'],
    answer: [1],
  },
  {
    title: 'I3: internal policy Local leads to all endpoints here',
    spec: local,
    endpoints: ['1 rL', '2 rL', '3 rR'],
    answer: [1, 2],
  },
  {
    title: 'I4: internal policy Local is silent when all endpoints are elsewhere',
    spec: local,
    endpoints: ['1 rR', '2 rR', '3 rR'],
    answer: 'timeout',
  },
  {
    title: 'T1: with external policy Local, terminating endpoints are passed over while others are ready',
    spec: externalLocal,
    endpoints: ['1 rL', '2 rL', '3 TL', '4 xL', '5 rR'],
    answer: [1, 2, 5],
  },
  {
    title: 'T2: with external policy Local, a ready endpoint elsewhere comes before terminating ones here',
    spec: externalLocal,
    endpoints: ['2 TL', '3 TL', '4 xL', '5 rR'],
    answer: [5],
  },
  {
    title: 'T3: with external policy Local, a terminating endpoint elsewhere is the last resort',
    spec: externalLocal,
    endpoints: ['5 TR'],
    answer: [5],
  },
  {
    title: 'T4: with external policy Local, connections are refused when no endpoint serves',
    spec: externalLocal,
    endpoints: ['5 xL', '5 xR'],
    answer: 'refused',
  },
  {
    title: 'T5: terminating endpoints are passed over while others are ready',
    spec: externalCluster,
    endpoints: ['1 rL', '2 rL', '3 TR', '4 xR', '5 rR'],
    answer: [1, 2, 5],
  },
  {
    title: 'T6: terminating endpoints that serve are used when none is ready',
    spec: externalCluster,
    endpoints: ['2 TL', '3 TL', '4 xR', '5 TR'],
    answer: [2, 3, 5],
  },
  {
    title: 'T7: a terminating endpoint elsewhere is the last resort',
    spec: externalCluster,
    endpoints: ['5 TR'],
    answer: [5],
  },
  {
    title: 'T8: connections are refused when no endpoint serves',
    spec: externalCluster,
    endpoints: ['5 xL', '5 xR'],
    answer: 'refused',
  },
]

const conditions = {
  r: { ready: true },
  T: { ready: false, serving: true, terminating: true },
  x: { ready: false, serving: false, terminating: true },
}

function endpointOf(text: Row['endpoints'][number], addresses: readonly string[]): SliceEndpoint[] {
  const [number, kind] = text.split(' ') as [string, string]
  const place = kind.endsWith('L') ? onNode : elsewhere
  return place(...numbered(addresses, [Number(number)])).map((endpoint) => {
    return { ...endpoint, conditions: conditions[kind[0] as keyof typeof conditions] }
  })
}

function numbered(addresses: readonly string[], numbers: readonly number[]): string[] {
  return numbers.map((number) => addresses[number - 1] ?? '')
}

describe('a pod', needs(root), () => {
  let lab: PacketLab

  before(async () => {
    lab = await createPacketLab()
    await Promise.all([lab.serve('tcp', 80), lab.serve('udp', 80)])
  })

  after(() => lab.close())

  for (const { family, plan } of plans) {
    for (const protocol of ['tcp', 'udp'] as const) {
      describe(`over ${protocol} in ${family}`, () => {
        const [clusterIp] = plan.clusterIps
        const ports = [{ protocol, port: 80 }]
        const flow = { source: plan.pod, destination: clusterIp, protocol, port: 80 }
        for (const { title, spec, endpoints, answer } of rows) {
          test(`${title}, and refused without any`, async () => {
            const slice = sliceFor(
              'web',
              endpoints.flatMap((text) => endpointOf(text, plan.mixedEndpoints)),
              ports,
            )
            const proxy = await lab.program(plan, [serviceAt('web', clusterIp, ports, spec), slice])
            const isAnswered = typeof answer !== 'string'
            await lab.assertFlow(
              flow,
              isAnswered ? seenBy(numbered(plan.mixedEndpoints, answer), 80, plan.pod) : answer,
            )
            proxy.delete(slice)
            await proxy.sync()
            await lab.assertFlow(flow, 'refused')
          })
        }
      })
    }
  }
})
