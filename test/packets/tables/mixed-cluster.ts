import { ipv4 } from '../../lab/addresses.ts'
import { kept, masqueraded, type Scenario } from '../table.ts'
import { here, podsByRange, remote, service, type World } from '../world.ts'

const { pod, otherPod, node, outsideClient: client, blockedClient: blocked } = ipv4
const [ip1, ip2, ip3, ip4, ip5, ip6] = ipv4.clusterIps
const [vip1, vip2] = ipv4.loadBalancerIps
const [externalIp1, externalIp2] = ipv4.externalIps
const [e1, e2, e3, e4, e5] = ipv4.localEndpoints

/** Six Services of different kinds, of which one has the endpoints of another one and one has none. */
export const mixedWorld: Partial<World> = {
  flags: { ...podsByRange, nodeportAddresses: '' },
  services: [
    service({ clusterIp: ip1, endpoints: [here(e1)] }),
    service({
      name: 'svc2',
      type: 'LoadBalancer',
      externalPolicy: 'Local',
      clusterIp: ip2,
      externalIps: [externalIp1],
      loadBalancerIps: [vip1],
      nodePort: 3001,
      endpoints: [remote(e2)],
    }),
    service({ name: 'svc3', type: 'NodePort', clusterIp: ip3, nodePort: 3003, endpoints: [here(e3)] }),
    service({
      name: 'svc4',
      type: 'NodePort',
      clusterIp: ip4,
      externalIps: [externalIp2],
      endpoints: [remote(e4), here(e5)],
    }),
    service({
      name: 'svc5',
      type: 'LoadBalancer',
      clusterIp: ip5,
      loadBalancerIps: [vip2],
      nodePort: 3002,
      sourceRanges: [` ${ipv4.sourceRange}`],
      affinitySeconds: 10_800,
      endpoints: [here(e3)],
    }),
    service({ name: 'svc6', clusterIp: ip6 }),
  ],
}

/** F: different Services side by side. */
export const mixedCluster: readonly Scenario[] = [
  {
    title: 'six Services of different kinds',
    given: mixedWorld,
    rows: [
      { id: 'F1', from: pod, to: otherPod, expect: 'untouched' },
      { id: 'F2', from: pod, to: ip1, expect: kept([e1]) },
      { id: 'F3', from: pod, to: ip4, expect: kept([e4, e5]) },
      { id: 'F4', from: node, to: externalIp1, expect: masqueraded([e2]) },
      { id: 'F5', from: client, to: externalIp1, expect: 'dropped' },
      { id: 'F6', from: pod, to: ip6, expect: 'rejected' },
      { id: 'F7', from: blocked, to: vip2, expect: 'dropped' },
      { id: 'F8', from: pod, to: node, port: 3001, expect: kept([e2]) },
      { id: 'F12', from: client, to: vip2, expect: masqueraded([e3]) },
      { id: 'F13', from: client, to: node, port: 3003, expect: masqueraded([e3]) },
      { id: 'F14', from: blocked, to: node, port: 3002, expect: masqueraded([e3]) },
      { id: 'F15', from: client, to: externalIp2, expect: masqueraded([e4, e5]) },
      { id: 'F16', from: client, to: node, port: 3001, expect: 'dropped' },
      { id: 'F17', from: client, to: vip1, expect: 'dropped' },
      { id: 'F18', from: e1, to: ip1, expect: masqueraded([e1]) },
    ],
  },
  {
    title: 'a node port on all addresses of both families',
    given: {
      flags: { ...podsByRange, nodeportAddresses: '' },
      services: [service({ type: 'NodePort', nodePort: 3001, endpoints: [remote(e1), here(e2)] })],
    },
    rows: [
      { id: 'F9', from: pod, to: ip1, expect: kept([e1, e2]) },
      { id: 'F10', from: client, to: node, port: 3001, expect: masqueraded([e1, e2]) },
      { id: 'F11', from: node, to: node, port: 3001, expect: masqueraded([e1, e2]) },
    ],
  },
]

