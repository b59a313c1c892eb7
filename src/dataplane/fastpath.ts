/*
 * The fast path: connections through Services leave the rules for a flow table when they have proved to be long. It is a
 * table of its own, for both families, so that whatever goes wrong in it leaves the Services alone:
 *
 *   table inet kube-proxy-fastpath {
 *     set interfaces { type ifname; elements = { "eth0", "veth1" } }
 *     set no-offload-ipv4 { type ipv4_addr; elements = { 10.244.1.5 } }
 *     set no-offload-ipv6 { type ipv6_addr; }
 *     flowtable kube-proxy-flowtable { hook ingress priority filter + 10; devices = { "eth0", "veth1" }; counter; }
 *     chain filter-forward {
 *       type filter hook forward priority 2147483646; policy accept;
 *       ct label 90 ct state established iifname @interfaces oifname @interfaces jump fastpath
 *     }
 *     chain fastpath {
 *       ip saddr @no-offload-ipv4 return
 *       ip daddr @no-offload-ipv4 return
 *       ip6 saddr @no-offload-ipv6 return
 *       ip6 daddr @no-offload-ipv6 return
 *       counter packets 0 bytes 0 comment "eligible packets on the slow path"
 *       ct packets > 20 flow add @kube-proxy-flowtable counter packets 0 bytes 0 comment "connections offloaded"
 *     }
 *   }
 *
 * The chains that pick endpoints set the label (picks.ts). Where the kernel has no labels, connections are known by the
 * address that was dialled:
 *
 *     set service-ipv4 { type ipv4_addr; elements = { 10.96.0.10 } }
 *     set service-ipv6 { type ipv6_addr; }
 *       ct status dnat ct original ip daddr @service-ipv4 ct state established iifname ... jump fastpath
 *       ct status dnat ct original ip6 daddr @service-ipv6 ct state established iifname ... jump fastpath
 *
 * - It comes after all other chains of the hook: a packet that one of them drops must not offload its connection, since
 *   the packets behind it would pass that chain by.
 * - Both interfaces must be known to be devices of the flow table: of other connections some kernels drop the packets.
 * - In the forward hook a packet has the addresses of client and endpoint, whichever way it goes.
 */
import { type Family, familyOf, type IpAddress, ipBytes } from '../model/ip.ts'
import { addressType, dataTypes } from '../nft/datatypes.ts'
import { type Expr, jump, returnToCaller } from '../nft/expressions.ts'
import {
  type BaseChain,
  byType,
  type Flowtable,
  type NftSet,
  type Rule,
  type SetElement,
  type TableContents,
} from '../nft/objects.ts'
import { ctOriginalDaddr, daddr, iifname, oifname, saddr } from '../nft/selectors.ts'
import {
  counter,
  ctLabel,
  ctPacketsOver,
  ctState,
  ctStatus,
  familyIs,
  flowAdd,
  inSet,
  verdict,
} from '../nft/statements.ts'
import { fastpathLabelBit, fastpathNames, fastpathTableRef, inetFamily } from './names.ts'

export type FastpathOptions = {
  /** A connection with more packets than this, of both directions together, is offloaded; at least 1. */
  readonly threshold: number
  /** How connections through Services are told from others. */
  readonly selection: 'label' | 'addresses'
  /** With 'addresses' those that `fastpathAddresses` gives, of both families. */
  readonly serviceAddresses?: readonly IpAddress[]
  /** What packets are forwarded from and to. Each must work with the devices. */
  readonly interfaces: readonly string[]
  /** The members of the flow table: the interfaces, and what is below them. */
  readonly devices: readonly string[]
  /** Clients and endpoints whose connections stay in the rules. */
  readonly noOffload: readonly IpAddress[]
  /** Connection tracking goes on counting the packets of offloaded connections; not every kernel can. */
  readonly hasCounters: boolean
}

const families = ['IPv4', 'IPv6'] as const satisfies readonly Family[]

/** The largest priority but that of the kernel's own last function. */
const lastPriority = 2_147_483_646
const base: BaseChain = { type: 'filter', hook: 'forward', priority: lastPriority, policy: 'accept' }

/** Flow tables and ingress chains of others mostly run at 0: before ours. */
const flowtablePriority = 10

