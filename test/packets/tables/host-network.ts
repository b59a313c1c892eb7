import { ipv4 } from '../../lab/addresses.ts'
import { kept, masqueraded, type Scenario } from '../table.ts'
import { here, port, remote, service } from '../world.ts'

const { pod, node, secondNodeIp: node2, outsideClient: client, clusterIps, loadBalancerIps } = ipv4
const [clusterIp] = clusterIps
const [vip] = loadBalancerIps
const [far] = ipv4.remoteEndpoints

const hostNetworked = service({
  type: 'LoadBalancer',
  ports: [port({ targetPort: 8443, nodePort: 3001 })],
  loadBalancerIps: [vip],
  endpoints: [here(node)],
})

/** H: pods in the network of the node. What arrives there is never masqueraded, since it does not leave the node. */
export const hostNetwork: readonly Scenario[] = [
  {
    title: 'an endpoint that is the node itself',
    given: {},
    columns: {
      'with policy Cluster': { services: [hostNetworked] },
      'with policy Local': { services: [{ ...hostNetworked, externalPolicy: 'Local' }] },
    },
    rows: [
      { id: 'H1', from: pod, to: clusterIp, expect: kept([node], 8443) },
      { id: 'H2', from: client, to: clusterIp, expect: kept([node], 8443) },
      { id: 'H3', from: client, to: vip, expect: kept([node], 8443) },
      { id: 'H4', from: client, to: node, port: 3001, expect: kept([node], 8443) },
      { id: 'H5', from: node, to: clusterIp, expect: masqueraded([node], 8443) },
      { id: 'H6', from: node2, to: vip, expect: masqueraded([node], 8443) },
      { id: 'H7', from: node, to: node, port: 3001, expect: masqueraded([node], 8443) },
    ],
  },
  {
    title: 'an endpoint that is the node itself, and one elsewhere',
    given: { services: [{ ...hostNetworked, endpoints: [here(node), remote(far)] }] },
    rows: [
      { id: 'H8', from: pod, to: clusterIp, expect: kept([node, far], 8443) },
      { id: 'H9', from: client, to: vip, expect: { ...kept([node, far], 8443), masqueraded: [far] } },
    ],
  },
]
