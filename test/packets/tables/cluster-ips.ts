import { ipv4 } from '../../lab/addresses.ts'
import { kept, masqueraded, type Scenario } from '../table.ts'
import { here, port, remote, service } from '../world.ts'

const { pod, otherPod, node, outsideClient: client, clusterIps, loadBalancerIps, externalIps, outerClusterIp } = ipv4
const { unallocatedClusterIp, elsewhere } = ipv4
const [clusterIp, clusterIp2] = clusterIps
const [vip] = loadBalancerIps
const [externalIp] = externalIps
const [local, local2] = ipv4.localEndpoints
const [far] = ipv4.remoteEndpoints

/** C: cluster IPs, ports and protocols; hairpins. */
export const clusterIpBasics: readonly Scenario[] = [
  {
    title: 'two cluster IPs',
    given: {
      services: [
        service({ endpoints: [here(local)] }),
        service({
          name: 'svc2',
          clusterIp: clusterIp2,
          ports: [
            port({}),
            port({ name: 'https', port: 443, targetPort: 8443 }),
            port({ name: 'dns-udp', protocol: 'UDP', port: 53, targetPort: 53 }),
            port({ name: 'dns-tcp', port: 53, targetPort: 5353 }),
            port({ name: 'dns-sctp', protocol: 'SCTP', port: 53, targetPort: 53 }),
          ],
          endpoints: [here(local), remote(far)],
        }),
      ],
    },
    rows: [
      { id: 'C1', from: pod, to: clusterIp, expect: kept([local]) },
      { id: 'C2', from: local, to: clusterIp, expect: masqueraded([local]) },
      { id: 'C3', from: pod, to: clusterIp2, expect: kept([local, far]) },
      { id: 'C4', from: pod, to: clusterIp2, port: 443, expect: kept([local, far], 8443) },
      { id: 'C5', from: pod, to: clusterIp2, port: 53, expect: kept([local, far], 5353) },
      { id: 'C6', from: pod, to: clusterIp2, port: 53, protocol: 'udp', expect: kept([local, far], 53) },
      {
        id: 'C7',
        from: pod,
        to: clusterIp2,
        port: 53,
        protocol: 'sctp',
        expect: kept([local, far], 53),
        machineOnly: 'Node.js has no SCTP sockets',
      },
      { id: 'C8', from: pod, to: clusterIp2, protocol: 'udp', expect: 'rejected' },
      { id: 'C9', from: pod, to: clusterIp, port: 443, expect: 'rejected' },
      { id: 'C10', from: pod, to: unallocatedClusterIp, expect: 'dropped' },
      { id: 'C11', from: pod, to: otherPod, expect: 'untouched' },
      { id: 'C12', from: node, to: clusterIp, port: 443, expect: 'rejected' },
      { id: 'C13', from: node, to: unallocatedClusterIp, expect: 'dropped' },
      { id: 'C14', from: client, to: clusterIp, port: 443, expect: 'rejected' },
      {
        id: 'C15',
        from: local,
        to: clusterIp2,
        expect: { endpoints: [local, far], port: 80, masqueraded: [local] },
      },
    ],
  },
  {
    title: 'endpoints shared by two cluster IPs',
    given: {
      services: [
        service({ endpoints: [here(local), here(local2)] }),
        service({ name: 'svc2', clusterIp: clusterIp2, endpoints: [here(local)] }),
      ],
    },
    rows: [
      { id: 'C16', from: local, to: clusterIp, expect: { endpoints: [local, local2], port: 80, masqueraded: [local] } },
      { id: 'C17', from: local, to: clusterIp2, expect: masqueraded([local]) },
    ],
  },
  {
    title: 'a cluster IP that has lost one of the Services which share its endpoints',
    given: { services: [service({ name: 'svc2', clusterIp: clusterIp2, endpoints: [here(local)] })] },
    rows: [{ id: 'C18', from: local, to: clusterIp2, expect: masqueraded([local]) }],
  },
  {
    title: 'endpoints meant for zones',
    given: {
      services: [
        service({
          endpoints: [
            { ...here(local), zones: ['zone-a'] },
            { ...remote(far), zones: ['zone-b'] },
          ],
        }),
      ],
    },
    columns: { 'the node in zone a': {}, 'the node in zone b': { zone: 'zone-b' }, 'another zone': { zone: 'zone-c' } },
    rows: [
      {
        id: 'C19',
        from: pod,
        to: clusterIp,
        expect: kept([local]),
        in: { 'the node in zone b': kept([far]), 'another zone': kept([local, far]) },
      },
    ],
  },
]

/** G: what is sent to cluster IPs that lead nowhere. G7 is about connections that are there already, not about first packets. */
export const guardRails: readonly Scenario[] = [
  {
    title: 'a known service CIDR',
    given: { services: [service({ endpoints: [here(local)] })] },
    rows: [{ id: 'G1', from: pod, to: unallocatedClusterIp, expect: 'dropped' }],
  },
  {
    title: 'no known service CIDR',
    given: { services: [service({ endpoints: [here(local)] })], serviceCidrs: [] },
    rows: [
      { id: 'G2', from: pod, to: unallocatedClusterIp, expect: 'untouched' },
      { id: 'G2b', from: pod, to: clusterIp, port: 443, expect: 'rejected' },
    ],
  },
  {
    title: 'a cluster IP outside of all service CIDRs',
    given: { services: [service({ clusterIp: outerClusterIp, endpoints: [here(local)] })] },
    rows: [
      { id: 'G3', from: pod, to: outerClusterIp, port: 443, expect: 'rejected' },
      { id: 'G3b', from: pod, to: outerClusterIp, expect: kept([local]) },
    ],
  },
  {
    title: 'a headless Service and one that is a name only',
    given: {
      services: [
        service({ clusterIp: 'None', externalIps: [externalIp], endpoints: [here(local)] }),
        service({ name: 'svc2', type: 'ExternalName', externalIps: [externalIp], endpoints: [here(local)] }),
      ],
    },
    rows: [
      { id: 'G4', from: pod, to: externalIp, expect: 'untouched' },
      { id: 'G4b', from: pod, to: otherPod, expect: 'untouched' },
    ],
  },
  {
    title: 'a cluster IP that the node has itself',
    given: { services: [service({ endpoints: [here(local)] })], boundAddresses: [clusterIp] },
    rows: [
      { id: 'G5', from: pod, to: clusterIp, port: 443, expect: 'untouched' },
      { id: 'G5b', from: pod, to: clusterIp, expect: kept([local]) },
    ],
  },
  {
    title: 'addresses for clients outside',
    given: {
      services: [
        service({
          type: 'LoadBalancer',
          loadBalancerIps: [vip],
          externalIps: [externalIp],
          nodePort: 3001,
          endpoints: [here(local)],
        }),
      ],
    },
    rows: [
      { id: 'G6', from: client, to: vip, port: 443, expect: 'untouched' },
      { id: 'G6b', from: client, to: externalIp, port: 443, expect: 'untouched' },
      { id: 'G6c', from: client, to: vip, port: 3001, expect: 'untouched' },
      { id: 'G6d', from: client, to: node, port: 443, expect: 'untouched' },
      { id: 'G6e', from: pod, to: elsewhere, expect: 'untouched' },
    ],
  },
]
