import { ipv4, ipv6 } from '../../lab/addresses.ts'
import { kept, masqueraded, type Scenario } from '../table.ts'
import { here, podsByRange, remote, service } from '../world.ts'

const { pod, node, secondNodeIp: node2, nodeExternalIp, outsideClient: client, clusterIps, loopback, elsewhere } = ipv4
const [clusterIp] = clusterIps
const [local] = ipv4.remoteEndpoints
const [far] = ipv4.localEndpoints
const both = [far, local]

const nodePortService = service({ type: 'NodePort', nodePort: 3001, endpoints: [remote(far), here(local)] })
const services = [nodePortService]

function flags(nodeportAddresses: string) {
  return { ...podsByRange, nodeportAddresses }
}

/** P: which addresses of the node take node ports. */
export const nodePorts: readonly Scenario[] = [
  {
    title: 'a node port',
    given: { services },
    columns: {
      'on the main address': {},
      'on ranges': { flags: flags(`${ipv4.nodeRange},${ipv4.secondNodeRange},${ipv6.nodeRange}`) },
      'on a range and an address': {
        flags: flags(`${ipv4.nodeRange},${ipv4.secondNodeIp}/32,${ipv6.nodeRange},${ipv6.secondNodeRange}`),
      },
      'on all addresses': { flags: flags(ipv4.anywhere) },
    },
    rows: [
      { id: 'P1', from: pod, to: clusterIp, expect: kept(both) },
      { id: 'P2', from: client, to: node, port: 3001, expect: masqueraded(both) },
      { id: 'P3', from: node, to: node, port: 3001, expect: masqueraded(both) },
      {
        id: 'P4',
        from: client,
        to: node2,
        port: 3001,
        expect: 'untouched',
        in: {
          'on ranges': masqueraded(both),
          'on a range and an address': masqueraded(both),
          'on all addresses': masqueraded(both),
        },
      },
    ],
  },
  {
    title: 'a node port on all addresses',
    given: { services },
    columns: {
      'without ranges': { flags: flags('') },
      'with the range of all': { flags: flags(`${ipv4.otherRange},${ipv4.anywhere}`) },
      'with ranges of the other family only': { flags: flags(ipv6.nodeRange) },
    },
    rows: [
      { id: 'P5', from: client, to: node2, port: 3001, expect: masqueraded(both) },
      { id: 'P6', from: client, to: nodeExternalIp, port: 3001, expect: masqueraded(both) },
      { id: 'P7', from: client, to: elsewhere, port: 3001, expect: 'untouched' },
      { id: 'P8', from: node, to: loopback, port: 3001, expect: 'untouched' },
      { id: 'P8b', from: loopback, to: loopback, port: 3001, expect: 'untouched' },
      { id: 'P12', from: pod, to: node2, port: 3001, expect: masqueraded(both) },
      { id: 'P14', from: node2, to: nodeExternalIp, port: 3001, expect: masqueraded(both) },
    ],
  },
  {
    title: 'a node port on all addresses and no endpoints',
    given: { services: [{ ...nodePortService, endpoints: [] }], flags: flags('') },
    rows: [
      { id: 'P9', from: client, to: node, port: 3001, expect: 'rejected' },
      { id: 'P9b', from: node, to: node2, port: 3001, expect: 'rejected' },
      { id: 'P10', from: node, to: loopback, port: 3001, expect: 'untouched' },
      { id: 'P10b', from: client, to: elsewhere, port: 3001, expect: 'untouched' },
    ],
  },
  {
    title: 'a node port on a range in which the node has no address',
    given: { services },
    columns: {
      'with endpoints': { flags: flags(ipv4.otherRange) },
      'without endpoints': { services: [{ ...nodePortService, endpoints: [] }], flags: flags(ipv4.otherRange) },
      'of loopback': { flags: flags(`${ipv4.loopback}/32`) },
    },
    rows: [
      { id: 'P11', from: client, to: node, port: 3001, expect: 'untouched' },
      { id: 'P11b', from: node, to: loopback, port: 3001, expect: 'untouched' },
    ],
  },
  {
    title: 'a node port of one protocol',
    given: { services },
    rows: [{ id: 'P13', from: client, to: node, port: 3001, protocol: 'udp', expect: 'untouched' }],
  },
]
