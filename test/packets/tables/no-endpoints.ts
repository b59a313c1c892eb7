import { ipv4 } from '../../lab/addresses.ts'
import type { Scenario } from '../table.ts'
import { service } from '../world.ts'

const { pod, node, outsideClient: client, clusterIps, nodeExternalIp: externalIp, loadBalancerIps } = ipv4
const [clusterIp] = clusterIps
const [vip] = loadBalancerIps

/** N: nobody serves, and everybody is told so at once. */
export const noEndpoints: readonly Scenario[] = [
  {
    title: 'a load balancer without endpoints',
    given: {
      services: [service({ type: 'LoadBalancer', nodePort: 3001, externalIps: [externalIp], loadBalancerIps: [vip] })],
    },
    rows: [
      { id: 'N1', from: pod, to: clusterIp, expect: 'rejected' },
      { id: 'N2', from: client, to: externalIp, expect: 'rejected' },
      { id: 'N3', from: pod, to: node, port: 3001, expect: 'rejected' },
      { id: 'N4', from: client, to: node, port: 3001, expect: 'rejected' },
      { id: 'N5', from: pod, to: vip, expect: 'rejected' },
      { id: 'N6', from: client, to: vip, expect: 'rejected' },
      { id: 'N7', from: node, to: clusterIp, expect: 'rejected' },
      { id: 'N8', from: node, to: vip, expect: 'rejected' },
      { id: 'N9', from: node, to: node, port: 3001, expect: 'rejected' },
    ],
  },
]
