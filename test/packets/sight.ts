/* What can be seen of packets from outside, in words that the machine and the kernel have in common. */
import type { IpAddress } from '../../src/model/ip.ts'
import type { Protocol } from '../../src/model/service-port.ts'
import { ipv4, ipv6 } from '../lab/addresses.ts'
import { nodeAddresses } from '../lab/plan.ts'
import type { Expected, Reached } from './table.ts'

/** A new connection, or a datagram. */
export type Probe = {
  readonly from: IpAddress
  readonly to: IpAddress
  readonly port: number
  readonly protocol: Protocol
}

/** What is to be seen, in order. */
export function expectedSights({ to, port }: Probe, expected: Expected): readonly string[] {
  switch (expected) {
    case 'rejected':
    case 'dropped':
      return [expected]
    case 'untouched':
      return [sightOf(to, port, false)]
    default:
      return expected.endpoints.map((address) => sightOf(address, expected.port, seesNode(expected, address))).sort()
  }
}

/** `10.180.0.1:80 sees the client` */
export function sightOf(address: string, port: number, isMasqueraded: boolean): string {
  return `${socketText(address, port)} sees the ${isMasqueraded ? 'node' : 'client'}`
}

/** `a blocked client is dropped at 1.2.3.4:80/tcp` */
export function sentenceOf({ from, to, port, protocol }: Probe, expected: Expected): string {
  const verb = typeof expected === 'string' ? verbs[expected] : 'is served'
  return `${roles.get(from) ?? from} ${verb} at ${socketText(to, port)}/${protocol}`
}

const verbs = { rejected: 'is refused', dropped: 'is dropped', untouched: 'is left alone' } as const

const roles: ReadonlyMap<string, string> = new Map(
  [ipv4, ipv6].flatMap((plan): [string, string][] => [
    [plan.pod, 'a pod'],
    [plan.otherPod, 'another pod'],
    [plan.remotePod, 'a remote pod'],
    [plan.outsideClient, 'a client'],
    [plan.blockedClient, 'a blocked client'],
    ...nodeAddresses(plan).map((address): [string, string] => [address, `the node (${address})`]),
    ...[...plan.localEndpoints, ...plan.remoteEndpoints].map((address): [string, string] => [
      address,
      `the endpoint ${address}`,
    ]),
  ]),
)

function seesNode({ masqueraded }: Reached, address: string): boolean {
  return typeof masqueraded === 'boolean' ? masqueraded : masqueraded.includes(address)
}

function socketText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
