import { ipv4, ipv6 } from '../../lab/addresses.ts'
import { kept, masqueraded, type Scenario } from '../table.ts'
import { here, remote, service } from '../world.ts'

const { pod, node, outsideClient: client, blockedClient: blocked, clusterIps, loadBalancerIps, nodeRange } = ipv4
const { sourceRange, otherRange, anywhere, externalIps } = ipv4
const [clusterIp] = clusterIps
const [vip, vip2] = loadBalancerIps
const [externalIp] = externalIps
const [local] = ipv4.localEndpoints
const [far] = ipv4.remoteEndpoints

const balancer = service({
  type: 'LoadBalancer',
  nodePort: 3001,
  loadBalancerIps: [vip, vip2],
  sourceRanges: [nodeRange, ` ${sourceRange}`],
  endpoints: [here(local)],
})

/** L: who may open connections to a load-balancer IP. */
export const sourceRanges: readonly Scenario[] = [
  {
    title: 'a load balancer with source ranges',
    given: { services: [balancer] },
    rows: [
      { id: 'L1', from: pod, to: clusterIp, expect: kept([local]) },
      { id: 'L2', from: client, to: node, port: 3001, expect: masqueraded([local]) },
      { id: 'L3', from: blocked, to: node, port: 3001, expect: masqueraded([local]) },
      { id: 'L4', from: client, to: vip, expect: masqueraded([local]) },
      { id: 'L5', from: client, to: vip2, expect: masqueraded([local]) },
      { id: 'L6', from: blocked, to: vip, expect: 'dropped' },
      { id: 'L7', from: blocked, to: vip2, expect: 'dropped' },
      { id: 'L8', from: pod, to: vip, expect: 'dropped' },
      { id: 'L9', from: pod, to: vip2, expect: 'dropped' },
      { id: 'L10', from: node, to: vip, expect: masqueraded([local]) },
      { id: 'L11', from: node, to: vip2, expect: masqueraded([local]) },
    ],
  },
  {
    title: 'a load balancer with source ranges that is bound to the node',
    given: { services: [balancer], boundAddresses: [vip, vip2] },
    rows: [
      { id: 'L12', from: vip, to: vip, expect: masqueraded([local]) },
      { id: 'L13', from: vip2, to: vip2, expect: masqueraded([local]) },
      { id: 'L14', from: vip2, to: vip, expect: masqueraded([local]) },
      { id: 'L15', from: blocked, to: vip, expect: 'dropped' },
    ],
  },
  {
    title: 'source ranges without the node, and a load-balancer IP bound to it',
    given: { services: [{ ...balancer, sourceRanges: [sourceRange] }], boundAddresses: [vip] },
    rows: [
      { id: 'L16', from: vip, to: vip, expect: 'dropped' },
      { id: 'L17', from: node, to: vip2, expect: 'dropped' },
      { id: 'L18', from: client, to: vip, expect: masqueraded([local]) },
    ],
  },
  {
    title: 'source ranges that restrict nobody',
    given: {},
    columns: {
      'of the other family': { services: [{ ...balancer, sourceRanges: [ipv6.sourceRange] }] },
      'with a range of length zero': { services: [{ ...balancer, sourceRanges: [sourceRange, anywhere] }] },
      'that are blank': { services: [{ ...balancer, sourceRanges: [' '] }] },
    },
    rows: [
      { id: 'L19', from: blocked, to: vip, expect: masqueraded([local]) },
      { id: 'L20', from: pod, to: vip, expect: masqueraded([local]) },
    ],
  },
  {
    title: 'source ranges of which one lies in the other',
    given: {
      services: [{ ...balancer, externalIps: [externalIp], sourceRanges: [sourceRange, `${client}/32`, otherRange] }],
    },
    rows: [
      { id: 'L21', from: client, to: vip, expect: masqueraded([local]) },
      { id: 'L22', from: blocked, to: vip, expect: 'dropped' },
      { id: 'L23', from: blocked, to: externalIp, expect: masqueraded([local]) },
    ],
  },
  {
    title: 'source ranges and no endpoints',
    given: { services: [{ ...balancer, endpoints: [] }] },
    rows: [
      { id: 'L24', from: client, to: vip, expect: 'rejected' },
      { id: 'L25', from: blocked, to: vip, expect: 'dropped' },
      { id: 'L26', from: blocked, to: node, port: 3001, expect: 'rejected' },
    ],
  },
  {
    title: 'source ranges and policy Local',
    given: { services: [{ ...balancer, externalPolicy: 'Local', endpoints: [here(local), remote(far)] }] },
    rows: [
      { id: 'L27', from: client, to: vip, expect: kept([local]) },
      { id: 'L28', from: blocked, to: vip, expect: 'dropped' },
      { id: 'L29', from: node, to: vip, expect: masqueraded([local, far]) },
      { id: 'S7', from: pod, to: vip, expect: 'dropped' },
    ],
  },
]
