import type { TrafficPolicy } from '../../../src/kube/types.ts'
import { ipv4 } from '../../lab/addresses.ts'
import { kept, masqueraded, type Scenario } from '../table.ts'
import { here, port, remote, service, type TestEndpoint } from '../world.ts'

const { pod, outsideClient: client } = ipv4
const [clusterIp] = ipv4.clusterIps
const [vip] = ipv4.loadBalancerIps
const [e1, e2, e3, e4, e5] = ipv4.mixedEndpoints

/** T: a load balancer with an unnamed port, one load-balancer IP and no node port. */
function balancer(externalPolicy: TrafficPolicy, ...endpoints: readonly TestEndpoint[]) {
  return {
    services: [
      service({
        type: 'LoadBalancer',
        ports: [port({ name: '' })],
        loadBalancerIps: [vip],
        externalPolicy,
        endpoints,
      }),
    ],
  }
}

/** T: endpoints that are about to go. */
export const terminating: readonly Scenario[] = [
  {
    title: 'policy Local, ready endpoints here and elsewhere',
    given: balancer('Local', here(e1), here(e2), here(e3, 'terminating'), here(e4, 'gone'), remote(e5)),
    rows: [
      { id: 'T1a', from: pod, to: clusterIp, expect: kept([e1, e2, e5]) },
      { id: 'T1b', from: client, to: vip, expect: kept([e1, e2]) },
    ],
    isRejectedWithoutSlices: true,
  },
  {
    title: 'policy Local, terminating endpoints here and a ready one elsewhere',
    given: balancer('Local', here(e2, 'terminating'), here(e3, 'terminating'), here(e4, 'gone'), remote(e5)),
    rows: [
      { id: 'T2a', from: pod, to: clusterIp, expect: kept([e5]) },
      { id: 'T2b', from: client, to: vip, expect: kept([e2, e3]) },
      { id: 'T2c', from: pod, to: vip, expect: kept([e5]) },
    ],
    isRejectedWithoutSlices: true,
  },
  {
    title: 'policy Local, a terminating endpoint elsewhere',
    given: balancer('Local', remote(e5, 'terminating')),
    rows: [
      { id: 'T3a', from: pod, to: clusterIp, expect: kept([e5]) },
      { id: 'T3b', from: client, to: vip, expect: 'dropped' },
    ],
    isRejectedWithoutSlices: true,
  },
  {
    title: 'policy Local, one address gone here and elsewhere',
    given: balancer('Local', here(e5, 'gone'), remote(e5, 'gone')),
    rows: [
      { id: 'T4a', from: pod, to: clusterIp, expect: 'rejected' },
      { id: 'T4b', from: client, to: vip, expect: 'rejected' },
    ],
    isRejectedWithoutSlices: true,
  },
  {
    title: 'policy Cluster, ready endpoints here and elsewhere',
    given: balancer('Cluster', here(e1), here(e2), remote(e3, 'terminating'), remote(e4, 'gone'), remote(e5)),
    rows: [
      { id: 'T5a', from: pod, to: clusterIp, expect: kept([e1, e2, e5]) },
      { id: 'T5b', from: client, to: vip, expect: masqueraded([e1, e2, e5]) },
    ],
    isRejectedWithoutSlices: true,
  },
  {
    title: 'policy Cluster, terminating endpoints here and elsewhere',
    given: balancer(
      'Cluster',
      here(e2, 'terminating'),
      here(e3, 'terminating'),
      remote(e4, 'gone'),
      remote(e5, 'terminating'),
    ),
    rows: [
      { id: 'T6a', from: pod, to: clusterIp, expect: kept([e2, e3, e5]) },
      { id: 'T6b', from: client, to: vip, expect: masqueraded([e2, e3, e5]) },
    ],
    isRejectedWithoutSlices: true,
  },
  {
    title: 'policy Cluster, a terminating endpoint elsewhere',
    given: balancer('Cluster', remote(e5, 'terminating')),
    rows: [
      { id: 'T7a', from: pod, to: clusterIp, expect: kept([e5]) },
      { id: 'T7b', from: client, to: vip, expect: masqueraded([e5]) },
    ],
    isRejectedWithoutSlices: true,
  },
  {
    title: 'policy Cluster, one address gone here and elsewhere',
    given: balancer('Cluster', here(e5, 'gone'), remote(e5, 'gone')),
    rows: [
      { id: 'T8a', from: pod, to: clusterIp, expect: 'rejected' },
      { id: 'T8b', from: client, to: vip, expect: 'rejected' },
    ],
    isRejectedWithoutSlices: true,
  },
]
