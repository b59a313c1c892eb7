/* A: ClientIP session affinity. Every Service has so many ports of each protocol that their picks are never equal by chance. */
import { ipv4 } from '../../lab/addresses.ts'
import { here, remote, service, type TestPort, type World } from '../world.ts'

/** What happens one after the other in one world. */
export type AffinityScenario = {
  readonly id: string
  readonly title: string
  readonly given: Partial<World>
  readonly steps: readonly AffinityStep[]
}

export type AffinityStep =
  | Dial
  | { readonly step: 'wait'; readonly ms: number }
  /** The Services lose the endpoint that the client of the first dial has at its first port, or get it back. */
  | { readonly step: 'remove endpoint' | 'restore endpoint' }
  /** Other Services. */
  | { readonly step: 'change'; readonly given: Partial<World> }
  /** The program ends and starts again; meanwhile the endpoint of the first dial's first port may go. */
  | { readonly step: 'restart'; readonly removesEndpoint?: boolean }

/** A client dials all ports of a Service, each more than once. */
export type Dial = {
  readonly step: 'dial'
  readonly from: string
  readonly to: string
  /** The others follow. */
  readonly firstPort: number
  /** The endpoints that there are for it. */
  readonly among: readonly string[]
  readonly isMasqueraded: boolean
  /**
   * `new`: one endpoint for each port. `kept`: the same as before, and one that is there where the endpoint is gone.
   * `lost`: one endpoint for each port, and not all the same as before. `none`: a port has several.
   */
  readonly expect: 'new' | 'kept' | 'lost' | 'none'
  /** Its endpoints are not those of the dial before it, although the ports are of the same Service or its client is the same. */
  readonly isIndependent?: boolean
}

/** With five endpoints, nine ports are alike by chance once in two million times. */
export const portsOfEach = 9
export const clusterPort = 8000
export const nodePort = 3000

const { pod, node, outsideClient: client, clusterIps, loadBalancerIps } = ipv4
const [clusterIp, clusterIp2] = clusterIps
const [vip] = loadBalancerIps
const [e1, e2, e3, e4, e5] = ipv4.localEndpoints
const all = [e1, e2, e3, e4, e5]
const [local, far] = [
  [e1, e2, e3],
  [e4, e5],
]

function ports(hasNodePorts = true): readonly TestPort[] {
  return (['TCP', 'UDP'] as const).flatMap((protocol) =>
    Array.from({ length: portsOfEach }, (_, index): TestPort => {
      const name = `${protocol.toLowerCase()}-${index}`
      return {
        name,
        protocol,
        port: clusterPort + index,
        targetPort: 80,
        nodePort: hasNodePorts ? nodePort + index : 0,
      }
    }),
  )
}

const sticky = service({
  type: 'LoadBalancer',
  ports: ports(),
  loadBalancerIps: [vip],
  affinitySeconds: 10_800,
  endpoints: [...local.map((address) => here(address)), ...far.map((address) => remote(address))],
})

const given = { services: [sticky] }

function dial(from: string, to: string, expect: Dial['expect'], parts: Partial<Dial> = {}): Dial {
  const isNodePort = to === node
  return {
    step: 'dial',
    from,
    to,
    firstPort: isNodePort ? nodePort : clusterPort,
    among: all,
    isMasqueraded: isNodePort || to === vip || from === client,
    expect,
    ...parts,
  }
}

function wait(ms: number): AffinityStep {
  return { step: 'wait', ms }
}

function lasting(affinitySeconds: number): Partial<World> {
  return { services: [{ ...sticky, affinitySeconds }] }
}

/**
 * Two of the reference's states do not occur. A client is recorded once for each frontend, so it cannot be stuck to two
 * endpoints (A5). And it is recorded for the frontend that it dialled, so that the node port has an endpoint of its own
 * (A7): one lookup finds the client whatever the number of endpoints.
 */
