/* Packets through the machine, on the node of the lab. */
import { type TraceOptions, tracePacket } from '../../src/explain/machine.ts'
import type { Route } from '../../src/explain/node.ts'
import { indexTables, type Ruleset } from '../../src/explain/ruleset.ts'
import type { Outcome } from '../../src/explain/trace.ts'
import type { Cidr } from '../../src/model/cidr.ts'
import { ClusterModel } from '../../src/model/cluster-model.ts'
import type { Family } from '../../src/model/ip.ts'
import type { TableContents } from '../../src/nft/objects.ts'
import { wantedTable } from '../../src/sync/wanted.ts'
import { ipv4, ipv6 } from '../lab/addresses.ts'
import { clusterPlan, nodeAddresses } from '../lab/plan.ts'
import { ip, nodeName } from '../model/fixtures.ts'
import { setObject } from '../sync/proxy.ts'
import { type Probe, sightOf } from './sight.ts'
import { dataplaneOf, objectsOf, type World } from './world.ts'

/** The table that a world wants. */
export function tableOfWorld(world: World, family: Family): TableContents {
  const model = new ClusterModel({ family, nodeName, processStartMs: 0 })
  for (const object of objectsOf(world, family)) setObject(model, object)
  const { options, nodePortIps } = dataplaneOf(world, family)
  return wantedTable(model, { name: nodeName, zone: world.zone }, options, nodePortIps).contents
}

/** Sends packets through the table of a world; the result says what is to be seen of one, in order. */
export function machineOf(world: World, family: Family): (probe: Probe) => readonly string[] {
  const ruleset = indexTables([tableOfWorld(world, family)])
  return (probe) => sightsOf(outcomesOf(ruleset, world, probe), probe)
}

/** Every end that a packet may come to. */
export function outcomesOf(
  ruleset: Ruleset,
  { boundAddresses }: World,
  probe: Probe,
  options: TraceOptions = {},
): readonly Outcome[] {
  const { from, to, port, protocol } = probe
  const link = links.get(from)
  const bound = boundAddresses.map(ip)
  const isOwn = bound.includes(from) || link === undefined
  return tracePacket(
    ruleset,
    {
      origin: isOwn ? 'node' : 'network',
      ...(isOwn ? {} : { iifname: link }),
      protocol,
      source: from,
      sourcePort: 40_000,
      destination: to,
      destinationPort: port,
    },
    { addresses: [...ownAddresses, ...bound], routes },
    options,
  )
}

/** What is to be seen of these, in order. */
export function sightsOf(outcomes: readonly Outcome[], probe: Probe): readonly string[] {
  return [...new Set(outcomes.map((outcome) => sightOfOutcome(outcome, probe)))].sort()
}

function sightOfOutcome(outcome: Outcome, { from }: Probe): string {
  const { verdict, destination, source, isMasqueraded, delivery, mark } = outcome
  switch (verdict) {
    case 'reject':
      return 'rejected'
    case 'drop':
      return 'dropped'
    case 'unknown':
      return 'not understood'
    case 'pass': {
      const seen = isMasqueraded ? mainAddress(from) : from
      const sight = sightOf(destination.address, destination.port, isMasqueraded)
      if (source.address !== seen) return `${sight}, as ${source.address}`
      // What leaves the node does not tell others that it was to be masqueraded.
      return mark === 0 || delivery === 'local' ? sight : `${sight}, and the mark ${mark}`
    }
  }
}

const ownAddresses = [ipv4, ipv6].flatMap(nodeAddresses).map(ip)

const neighbours = [clusterPlan.outside, ...Object.values(clusterPlan.pods)]

/** Names of the node's links by the addresses that are behind them. */
const links: ReadonlyMap<string, string> = new Map(
  neighbours.flatMap(({ link, addresses }) => addresses.map((address) => [address, link] as const)),
)

const routes: readonly Route[] = [
  ...[...links].map(([address, oifname]) => ({
    to: `${address}/${address.includes(':') ? 128 : 32}` as Cidr,
    oifname,
  })),
  ...[ipv4, ipv6].map(({ anywhere }) => ({ to: anywhere as string as Cidr, oifname: clusterPlan.outside.link })),
]

/** What masquerading puts in: all links have the node's main address. */
function mainAddress(like: string): string {
  return (like.includes(':') ? ipv6 : ipv4).node
}
