/* Real packets through a programmed node: who answers, and whom they see. */
import assert from 'node:assert/strict'
import type { DataplaneOptions } from '../../src/dataplane/options.ts'
import { type Protocol, socketText } from '../../src/demo/host-operations.ts'
import type { KubeObject } from '../../src/kube/types.ts'
import type { Family } from '../../src/model/ip.ts'
import { NftConnection } from '../../src/nft/connection.ts'
import { type AddressPlan, families } from '../lab/addresses.ts'
import { type ClusterLab, createClusterLab } from '../lab/cluster.ts'
import { podsIn, type Proxy, serviceCidr } from '../sync/proxy.ts'
import { proxyOn } from './node.ts'

/** New connections from an address of the plan to a destination. */
export type Flow = {
  readonly source: string
  readonly destination: string
  readonly port: number
  readonly protocol: Protocol
}

/** The source address that each endpoint sees, for exactly the endpoints that answer; or what all connections meet. */
export type Expected = Readonly<Record<string, string>> | 'refused' | 'timeout'

export type PacketLab = ClusterLab & {
  /**
   * Makes the table of one family anew. Sources in the plan's pod network are pods, and its service network is a
   * ServiceCIDR, unless that is said otherwise.
   */
  readonly program: (plan: AddressPlan, objects: readonly KubeObject[], options?: ProgramOptions) => Promise<Proxy>
  readonly assertFlow: (flow: Flow, expected: Expected) => Promise<void>
}

export type ProgramOptions = {
  readonly dataplane?: Partial<DataplaneOptions>
  readonly serviceCidrs?: readonly string[]
}

/** Both address plans with the family's name, for tests that run once in each. */
export const plans = [
  { family: 'IPv4', plan: families.ipv4 },
  { family: 'IPv6', plan: families.ipv6 },
] as const satisfies readonly { family: Family; plan: AddressPlan }[]

export async function createPacketLab(): Promise<PacketLab> {
  const lab = await createClusterLab()
  const connection = lab.node.namespace.run(() => new NftConnection())
  const nextPort = portNumbers()
  return {
    ...lab,
    async program(plan, objects, { dataplane, serviceCidrs = [plan.serviceCidr] } = {}) {
      const family = plan.node.includes(':') ? 'IPv6' : 'IPv4'
      const proxy = proxyOn(connection, family, dataplane ?? podsIn(plan.podCidr))
      await proxy.sync(serviceCidr('kubernetes', ...serviceCidrs), ...objects)
      return proxy
    },
    async assertFlow({ source, destination, port, protocol }, expected) {
      const timeoutMs = expected === 'timeout' ? silenceMs : patienceMs
      const count = typeof expected === 'string' ? 1 : connectionsFor(Object.keys(expected).length)
      const dial = protocol === 'tcp' ? 'connectTcp' : 'sendUdp'
      const outcomes = await Promise.all(
        Array.from({ length: count }, () =>
          lab.hostOf(source)[dial](destination, port, { localAddress: source, localPort: nextPort(), timeoutMs }),
        ),
      )
      const seen: Record<string, string> = {}
      const failures = new Set<string>()
      for (const outcome of outcomes) {
        if (outcome.outcome !== 'answered') failures.add(outcome.outcome)
        else seen[socketText(outcome.endpoint)] = outcome.peer.address
      }
      assert.deepEqual({ seen, failures: [...failures] }, allOf(expected))
    },
    async close() {
      connection.close()
      await lab.close()
    },
  }
}

/** `10.180.0.1:80`, each with the source address that it sees. */
export function seenBy(endpoints: readonly string[], port: number, source: string): Record<string, string> {
  return Object.fromEntries(endpoints.map((address) => [socketText({ address, port }), source]))
}

const silenceMs = 400
const patienceMs = 3000

/** So many that none of a few endpoints is missed by chance: one in a hundred million for three. */
function connectionsFor(endpoints: number): number {
  return endpoints === 1 ? 3 : 16 * endpoints
}

/**
 * Every connection has a source port that was not used before: of UDP the kernel would remember the endpoint for half a
 * minute, whatever the rules say by then.
 */
function portNumbers(): () => number {
  let last = 10_000
  return () => ++last
}

function allOf(expected: Expected): { seen: Record<string, string>; failures: string[] } {
  return typeof expected === 'string' ? { seen: {}, failures: [expected] } : { seen: expected, failures: [] }
}