/** The whole table. */
export function fastpathTable(options: FastpathOptions): TableContents {
  const { selection, interfaces, noOffload, serviceAddresses = [] } = options
  const filled: readonly FilledSet[] = [
    interfaceSet(interfaces),
    ...addressSets(fastpathNames.noOffload, noOffload),
    ...(selection === 'label' ? [] : addressSets(fastpathNames.services, serviceAddresses)),
  ]
  return {
    table: fastpathTableRef,
    flowtables: [fastpathFlowtable(options)],
    sets: filled.map(([set]) => set),
    chains: [{ name: fastpathNames.forwardChain, base }, { name: fastpathNames.offloadChain }],
    rules: [...selectionRules(selection), ...offloadRules(options)],
    elements: new Map(filled.map(([set, elements]) => [set.name, elements])),
  }
}

/** The flow table with these members. */
export function fastpathFlowtable({
  devices,
  hasCounters,
}: Pick<FastpathOptions, 'devices' | 'hasCounters'>): Flowtable {
  return {
    name: fastpathNames.flowtable,
    priority: flowtablePriority,
    devices,
    ...(hasCounters ? { hasCounters } : {}),
  }
}

/** What the rules have counted since they were made. */
export type FastpathCounters = {
  /** Packets that met the rules although their connection may be offloaded. */
  readonly eligible: number
  /** Connections that were offloaded; one that came back from the flow table may be offloaded again. */
  readonly offloaded: number
}

/** Reads the counters in the rules of the table as the kernel dumps them; undefined where the rules are not ours. */
export function fastpathCounters(rules: readonly Rule[]): FastpathCounters | undefined {
  const counting = rules
    .filter(({ chain }) => chain === fastpathNames.offloadChain)
    .map(({ expressions }) => expressions)
  const eligible = counting.find(([first]) => first?.kind === 'counter')
  const offloaded = counting.find((expressions) => expressions.some(({ kind }) => kind === 'flow_offload'))
  if (eligible === undefined || offloaded === undefined) return undefined
  return { eligible: countedPackets(eligible), offloaded: countedPackets(offloaded) }
}

function countedPackets(expressions: readonly Expr[]): number {
  return expressions.find((expr) => expr.kind === 'counter')?.packets ?? 0
}

type FilledSet = readonly [set: NftSet, elements: readonly SetElement[]]

function interfaceSet(names: readonly string[]): FilledSet {
  const { ifname } = dataTypes
  const elements = names.map((name) => {
    const key = new Uint8Array(ifname.bytes)
    // The last byte is the final zero.
    key.set(Buffer.from(name).subarray(0, ifname.bytes - 1))
    return { key }
  })
  return [{ name: fastpathNames.interfaces, key: byType(ifname) }, elements]
}

/** A set for each family, with its addresses. */
function addressSets(names: Readonly<Record<Family, string>>, addresses: readonly IpAddress[]): FilledSet[] {
  return families.map((family) => {
    const own = addresses.filter((address) => familyOf(address) === family)
    const set = { name: names[family], key: byType(addressType(inetFamily(family))) }
    return [set, own.map((address) => ({ key: ipBytes(address) }))]
  })
}

/** Established connections through Services, between interfaces that take part, get to the chain that offloads. */
function selectionRules(selection: FastpathOptions['selection']): Rule[] {
  const betweenDevices = [
    ...ctState('established'),
    ...inSet([iifname], fastpathNames.interfaces),
    ...inSet([oifname], fastpathNames.interfaces),
    verdict(jump(fastpathNames.offloadChain)),
  ]
  const selected =
    selection === 'label'
      ? [ctLabel(fastpathLabelBit)]
      : families.map((family) => [
          ...ctStatus('dnat'),
          ...inSet([ctOriginalDaddr(inetFamily(family))], fastpathNames.services[family]),
        ])
  return selected.map((match) => ({ chain: fastpathNames.forwardChain, expressions: [...match, ...betweenDevices] }))
}

function offloadRules({ threshold }: FastpathOptions): Rule[] {
  const exempt = families.flatMap((family) => {
    const inet = inetFamily(family)
    return [saddr(inet), daddr(inet)].map((end) => [
      ...familyIs(inet),
      ...inSet([end], fastpathNames.noOffload[family]),
      verdict(returnToCaller),
    ])
  })
  const offload = [...ctPacketsOver(threshold), flowAdd(fastpathNames.flowtable), counter]
  const rule = (expressions: readonly Expr[]): Rule => ({ chain: fastpathNames.offloadChain, expressions })
  return [
    ...exempt.map(rule),
    { ...rule([counter]), comment: 'eligible packets on the slow path' },
    { ...rule(offload), comment: 'connections offloaded' },
  ]
}