/**
 * W: all elements of the six Services, by set. Policy Local without an endpoint here is in the maps for the short
 * circuit and is dropped for others; an endpoint of two Services is one hairpin connection.
 */
export const mixedClusterElements: Readonly<Record<string, readonly string[]>> = {
  'cluster-ips': [ip1, ip2, ip3, ip4, ip5, ip6],
  'service-cidrs': [ipv4.serviceCidr],
  'hairpin-connections': [e1, e3, e5].map((address) => `${address} . ${address} . tcp . 80`),
  'service-ips': [
    `${vip1} . tcp . 80 comment "ns/svc2:http" : goto external-local`,
    `${vip2} . tcp . 80 comment "ns/svc5:http" : goto pick-masq-affinity-tcp-1`,
    `${ip1} . tcp . 80 comment "ns/svc1:http" : goto pick-tcp-1`,
    `${ip2} . tcp . 80 comment "ns/svc2:http" : goto pick-tcp-1`,
    `${ip3} . tcp . 80 comment "ns/svc3:http" : goto pick-tcp-1`,
    `${ip4} . tcp . 80 comment "ns/svc4:http" : goto pick-tcp-2`,
    `${ip5} . tcp . 80 comment "ns/svc5:http" : goto pick-affinity-tcp-1`,
    `${externalIp1} . tcp . 80 comment "ns/svc2:http" : goto external-local`,
    `${externalIp2} . tcp . 80 comment "ns/svc4:http" : goto pick-masq-tcp-2`,
  ],
  'service-nodeports': [
    'tcp . 3001 comment "ns/svc2:http" : goto external-local-nodeport',
    'tcp . 3002 comment "ns/svc5:http" : goto pick-nodeport-masq-affinity-tcp-1',
    'tcp . 3003 comment "ns/svc3:http" : goto pick-nodeport-masq-tcp-1',
  ],
  'external-cluster-ips': [vip1, externalIp1].map(
    (address) => `${address} . tcp . 80 comment "ns/svc2:http" : goto pick-tcp-1`,
  ),
  'external-cluster-nodeports': ['tcp . 3001 comment "ns/svc2:http" : goto pick-nodeport-tcp-1'],
  'no-endpoint-services': [
    `${vip1} . tcp . 80 comment "ns/svc2:http" : drop`,
    `${ip6} . tcp . 80 comment "ns/svc6:http" : goto reject-chain`,
    `${externalIp1} . tcp . 80 comment "ns/svc2:http" : drop`,
  ],
  'no-endpoint-nodeports': ['tcp . 3001 comment "ns/svc2:http" : drop'],
  'firewall-frontends': [`${vip2} . tcp . 80`],
  'firewall-allowed': [`${vip2} . tcp . 80 . ${ipv4.sourceRange}`],
  'affinity-ips-tcp': [vip2, ip5].map(
    (address) => `${address} . 80 comment "ns/svc5:http" : goto affinity-record-tcp-10800`,
  ),
  'affinity-nodeports-tcp': ['3002 comment "ns/svc5:http" : goto affinity-record-tcp-10800'],
  'endpoints-tcp': [
    `${vip1} . 80 . 0 : ${e2} . 80`,
    `${vip2} . 80 . 0 : ${e3} . 80`,
    `${ip1} . 80 . 0 : ${e1} . 80`,
    `${ip2} . 80 . 0 : ${e2} . 80`,
    `${ip3} . 80 . 0 : ${e3} . 80`,
    `${ip4} . 80 . 0 : ${e4} . 80`,
    `${ip4} . 80 . 1 : ${e5} . 80`,
    `${ip5} . 80 . 0 : ${e3} . 80`,
    `${externalIp1} . 80 . 0 : ${e2} . 80`,
    `${externalIp2} . 80 . 0 : ${e4} . 80`,
    `${externalIp2} . 80 . 1 : ${e5} . 80`,
  ],
  'nodeport-endpoints-tcp': [`3001 . 0 : ${e2} . 80`, `3002 . 0 : ${e3} . 80`, `3003 . 0 : ${e3} . 80`],
}
