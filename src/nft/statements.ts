/** Statements of nft(8) as the expressions that nft itself compiles them to; a rule is several of them in a row. */
import {
  ICMP_PORT_UNREACH,
  ICMPV6_PORT_UNREACH,
  NF_NAT_RANGE_PROTO_RANDOM_FULLY,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFT_BYTEORDER_HTON,
  NFT_CMP_EQ,
  NFT_CMP_GT,
  NFT_CMP_NEQ,
  NFT_CT_LABELS,
  NFT_CT_PKTS,
  NFT_CT_STATE,
  NFT_CT_STATUS,
  NFT_DYNSET_OP_UPDATE,
  NFT_FIB_RESULT_ADDRTYPE,
  NFT_LOOKUP_F_INV,
  NFT_META_MARK,
  NFT_NAT_DNAT,
  NFT_REJECT_ICMP_UNREACH,
  NFTA_FIB_F_DADDR,
  NFTA_FIB_F_SADDR,
} from './constants.ts'
import { dataTypes, hostBytes, IPPROTO, paddedBytes, RTN_LOCAL } from './datatypes.ts'
import type { Expr, Verdict } from './expressions.ts'
import { familyBytes, type InetFamily, prefixMask } from './inet.ts'
import { iifname, l4proto, nfproto, type Selector, selectorByteOrder } from './selectors.ts'

/** Register 0: what is loaded there is the rule's verdict. */
export const NFT_REG_VERDICT = 0

/** NFT_REG_1 to 4 are sixteen bytes each, NFT_REG32_00 to 15 are the same memory in slots of four. */
const NFT_REG_1 = 1
const NFT_REG32_00 = 8

/** The number of the register that begins at a four-byte slot, spelt as the kernel dumps it. */
export function registerAt(slot: number): number {
  return slot % 4 === 0 ? NFT_REG_1 + slot / 4 : NFT_REG32_00 + slot
}

/** The four-byte slot that a register begins at. */
export function slotOf(register: number): number {
  return register < NFT_REG32_00 ? (register - NFT_REG_1) * 4 : register - NFT_REG32_00
}

/** `ip daddr @cluster-ips`, and with several selectors `ip saddr . ip daddr @pairs`. */
export function inSet(selectors: readonly Selector[], set: string): readonly Expr[] {
  return [...loadAll(selectors), { kind: 'lookup', set, sreg: NFT_REG_1 }]
}

/** `ip daddr . meta l4proto . th dport vmap @service-ips` */
export function verdictMap(selectors: readonly Selector[], map: string): readonly Expr[] {
  return [...loadAll(selectors), { kind: 'lookup', set: map, sreg: NFT_REG_1, dreg: NFT_REG_VERDICT }]
}

/** `dnat ip to ip daddr . tcp dport . numgen random mod 2 map @endpoints-tcp`: the map's value is address . port. */
export function dnatToMap(family: InetFamily, key: readonly Selector[], map: string): readonly Expr[] {
  return [
    ...loadAll(key),
    { kind: 'lookup', set: map, sreg: NFT_REG_1, dreg: NFT_REG_1 },
    {
      kind: 'nat',
      type: NFT_NAT_DNAT,
      family: family === 'ip' ? NFPROTO_IPV4 : NFPROTO_IPV6,
      addrMin: NFT_REG_1,
      protoMin: registerAt(familyBytes(family) / 4),
    },
  ]
}

/** `ip saddr 10.0.0.0/8`, or `ip saddr != 10.0.0.0/8`. */
export function inPrefix(
  selector: Selector,
  operator: 'in' | 'not in',
  address: Uint8Array,
  prefixLength: number,
): readonly Expr[] {
  const op = operator === 'in' ? NFT_CMP_EQ : NFT_CMP_NEQ
  const load = selector.load(NFT_REG_1)
  const mask = prefixMask(prefixLength, address.length)
  const network = address.map((byte, index) => byte & (mask[index] ?? 0))
  const wholeBytes = prefixLength / 8
  if (prefixLength > 0 && Number.isInteger(wholeBytes)) {
    // nft compares the leading bytes alone where the prefix ends with one of them
    return [load.kind === 'payload' ? { ...load, len: wholeBytes } : load, compare(op, network.slice(0, wholeBytes))]
  }
  return [load, ...masked(mask), compare(op, network)]
}

/** `ip daddr . meta l4proto . th dport . ip saddr != @firewall-allowed`, a set of ranges. */
export function notInRanges(selectors: readonly Selector[], set: string): readonly Expr[] {
  return [...loadAll(selectors, true), { kind: 'lookup', set, sreg: NFT_REG_1, flags: NFT_LOOKUP_F_INV }]
}

