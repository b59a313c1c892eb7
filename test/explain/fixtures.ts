import { type Cidr, parseCidr } from '../../src/model/cidr.ts'
import type { NodeView } from '../../src/explain/node.ts'
import type { Packet } from '../../src/explain/packet.ts'
import { tracePacket, type TraceOptions } from '../../src/explain/machine.ts'
import { indexTables } from '../../src/explain/ruleset.ts'
import type { Outcome } from '../../src/explain/trace.ts'
import type { Expr } from '../../src/nft/expressions.ts'
import type { BaseChain, Family, NftSet, Rule, SetElement, TableContents } from '../../src/nft/objects.ts'
import { ipv4, ipv6 } from '../lab/addresses.ts'
import { ip } from '../model/fixtures.ts'

export type ChainParts = { readonly base?: BaseChain; readonly rules: readonly (readonly Expr[])[] }

/** A base chain with rules. */
export function at(
  hook: BaseChain['hook'],
  rules: readonly (readonly Expr[])[],
  base: Partial<BaseChain> = {},
): ChainParts {
  return { base: { type: 'filter', hook, priority: 0, ...base }, rules }
}

/** A chain that others jump to. */
export function regular(...rules: readonly (readonly Expr[])[]): ChainParts {
  return { rules }
}

export type TableParts = {
  readonly family?: Family
  readonly name?: string
  readonly sets?: readonly (NftSet & { readonly elements?: readonly SetElement[] })[]
}

export function table(chains: Readonly<Record<string, ChainParts>>, parts: TableParts = {}): TableContents {
  const { family = 'ip', name = 't', sets = [] } = parts
  return {
    table: { family, name },
    flowtables: [],
    sets,
    chains: Object.entries(chains).map(([chain, { base }]) => ({
      name: chain,
      ...(base === undefined ? {} : { base }),
    })),
    rules: Object.entries(chains).flatMap(([chain, { rules }]) =>
      rules.map((expressions): Rule => ({ chain, expressions })),
    ),
    elements: new Map(sets.map(({ name: set, elements = [] }) => [set, elements])),
  }
}

/** A pod of the node connects to 192.0.2.7:80. */
export function packet(parts: Partial<Packet> = {}): Packet {
  return {
    origin: 'network',
    protocol: 'tcp',
    source: ip(ipv4.pod),
    sourcePort: 40_000,
    destination: ip('192.0.2.7'),
    destinationPort: 80,
    ...parts,
  }
}

export function packet6(parts: Partial<Packet> = {}): Packet {
  return packet({ source: ip(ipv6.pod), destination: ip('2001:db8:7::7'), ...parts })
}

/** The node of the address plan: pods behind one interface, everything else behind another one. */
export const node: NodeView = {
  addresses: [ipv4, ipv6].flatMap((plan) => [plan.node, plan.secondNodeIp, plan.nodeExternalIp]).map(ip),
  routes: [
    { to: cidr(ipv4.podCidr), oifname: 'veth-pod' },
    { to: cidr(ipv6.podCidr), oifname: 'veth-pod' },
    { to: cidr('0.0.0.0/0'), oifname: 'eth0' },
    { to: cidr('::/0'), oifname: 'eth0' },
  ],
}

export function cidr(text: string): Cidr {
  const parsed = parseCidr(text)
  if (parsed === undefined) throw new TypeError(`${text} is not a range`)
  return parsed
}

/** All outcomes of a packet. */
export function trace(
  tables: TableContents | readonly TableContents[],
  sent: Packet = packet(),
  options: TraceOptions = {},
): readonly Outcome[] {
  return tracePacket(indexTables([tables].flat()), sent, node, options)
}

/** The outcome of a packet that has only one. Throws when there are more. */
export function only(outcomes: readonly Outcome[]): Outcome {
  const [outcome] = outcomes
  if (outcome === undefined || outcomes.length > 1) throw new RangeError(`${outcomes.length} outcomes, not one`)
  return outcome
}

/** `chain 0`, `chain policy`: which rules a packet met, in order. */
export function path({ steps }: Outcome): string[] {
  return steps.map((step) => `${step.chain} ${step.kind === 'policy' ? 'policy' : step.index}`)
}

/** `pass 10.0.0.1:80 1/2`: an outcome in short. */
export function summary({ verdict, destination, probability }: Outcome): string {
  const host = destination.address.includes(':') ? `[${destination.address}]` : destination.address
  return `${verdict} ${host}:${destination.port} ${Number(probability.toFixed(4))}`
}
