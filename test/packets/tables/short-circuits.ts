import { ipv4 } from '../../lab/addresses.ts'
import { kept, masqueraded, type Scenario } from '../table.ts'
import { here, podsByRange, remote, service } from '../world.ts'

const { pod, remotePod, node, outsideClient: client } = ipv4
const [clusterIp] = ipv4.clusterIps
const [vip] = ipv4.loadBalancerIps
const [local] = ipv4.remoteEndpoints
const [far] = ipv4.localEndpoints
const both = [far, local]

const localBalancer = service({
  type: 'LoadBalancer',
  nodePort: 3001,
  loadBalancerIps: [vip],
  externalPolicy: 'Local',
})

/** S: who is let past policy Local. */
export const shortCircuits: readonly Scenario[] = [
  {
    title: 'policy Local without an endpoint here',
    given: { services: [{ ...localBalancer, endpoints: [remote(far), remote(local)] }] },
    rows: [
      { id: 'S1', from: pod, to: vip, expect: kept(both) },
      { id: 'S2', from: node, to: vip, expect: masqueraded(both) },
      { id: 'S3', from: client, to: vip, expect: 'dropped' },
      { id: 'S3b', from: client, to: node, port: 3001, expect: 'dropped' },
      { id: 'S4', from: remotePod, to: node, port: 3001, expect: kept(both) },
    ],
  },
  {
    title: 'policy Local with one endpoint, here',
    given: { services: [{ ...localBalancer, endpoints: [here(far)] }] },
    rows: [{ id: 'S5', from: far, to: vip, expect: masqueraded([far]) }],
  },
  {
    title: 'policy Local outside and inside',
    given: { services: [{ ...localBalancer, internalPolicy: 'Local', endpoints: [remote(far), here(local)] }] },
    rows: [
      { id: 'S6', from: pod, to: vip, expect: kept(both) },
      { id: 'S6b', from: pod, to: clusterIp, expect: kept([local]) },
      { id: 'S6c', from: client, to: vip, expect: kept([local]) },
    ],
  },
  {
    title: 'policy Local, and pods of this node are told by the range of the node',
    given: {
      services: [{ ...localBalancer, endpoints: [remote(far), here(local)] }],
      flags: { detectLocalMode: 'NodeCIDR' },
    },
    rows: [
      { id: 'S8', from: remotePod, to: node, port: 3001, expect: kept([local]) },
      { id: 'S8b', from: pod, to: node, port: 3001, expect: kept(both) },
      { id: 'S8c', from: remotePod, to: clusterIp, expect: masqueraded(both) },
    ],
  },
  {
    title: 'policy Local, and pods are told by their range',
    given: {
      services: [{ ...localBalancer, endpoints: [remote(far), here(local)] }],
      flags: podsByRange,
    },
    rows: [
      { id: 'S9', from: remotePod, to: node, port: 3001, expect: kept(both) },
      { id: 'S9b', from: remotePod, to: clusterIp, expect: kept(both) },
    ],
  },
]
