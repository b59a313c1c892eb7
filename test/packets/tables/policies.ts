import { ipv4 } from '../../lab/addresses.ts'
import { kept, masqueraded, type Scenario } from '../table.ts'
import { here, port, remote, service } from '../world.ts'

const { pod, node, outsideClient: client, clusterIps, nodeExternalIp, loadBalancerIps, externalIps } = ipv4
const [clusterIp] = clusterIps
const [vip] = loadBalancerIps
const [externalIp] = externalIps
const [local] = ipv4.remoteEndpoints
const [far] = ipv4.localEndpoints
const [e1, e2, e3] = ipv4.mixedEndpoints
const both = [far, local]

const external = service({
  type: 'LoadBalancer',
  nodePort: 3001,
  externalIps: [nodeExternalIp],
  loadBalancerIps: [vip],
  endpoints: [remote(far), here(local)],
})

/** X: externalTrafficPolicy. */
export const externalPolicy: readonly Scenario[] = [
  {
    title: 'a load balancer',
    given: {},
    columns: {
      'with policy Cluster': { services: [external] },
      'with policy Local': { services: [{ ...external, externalPolicy: 'Local' }] },
    },
    rows: [
      { id: 'X1', from: pod, to: clusterIp, expect: kept(both) },
      { id: 'X2', from: pod, to: nodeExternalIp, expect: masqueraded(both), in: { 'with policy Local': kept(both) } },
      {
        id: 'X3',
        from: client,
        to: nodeExternalIp,
        expect: masqueraded(both),
        in: { 'with policy Local': kept([local]) },
      },
      { id: 'X4', from: pod, to: vip, expect: masqueraded(both), in: { 'with policy Local': kept(both) } },
      { id: 'X5', from: client, to: vip, expect: masqueraded(both), in: { 'with policy Local': kept([local]) } },
      { id: 'X6', from: pod, to: node, port: 3001, expect: masqueraded(both), in: { 'with policy Local': kept(both) } },
      {
        id: 'X7',
        from: client,
        to: node,
        port: 3001,
        expect: masqueraded(both),
        in: { 'with policy Local': kept([local]) },
      },
    ],
  },
  {
    title: 'a ClusterIP Service with policy Local and an external IP',
    given: {
      services: [service({ externalPolicy: 'Local', externalIps: [externalIp], endpoints: external.endpoints })],
    },
    rows: [
      { id: 'X8', from: client, to: externalIp, expect: kept([local]) },
      { id: 'X9', from: node, to: externalIp, expect: masqueraded(both) },
    ],
  },
  {
    title: 'a load-balancer IP',
    given: {},
    columns: {
      'of mode VIP': { services: [{ ...external, ipMode: 'VIP' }] },
      'without a mode': { services: [external] },
      'of mode Proxy': { services: [{ ...external, ipMode: 'Proxy' }] },
    },
    rows: [{ id: 'X10', from: client, to: vip, expect: masqueraded(both), in: { 'of mode Proxy': 'untouched' } }],
  },
]

const internal = service({ ports: [port({ name: '' })], internalPolicy: 'Local' })

/** I: internalTrafficPolicy. */
export const internalPolicy: readonly Scenario[] = [
  {
    title: 'internal policy Cluster',
    given: {
      services: [{ ...internal, internalPolicy: 'Cluster', endpoints: [here(e1), remote(e2), remote(e3)] }],
    },
    rows: [{ id: 'I1', from: pod, to: clusterIp, expect: kept([e1, e2, e3]) }],
    isRejectedWithoutSlices: true,
  },
  {
    title: 'internal policy Local with one endpoint here',
    given: { services: [{ ...internal, endpoints: [here(e1), remote(e2), remote(e3)] }] },
    rows: [{ id: 'I2', from: pod, to: clusterIp, expect: kept([e1]) }],
    isRejectedWithoutSlices: true,
  },
  {
    title: 'internal policy Local with two endpoints here',
    given: { services: [{ ...internal, endpoints: [here(e1), here(e2), remote(e3)] }] },
    rows: [{ id: 'I3', from: pod, to: clusterIp, expect: kept([e1, e2]) }],
    isRejectedWithoutSlices: true,
  },
  {
    title: 'internal policy Local with endpoints elsewhere only',
    given: { services: [{ ...internal, endpoints: [remote(e1), remote(e2), remote(e3)] }] },
    rows: [
      { id: 'I4', from: pod, to: clusterIp, expect: 'dropped' },
      { id: 'I4b', from: node, to: clusterIp, expect: 'dropped' },
    ],
    isRejectedWithoutSlices: true,
  },
]