/** `fib saddr type local`: the address is one of this machine's. */
export function isLocalAddress(which: 'saddr' | 'daddr'): readonly Expr[] {
  const flags = which === 'saddr' ? NFTA_FIB_F_SADDR : NFTA_FIB_F_DADDR
  return [
    { kind: 'fib', dreg: NFT_REG_1, result: NFT_FIB_RESULT_ADDRTYPE, flags },
    compare(NFT_CMP_EQ, hostBytes(RTN_LOCAL)),
  ]
}

/** `iifname "br0"`, or `iifname != "veth*"`. */
export function throughInterface(operator: 'in' | 'not in', name: string, match: 'whole' | 'prefix'): readonly Expr[] {
  const bytes = Buffer.from(name)
  const value = new Uint8Array(match === 'whole' ? iifname.type.bytes : bytes.length)
  value.set(bytes.subarray(0, value.length))
  return [iifname.load(NFT_REG_1), compare(operator === 'in' ? NFT_CMP_EQ : NFT_CMP_NEQ, value)]
}

/** `update @affinity-tcp { ip saddr . tcp dport timeout 3h : ip daddr . tcp dport }`: added, or its time begins anew. */
export function updateMap(
  map: string,
  key: readonly Selector[],
  value: readonly Selector[],
  timeoutMs: number,
): readonly Expr[] {
  const [keySlots, valueSlots] = [slotCount(key), slotCount(value)]
  // nft gives the value a sixteen-byte register of its own; where that is one too many the value follows the key
  const aligned = (keySlots + 3) & ~3
  const valueSlot = aligned + valueSlots <= slotsInAll ? aligned : keySlots
  return [
    ...loadAll(key),
    ...loadAll(value, false, valueSlot),
    {
      kind: 'dynset',
      set: map,
      op: NFT_DYNSET_OP_UPDATE,
      sregKey: NFT_REG_1,
      sregData: registerAt(valueSlot),
      timeout: timeoutMs,
    },
  ]
}

/** `meta nfproto ipv4`, which rules of inet tables need before an address; nft does not print it there. */
export function familyIs(family: InetFamily): readonly Expr[] {
  return [nfproto.load(NFT_REG_1), compare(NFT_CMP_EQ, Uint8Array.of(family === 'ip' ? NFPROTO_IPV4 : NFPROTO_IPV6))]
}

/** `meta l4proto tcp`; nft does not print it where a port of that protocol follows. */
export function protocolIs(protocol: keyof typeof IPPROTO): readonly Expr[] {
  return [l4proto.load(NFT_REG_1), compare(NFT_CMP_EQ, Uint8Array.of(IPPROTO[protocol]))]
}

/** Bits of `ct state` and `ct status`: NF_CT_STATE_BIT of include/net/netfilter, IPS_* of nf_conntrack_common.h. */
export const ctStates = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const
export const ctStatuses = {
  expected: 1,
  'seen-reply': 2,
  assured: 4,
  confirmed: 8,
  snat: 16,
  dnat: 32,
  dying: 512,
} as const

/** `ct state new` */
export function ctState(state: keyof typeof ctStates): readonly Expr[] {
  return hasBits({ kind: 'ct', dreg: NFT_REG_1, key: NFT_CT_STATE }, hostBytes(ctStates[state]))
}

/** `ct status dnat` */
export function ctStatus(status: keyof typeof ctStatuses): readonly Expr[] {
  return hasBits({ kind: 'ct', dreg: NFT_REG_1, key: NFT_CT_STATUS }, hostBytes(ctStatuses[status]))
}

/** `ct label 90`: the connection has that bit, 0 to 127. */
export function ctLabel(bit: number): readonly Expr[] {
  return hasBits({ kind: 'ct', dreg: NFT_REG_1, key: NFT_CT_LABELS }, labelBytes(bit))
}

/** `ct label set 90`; the connection's other bits stay. */
export function setCtLabel(bit: number): readonly Expr[] {
  return [
    { kind: 'immediate', dreg: NFT_REG_1, data: { value: labelBytes(bit) } },
    { kind: 'ct', key: NFT_CT_LABELS, sreg: NFT_REG_1 },
  ]
}

/**
 * `ct packets > 20`: more packets than that in both directions together, the one in hand included. A rule with it turns
 * on the counting of connections' packets in the whole network namespace, for good; those begun before are not counted.
 */
