import { ipv4 } from '../../lab/addresses.ts'
import { kept, masqueraded, type Scenario } from '../table.ts'
import { here, podsByRange, remote, service } from '../world.ts'

const { pod, otherPod, remotePod, node, outsideClient: client, clusterIps, loadBalancerIps } = ipv4
const [ip1, ip2, ip3] = clusterIps
const [vip1, vip2, vip3] = loadBalancerIps
const [here1, here2, here3] = ipv4.localEndpoints
const [, far1, far2, far3] = ipv4.remoteEndpoints
const [both1, both2, both3] = [
  [here1, far1],
  [here2, far2],
  [here3, far3],
]

const balancer = {
  type: 'LoadBalancer',
  name: 'svc1',
  clusterIp: ip1,
  loadBalancerIps: [vip1],
  nodePort: 3001,
} as const

/** The rows of policy Cluster: without a detector nobody who dials a cluster IP is masqueraded, with "all" everybody is. */
const withoutDetector = { 'no detector': kept(both1) }

/** M: who is masqueraded, for three Services with different policies. */
export const masqueradeMatrix: readonly Scenario[] = [
  {
    title: 'three load balancers',
    given: {
      services: [
        service({ ...balancer, endpoints: [here(here1), remote(far1)] }),
        service({
          ...balancer,
          name: 'svc2',
          clusterIp: ip2,
          loadBalancerIps: [vip2],
          nodePort: 3002,
          externalPolicy: 'Local',
          endpoints: [here(here2), remote(far2)],
        }),
        service({
          ...balancer,
          name: 'svc3',
          clusterIp: ip3,
          loadBalancerIps: [vip3],
          nodePort: 3003,
          internalPolicy: 'Local',
          endpoints: [here(here3), remote(far3)],
        }),
      ],
    },
    columns: {
      'a detector': {},
      'no detector': { flags: {} },
      'masquerade all': { flags: { ...podsByRange, masqueradeAll: true } },
      'masquerade all, no detector': { flags: { masqueradeAll: true } },
    },
    rows: [
      {
        id: 'M1',
        from: pod,
        to: ip1,
        expect: kept(both1),
        in: { 'masquerade all': masqueraded(both1), 'masquerade all, no detector': masqueraded(both1) },
      },
      { id: 'M2', from: pod, to: node, port: 3001, expect: masqueraded(both1) },
      { id: 'M3', from: pod, to: vip1, expect: masqueraded(both1) },
      { id: 'M4', from: node, to: ip1, expect: masqueraded(both1), in: withoutDetector },
      { id: 'M5', from: node, to: node, port: 3001, expect: masqueraded(both1) },
      { id: 'M6', from: node, to: vip1, expect: masqueraded(both1) },
      { id: 'M7', from: client, to: ip1, expect: masqueraded(both1), in: withoutDetector },
      { id: 'M8', from: client, to: node, port: 3001, expect: masqueraded(both1) },
      { id: 'M9', from: client, to: vip1, expect: masqueraded(both1) },
      {
        id: 'M10',
        from: pod,
        to: ip2,
        expect: kept(both2),
        in: { 'masquerade all': masqueraded(both2), 'masquerade all, no detector': masqueraded(both2) },
      },
      {
        id: 'M11',
        from: pod,
        to: node,
        port: 3002,
        expect: kept(both2),
        in: { 'no detector': kept([here2]), 'masquerade all, no detector': kept([here2]) },
      },
      {
        id: 'M12',
        from: pod,
        to: vip2,
        expect: kept(both2),
        in: { 'no detector': kept([here2]), 'masquerade all, no detector': kept([here2]) },
      },
      { id: 'M13', from: node, to: ip2, expect: masqueraded(both2), in: { 'no detector': kept(both2) } },
      { id: 'M14', from: node, to: node, port: 3002, expect: masqueraded(both2) },
      { id: 'M15', from: node, to: vip2, expect: masqueraded(both2) },
      { id: 'M16', from: client, to: ip2, expect: masqueraded(both2), in: { 'no detector': kept(both2) } },
      { id: 'M17', from: client, to: node, port: 3002, expect: kept([here2]) },
      { id: 'M18', from: client, to: vip2, expect: kept([here2]) },
      {
        id: 'M19',
        from: pod,
        to: ip3,
        expect: kept([here3]),
        in: { 'masquerade all': masqueraded([here3]), 'masquerade all, no detector': masqueraded([here3]) },
      },
      { id: 'M20', from: pod, to: node, port: 3003, expect: masqueraded(both3) },
      { id: 'M21', from: pod, to: vip3, expect: masqueraded(both3) },
      { id: 'M22', from: node, to: ip3, expect: masqueraded([here3]), in: { 'no detector': kept([here3]) } },
      { id: 'M23', from: node, to: node, port: 3003, expect: masqueraded(both3) },
      { id: 'M24', from: node, to: vip3, expect: masqueraded(both3) },
      { id: 'M25', from: client, to: ip3, expect: masqueraded([here3]), in: { 'no detector': kept([here3]) } },
      { id: 'M26', from: client, to: node, port: 3003, expect: masqueraded(both3) },
      { id: 'M27', from: client, to: vip3, expect: masqueraded(both3) },
      // Hairpins are masqueraded whatever the configuration.
      {
        id: 'M28',
        from: here1,
        to: ip1,
        expect: { ...kept(both1), masqueraded: [here1] },
        in: { 'masquerade all': masqueraded(both1), 'masquerade all, no detector': masqueraded(both1) },
      },
    ],
  },
]

/** D: how pods are told from others by the interface that their packets come in through. */
export const detectors: readonly Scenario[] = [
  {
    title: 'pods told by their interface',
    given: {
      services: [
        service({ ...balancer, externalPolicy: 'Local', endpoints: [here(here1), remote(far1)] }),
        service({ name: 'svc2', clusterIp: ip2, endpoints: [here(here1), remote(far1)] }),
      ],
    },
    columns: {
      'by its prefix': { flags: { detectLocalMode: 'InterfaceNamePrefix', podInterfaceNamePrefix: 'veth-' } },
      'by the whole name': { flags: { detectLocalMode: 'BridgeInterface', podBridgeInterface: 'veth-pod' } },
      'by a name that no interface has': {
        flags: { detectLocalMode: 'BridgeInterface', podBridgeInterface: 'veth-' },
      },
    },
    rows: [
      {
        id: 'D1',
        from: pod,
        to: ip2,
        expect: kept(both1),
        in: { 'by a name that no interface has': masqueraded(both1) },
      },
      {
        id: 'D2',
        from: otherPod,
        to: ip2,
        expect: kept(both1),
        in: { 'by the whole name': masqueraded(both1), 'by a name that no interface has': masqueraded(both1) },
      },
      { id: 'D3', from: remotePod, to: ip2, expect: masqueraded(both1) },
      { id: 'D4', from: node, to: ip2, expect: masqueraded(both1) },
      { id: 'D5', from: client, to: ip2, expect: masqueraded(both1) },
      {
        id: 'D6',
        from: pod,
        to: vip1,
        expect: kept(both1),
        in: { 'by a name that no interface has': kept([here1]) },
      },
      { id: 'D7', from: remotePod, to: vip1, expect: kept([here1]) },
      { id: 'D8', from: node, to: node, port: 3001, expect: masqueraded(both1) },
    ],
  },
]