export const affinityScenarios: readonly AffinityScenario[] = [
  {
    id: 'A1',
    title: 'a client gets an endpoint at random, and another client another one',
    given,
    steps: [dial(pod, clusterIp, 'new'), dial(client, clusterIp, 'new', { isIndependent: true })],
  },
  {
    id: 'A2',
    title: 'each new connection makes the time begin anew',
    given: lasting(3),
    steps: [
      dial(pod, clusterIp, 'new'),
      wait(1700),
      dial(pod, clusterIp, 'kept'),
      wait(1700),
      dial(pod, clusterIp, 'kept'),
    ],
  },
  {
    id: 'A3',
    title: 'a client is let go when its time is over',
    given: lasting(1),
    steps: [dial(pod, clusterIp, 'new'), wait(1200), dial(pod, clusterIp, 'lost')],
  },
  {
    id: 'A4',
    title: 'a client whose endpoint goes gets another one, and keeps it when the endpoint is back',
    given,
    steps: [
      dial(pod, clusterIp, 'new'),
      dial(client, vip, 'new'),
      { step: 'remove endpoint' },
      dial(pod, clusterIp, 'kept'),
      dial(client, vip, 'kept'),
      { step: 'restore endpoint' },
      dial(pod, clusterIp, 'kept'),
      dial(client, vip, 'kept'),
    ],
  },
  {
    id: 'A6',
    title: 'Services with the same endpoints are independent',
    given: {
      services: [
        sticky,
        {
          ...sticky,
          name: 'svc2',
          clusterIp: clusterIp2,
          loadBalancerIps: [],
          ports: ports(false),
        },
      ],
    },
    steps: [
      dial(pod, clusterIp, 'new'),
      dial(pod, clusterIp2, 'new', { isIndependent: true }),
      dial(pod, clusterIp, 'kept'),
      { step: 'change', given: { services: [{ ...sticky, name: 'svc2', clusterIp: clusterIp2 }] } },
      dial(pod, clusterIp2, 'kept'),
    ],
  },
  {
    id: 'A7',
    title: 'each frontend of a Service has an endpoint of its own for a client',
    given,
    steps: [
      dial(pod, clusterIp, 'new'),
      dial(pod, node, 'new', { isIndependent: true }),
      dial(pod, vip, 'new', { isIndependent: true }),
      dial(pod, clusterIp, 'kept'),
      dial(pod, node, 'kept'),
      dial(pod, vip, 'kept'),
    ],
  },
  {
    id: 'A8',
    title: 'a client keeps its endpoint when the program starts again',
    given,
    steps: [
      dial(pod, clusterIp, 'new'),
      dial(client, node, 'new'),
      { step: 'restart' },
      dial(pod, clusterIp, 'kept'),
      dial(client, node, 'kept'),
    ],
  },
  {
    id: 'A9',
    title: 'a start does not give a client more time than it had left',
    given: lasting(3),
    steps: [dial(pod, clusterIp, 'new'), wait(1000), { step: 'restart' }, wait(2300), dial(pod, clusterIp, 'lost')],
  },
  {
    id: 'A10',
    title: 'a client whose endpoint went while the program was not there gets another one',
    given,
    steps: [dial(pod, clusterIp, 'new'), { step: 'restart', removesEndpoint: true }, dial(pod, clusterIp, 'kept')],
  },
  {
    id: 'A11',
    title: 'a masqueraded client keeps its endpoint',
    given,
    steps: [
      dial(client, vip, 'new'),
      dial(client, vip, 'kept'),
      dial(client, node, 'new'),
      dial(client, node, 'kept'),
      dial(client, clusterIp, 'new'),
      dial(client, clusterIp, 'kept'),
      dial(node, node, 'new'),
      dial(node, node, 'kept'),
      dial(node, clusterIp, 'new', { isMasqueraded: true }),
      dial(node, clusterIp, 'kept', { isMasqueraded: true }),
    ],
  },
  {
    id: 'A12',
    title: 'with policy Local a client outside keeps an endpoint here, and a pod any',
    given: { services: [{ ...sticky, externalPolicy: 'Local' }] },
    steps: [
      dial(client, vip, 'new', { isMasqueraded: false, among: local }),
      dial(pod, vip, 'new', { isMasqueraded: false }),
      dial(client, vip, 'kept', { isMasqueraded: false, among: local }),
      dial(pod, vip, 'kept', { isMasqueraded: false }),
      dial(client, node, 'new', { isMasqueraded: false, among: local }),
      { step: 'remove endpoint' },
      dial(client, vip, 'kept', { isMasqueraded: false, among: local }),
      dial(pod, vip, 'kept', { isMasqueraded: false }),
      dial(client, node, 'kept', { isMasqueraded: false, among: local }),
    ],
  },
  {
    id: 'A13',
    title: 'no client is stuck where affinity is switched off, and then those are that come after it is switched on',
    given,
    steps: [
      dial(pod, clusterIp, 'new'),
      { step: 'change', given: lasting(0) },
      dial(pod, clusterIp, 'none'),
      { step: 'change', given },
      dial(pod, clusterIp, 'lost'),
      dial(pod, clusterIp, 'kept'),
    ],
  },
  {
    id: 'A14',
    title: 'a client of a pod in the network of the node keeps it',
    given: { services: [{ ...sticky, endpoints: [here(e1), here(node)] }] },
    steps: [
      dial(pod, clusterIp, 'new', { among: [e1, node] }),
      dial(pod, clusterIp, 'kept', { among: [e1, node] }),
      { step: 'restart' },
      dial(pod, clusterIp, 'kept', { among: [e1, node] }),
    ],
  },
]