export function ctPacketsOver(count: number): readonly Expr[] {
  const value = new Uint8Array(8)
  new DataView(value.buffer).setBigUint64(0, BigInt(count))
  return [
    { kind: 'ct', dreg: NFT_REG_1, key: NFT_CT_PKTS },
    toNetworkOrder(NFT_REG_1, value.length),
    compare(NFT_CMP_GT, value),
  ]
}

/** `flow add @kube-proxy-flowtable`: matches when the packet in hand offloads its connection. */
export function flowAdd(flowtable: string): Expr {
  return { kind: 'flow_offload', table: flowtable }
}

/** `counter packets 0 bytes 0` */
export const counter: Expr = { kind: 'counter', bytes: 0, packets: 0 }

/** `meta mark & 0x00004000 != 0x00000000` */
export function hasMark(mark: number): readonly Expr[] {
  return hasBits({ kind: 'meta', dreg: NFT_REG_1, key: NFT_META_MARK }, hostBytes(mark))
}

/** `meta mark set meta mark | 0x00004000` */
export function setMark(mark: number): readonly Expr[] {
  return changeMark(~mark >>> 0, mark)
}

/** `meta mark set meta mark ^ 0x00004000` */
export function flipMark(mark: number): readonly Expr[] {
  return changeMark(0xffffffff, mark)
}

/** `masquerade fully-random` */
export const masqueradeFullyRandom: Expr = { kind: 'masq', flags: NF_NAT_RANGE_PROTO_RANDOM_FULLY }

/** `reject`: port unreachable, of ICMP or ICMPv6. */
export function reject(family: InetFamily): Expr {
  return {
    kind: 'reject',
    type: NFT_REJECT_ICMP_UNREACH,
    icmpCode: family === 'ip' ? ICMP_PORT_UNREACH : ICMPV6_PORT_UNREACH,
  }
}

/** `drop`, `accept`, `jump services`, ... */
export function verdict(verdict: Verdict): Expr {
  return { kind: 'immediate', dreg: NFT_REG_VERDICT, data: { verdict } }
}

/** All registers together. */
const slotsInAll = 16

/** Loads the selectors into adjacent registers from `firstSlot` on, as a concatenated key. */
function loadAll(selectors: readonly Selector[], isRangeKey = false, firstSlot = 0): readonly Expr[] {
  let slot = firstSlot
  return selectors.flatMap((selector): Expr[] => {
    const register = registerAt(slot)
    slot += paddedBytes(selector.type) / 4
    const load = selector.load(register)
    const isConverted = isRangeKey && selectorByteOrder(selector) === 'host'
    return isConverted ? [load, toNetworkOrder(register, selector.type.bytes)] : [load]
  })
}

/** Ranges are compared in network order; for a single byte nft emits the conversion too, which then does nothing. */
function toNetworkOrder(register: number, bytes: number): Expr {
  return {
    kind: 'byteorder',
    sreg: register,
    dreg: register,
    op: NFT_BYTEORDER_HTON,
    len: bytes,
    size: Math.max(2, bytes),
  }
}

function slotCount(selectors: readonly Selector[]): number {
  return selectors.reduce((sum, { type }) => sum + paddedBytes(type) / 4, 0)
}

function compare(op: number, value: Uint8Array): Expr {
  return { kind: 'cmp', sreg: NFT_REG_1, op, data: { value } }
}

function masked(mask: Uint8Array, xor: Uint8Array = new Uint8Array(mask.length)): readonly Expr[] {
  return [
    {
      kind: 'bitwise',
      sreg: NFT_REG_1,
      dreg: NFT_REG_1,
      len: mask.length,
      mask: { value: mask },
      xor: { value: xor },
    },
  ]
}

function hasBits(load: Expr, bits: Uint8Array): readonly Expr[] {
  return [load, ...masked(bits), compare(NFT_CMP_NEQ, new Uint8Array(bits.length))]
}

/** Bit 0 is the lowest one of the first byte. */
function labelBytes(bit: number): Uint8Array {
  return new Uint8Array(dataTypes.ct_label.bytes).fill(1 << (bit & 7), bit >> 3, (bit >> 3) + 1)
}

function changeMark(mask: number, xor: number): readonly Expr[] {
  return [
    { kind: 'meta', dreg: NFT_REG_1, key: NFT_META_MARK },
    ...masked(hostBytes(mask), hostBytes(xor)),
    { kind: 'meta', key: NFT_META_MARK, sreg: NFT_REG_1 },
  ]
}
