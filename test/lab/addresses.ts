/* The address plan of all tests: the same shape in both families, so that a case can be written once and run twice. */

/** Who has which address. Endpoints are told apart by where a test says they run; the lab reaches all of them. */
export type AddressPlan = {
  /** Sources in here are pods (the local-traffic detector). */
  readonly podCidr: string
  /** The pods of this node only, as its Node object has it. */
  readonly nodePodCidr: string
  readonly serviceCidr: string
  readonly clusterIps: readonly string[]
  /** In the service CIDR, but of no Service. */
  readonly unallocatedClusterIp: string
  /** A cluster IP that is in no service CIDR. */
  readonly outerClusterIp: string
  /** The node's addresses; the first is the one that kube-proxy listens on by default. */
  readonly node: string
  readonly secondNodeIp: string
  /** An external IP that is an address of the node too. */
  readonly nodeExternalIp: string
  /** Ranges that hold the first two node addresses, one each. */
  readonly nodeRange: string
  readonly secondNodeRange: string
  readonly loopback: string
  readonly externalIps: readonly string[]
  /** Holds the external IPs, that of the node too. */
  readonly externalRange: string
  readonly loadBalancerIps: readonly string[]
  /** A pod of the node that no Service selects, and another one. */
  readonly pod: string
  readonly otherPod: string
  /** Pods of the node that Services select; the first has a host of its own. */
  readonly localEndpoints: readonly string[]
  /** Pods of other nodes that Services select. */
  readonly remoteEndpoints: readonly string[]
  /** Pods whose place differs from case to case. */
  readonly mixedEndpoints: readonly string[]
  /** A pod of another node that no Service selects. */
  readonly remotePod: string
  readonly outsideClient: string
  /** Outside too, but not in the source range. */
  readonly blockedClient: string
  readonly sourceRange: string
  /** An address and a range that have nothing to do with the cluster, and the range of all addresses. */
  readonly elsewhere: string
  readonly otherRange: string
  readonly anywhere: string
}

export const ipv4 = {
  podCidr: '10.0.0.0/8',
  nodePodCidr: '10.0.0.0/23',
  serviceCidr: '172.30.0.0/16',
  clusterIps: ['172.30.0.41', '172.30.0.42', '172.30.0.43', '172.30.0.44', '172.30.0.45', '172.30.0.46'],
  unallocatedClusterIp: '172.30.0.50',
  outerClusterIp: '172.31.0.41',
  node: '192.168.0.2',
  secondNodeIp: '192.168.1.2',
  nodeExternalIp: '192.168.99.11',
  nodeRange: '192.168.0.0/24',
  secondNodeRange: '192.168.1.0/24',
  loopback: '127.0.0.1',
  externalIps: ['192.168.99.22', '192.168.99.33'],
  externalRange: '192.168.99.0/24',
  loadBalancerIps: ['1.2.3.4', '5.6.7.8', '9.10.11.12'],
  pod: '10.0.0.2',
  otherPod: '10.0.0.3',
  localEndpoints: ['10.180.0.1', '10.180.0.2', '10.180.0.3', '10.180.0.4', '10.180.0.5'],
  remoteEndpoints: ['10.180.2.1', '10.180.1.1', '10.180.1.2', '10.180.1.3'],
  mixedEndpoints: ['10.0.1.1', '10.0.1.2', '10.0.1.3', '10.0.1.4', '10.0.1.5'],
  remotePod: '10.180.3.1',
  outsideClient: '203.0.113.2',
  blockedClient: '203.0.113.130',
  sourceRange: '203.0.113.0/25',
  elsewhere: '8.8.8.8',
  otherRange: '10.99.0.0/16',
  anywhere: '0.0.0.0/0',
} as const satisfies AddressPlan

export const ipv6 = {
  podCidr: 'fd00:10::/32',
  nodePodCidr: 'fd00:10::/64',
  serviceCidr: 'fd00:10:96::/112',
  clusterIps: [
    'fd00:10:96::41',
    'fd00:10:96::42',
    'fd00:10:96::43',
    'fd00:10:96::44',
    'fd00:10:96::45',
    'fd00:10:96::46',
  ],
  unallocatedClusterIp: 'fd00:10:96::50',
  outerClusterIp: 'fd00:172:30::41',
  node: '2001:db8::1',
  secondNodeIp: '2001:db8:1::2',
  nodeExternalIp: '2001:db8:99::11',
  nodeRange: '2001:db8::/64',
  secondNodeRange: '2001:db8:1::/64',
  loopback: '::1',
  externalIps: ['2001:db8:99::22', '2001:db8:99::33'],
  externalRange: '2001:db8:99::/64',
  loadBalancerIps: ['2001:db8:1:2:3::4', '2001:db8:5:6:7::8', '2001:db8:9:10:11::12'],
  pod: 'fd00:10::2',
  otherPod: 'fd00:10::3',
  localEndpoints: ['fd00:10:180::1', 'fd00:10:180::2', 'fd00:10:180::3', 'fd00:10:180::4', 'fd00:10:180::5'],
  remoteEndpoints: ['fd00:10:180::2:1', 'fd00:10:180::1:1', 'fd00:10:180::1:2', 'fd00:10:180::1:3'],
  mixedEndpoints: ['fd00:10::1:1', 'fd00:10::1:2', 'fd00:10::1:3', 'fd00:10::1:4', 'fd00:10::1:5'],
  remotePod: 'fd00:10:180::3:1',
  outsideClient: '2001:db8:113::2',
  blockedClient: '2001:db8:113:0:8000::130',
  sourceRange: '2001:db8:113::/65',
  elsewhere: '2001:4860:4860::8888',
  otherRange: 'fd00:99::/48',
  anywhere: '::/0',
} as const satisfies AddressPlan

/** Both families, for tests that run once in each. */
export const families = { ipv4, ipv6 } as const satisfies Record<string, AddressPlan>
