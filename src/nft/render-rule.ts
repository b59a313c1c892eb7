/*
 * Rules as nft(8) text. Expressions move values through registers; here each register holds what was put into it,
 * in words, until a comparison, a lookup or a statement uses it:
 *
 *   payload load 4b @ network header + 16 => reg 1      reg 1: `ip daddr`
 *   lookup reg 1 set cluster-ips                        `ip daddr @cluster-ips`
 */
import {
  ICMP_PORT_UNREACH,
  ICMPV6_PORT_UNREACH,
  NF_ACCEPT,
  NF_DROP,
  NF_NAT_RANGE_PERSISTENT,
  NF_NAT_RANGE_PROTO_RANDOM,
  NF_NAT_RANGE_PROTO_RANDOM_FULLY,
  NFPROTO_IPV6,
  NFT_CMP_EQ,
  NFT_CMP_GT,
  NFT_CMP_GTE,
  NFT_CMP_LT,
  NFT_CMP_LTE,
  NFT_CMP_NEQ,
  NFT_CT_DIRECTION,
  NFT_CT_LABELS,
  NFT_CT_MARK,
  NFT_CT_PKTS,
  NFT_CT_STATE,
  NFT_CT_STATUS,
  NFT_CONTINUE,
  NFT_DYNSET_OP_ADD,
  NFT_DYNSET_OP_UPDATE,
  NFT_GOTO,
  NFT_JUMP,
  NFT_META_MARK,
  NFT_NAT_DNAT,
  NFT_NG_RANDOM,
  NFT_REJECT_TCP_RST,
  NFT_RETURN,
  NFTA_FIB_F_DADDR,
  NFTA_FIB_F_SADDR,
} from './constants.ts'
import { type DataType, dataTypes, hex32, hostInteger, paddedBytes } from './datatypes.ts'
import type { Expr, ExprOf, Verdict } from './expressions.ts'
import { inetText, maskPrefixLength, prefixText } from './inet.ts'
import { type NftSet, partTypes, type Rule } from './objects.ts'
import { durationText, quoted } from './render-text.ts'
import { knownSelectors, l4proto, numgenRandom, type Selector } from './selectors.ts'
import { ctStates, ctStatuses, NFT_REG_VERDICT, slotOf } from './statements.ts'

/** The rule in one line, without its chain. `setOf` finds the declaration of a set of the same table. */
export function ruleText(rule: Rule, setOf: (name: string) => NftSet | undefined): string {
  const writer = new RuleWriter(setOf)
  for (const expr of rule.expressions) writer.add(expr)
  const comment = rule.comment === undefined ? [] : [`comment ${quoted(rule.comment)}`]
  return [...writer.statements(), ...comment].join(' ')
}

/** `accept`, `goto pick-tcp-2`, ... */
export function verdictText({ code, chain }: Verdict): string {
  switch (code) {
    case NF_ACCEPT:
      return 'accept'
    case NF_DROP:
      return 'drop'
    case NFT_RETURN:
      return 'return'
    case NFT_CONTINUE:
      return 'continue'
    case NFT_JUMP:
      return `jump ${chain ?? ''}`
    case NFT_GOTO:
      return `goto ${chain ?? ''}`
    default:
      return `verdict ${code}`
  }
}

/** What a register holds. */
type Held =
  /** A packet field, or its first `bytes` bytes only. */
  | { readonly kind: 'field'; readonly text: string; readonly type: DataType; readonly bytes: number }
  | { readonly kind: 'masked'; readonly of: Held; readonly mask: Uint8Array; readonly xor: Uint8Array }
  | { readonly kind: 'constant'; readonly value: Uint8Array }
  /** What a map gave. */
  | { readonly kind: 'mapped'; readonly text: string; readonly isConcatenated: boolean }

class RuleWriter {
  readonly #setOf: (name: string) => NftSet | undefined
  readonly #held = new Map<number, Held>()
  readonly #statements: (string | undefined)[] = []
  /** `meta l4proto tcp` as written, until a selector of that protocol makes it redundant. */
  #protocol: { readonly number: number; readonly statement: number } | undefined

  constructor(setOf: (name: string) => NftSet | undefined) {
    this.#setOf = setOf
  }

  statements(): string[] {
    return this.#statements.filter((statement) => statement !== undefined)
  }

  add(expr: Expr): void {
    switch (expr.kind) {
      case 'payload':
        return this.#load(expr.dreg, this.#field(expr))
      case 'meta':
        return expr.sreg === undefined
          ? this.#load(expr.dreg, this.#field(expr))
          : this.#say(`${metaName(expr)} set ${this.#newValue(expr.sreg, metaName(expr))}`)
      case 'ct':
        return expr.sreg === undefined
          ? this.#load(expr.dreg, this.#field(expr))
          : this.#say(`${ctField(expr).text} set ${this.#newValue(expr.sreg, ctField(expr).text, ctField(expr).type)}`)
      case 'numgen':
        return this.#load(expr.dreg, wholeField(numgenText(expr), dataTypes.integer))
      case 'hash':
        return this.#load(expr.dreg, wholeField(this.#hashText(expr), dataTypes.integer))
      case 'fib':
        return this.#load(expr.dreg, wholeField(fibText(expr), dataTypes.fib_addrtype))
      case 'bitwise':
        return this.#load(expr.dreg, {
          kind: 'masked',
          of: this.#at(expr.sreg),
          mask: expr.mask.value ?? new Uint8Array(),
          xor: expr.xor.value ?? new Uint8Array(),
        })
      case 'immediate':
        return expr.dreg === NFT_REG_VERDICT
          ? this.#say(expr.data.verdict === undefined ? 'continue' : verdictText(expr.data.verdict))
          : this.#load(expr.dreg, { kind: 'constant', value: expr.data.value ?? new Uint8Array() })
      case 'cmp':
        return this.#compare(expr)
      case 'lookup':
        return this.#lookup(expr)
      case 'nat':
        return this.#say(this.#natText(expr))
      case 'masq':
        return this.#say(['masquerade', ...natFlags(expr.flags)].join(' '))
      case 'reject':
        return this.#say(rejectText(expr))
      case 'dynset':
        return this.#say(this.#dynsetText(expr))
      case 'flow_offload':
        return this.#say(`flow add @${expr.table}`)
      case 'counter':
        return this.#say(`counter packets ${expr.packets ?? 0} bytes ${expr.bytes ?? 0}`)
      case 'unknown':
        return this.#say(`<${expr.name}>`)
    }
  }

  #say(statement: string): void {
    this.#statements.push(statement)
  }

  #load(register: number | undefined, held: Held): void {
    if (register !== undefined) this.#held.set(slotOf(register), held)
  }

  #at(register: number): Held {
    return this.#atSlot(slotOf(register))
  }

  #atSlot(slot: number): Held {
    return this.#held.get(slot) ?? wholeField(`<register slot ${slot}>`, dataTypes.integer)
  }

  /** The field that a load expression names; a port of a protocol makes the match on that protocol implicit. */
  #field(expr: ExprOf<'payload'> | ExprOf<'meta'> | ExprOf<'ct'>): Held {
    if (expr.kind === 'ct' && expr.direction === undefined) return wholeField(ctField(expr).text, ctField(expr).type)
    const candidates = knownSelectors.filter((selector) => loads(selector, expr))
    const implied = candidates.find(({ protocol }) => protocol !== undefined && protocol === this.#protocol?.number)
    if (implied !== undefined && this.#protocol !== undefined) this.#statements[this.#protocol.statement] = undefined
    const selector = implied ?? candidates.find(({ protocol }) => protocol === undefined)
    if (selector === undefined) return wholeField(rawText(expr), dataTypes.integer)
    const bytes = expr.kind === 'payload' ? expr.len : selector.type.bytes
    return { kind: 'field', text: selector.text, type: selector.type, bytes }
  }

  #compare({ sreg, op, data }: ExprOf<'cmp'>): void {
    const held = this.#at(sreg)
    const value = data.value ?? new Uint8Array()
    if (held.kind === 'field' && held.text === l4proto.text && op === NFT_CMP_EQ) {
      this.#protocol = { number: value[0] ?? 0, statement: this.#statements.length }
    }
    this.#say(comparisonText(held, op, value))
  }

  #lookup({ set, sreg, dreg, flags }: ExprOf<'lookup'>): void {
    const declared = this.#setOf(set)
    const key = this.#keyText(sreg, declared)
    const map = declared?.value
    if (dreg === undefined) this.#say(`${key} ${((flags ?? 0) & 1) === 0 ? '' : '!= '}@${set}`)
    else if (dreg === NFT_REG_VERDICT) this.#say(`${key} vmap @${set}`)
    else {
      const isConcatenated = map !== undefined && map !== 'verdict' && map.parts.length > 1
      this.#load(dreg, { kind: 'mapped', text: `${key} map @${set}`, isConcatenated })
    }
  }

  #keyText(register: number, set: NftSet | undefined): string {
    return this.#concatenation(register, set === undefined ? [dataTypes.integer] : partTypes(set.key))
  }

  #concatenation(register: number, types: readonly DataType[]): string {
    let slot = slotOf(register)
    return types
      .map((type) => {
        const text = heldText(this.#atSlot(slot), type)
        slot += paddedBytes(type) / 4
        return text
      })
      .join(' . ')
  }

  #natText({ type, family, addrMin, protoMin, flags }: ExprOf<'nat'>): string {
    const verb = type === NFT_NAT_DNAT ? 'dnat' : 'snat'
    const address = addrMin === undefined ? undefined : this.#at(addrMin)
    if (address?.kind === 'mapped') {
      const familyWord = address.isConcatenated ? `${family === NFPROTO_IPV6 ? 'ip6' : 'ip'} ` : ''
      return [`${verb} ${familyWord}to ${address.text}`, ...natFlags(flags)].join(' ')
    }
    const host = address?.kind === 'constant' ? inetText(address.value) : ''
    const port = protoMin === undefined ? undefined : heldText(this.#at(protoMin), dataTypes.inet_service)
    const target = port === undefined ? host : `${host.includes(':') ? `[${host}]` : host}:${port}`
    return [`${verb} to ${target}`, ...natFlags(flags)].join(' ')
  }

  #dynsetText({ op, set, sregKey, sregData, timeout }: ExprOf<'dynset'>): string {
    const declared = this.#setOf(set)
    const value = declared?.value === undefined || declared.value === 'verdict' ? undefined : declared.value
    const verb = op === NFT_DYNSET_OP_UPDATE ? 'update' : op === NFT_DYNSET_OP_ADD ? 'add' : 'delete'
    const expiry = timeout === undefined ? '' : ` timeout ${durationText(timeout)}`
    const data =
      sregData === undefined
        ? ''
        : ` : ${this.#concatenation(sregData, value === undefined ? [dataTypes.integer] : partTypes(value))}`
    return `${verb} @${set} { ${this.#keyText(sregKey, declared)}${expiry}${data} }`
  }

  /** The hashed registers are as many as `len` bytes hold. */
  #hashText({ sreg, len, modulus, seed, offset }: ExprOf<'hash'>): string {
    const fields: string[] = []
    for (let slot = slotOf(sreg ?? 1), end = slot + (len ?? 0) / 4; slot < end;) {
      const held = this.#atSlot(slot)
      fields.push(heldText(held, dataTypes.integer))
      slot += held.kind === 'field' ? paddedBytes(held.type) / 4 : 1
    }
    const seedText = seed === undefined || seed === 0 ? '' : ` seed 0x${seed.toString(16)}`
    const offsetText = offset === undefined || offset === 0 ? '' : ` offset ${offset}`
    return `jhash ${fields.join(' . ')} mod ${modulus}${seedText}${offsetText}`
  }

  /** The right side of `set`: `meta mark | 0x00004000` when bits of the same field are changed. */
  #newValue(register: number, field: string, type: DataType = dataTypes.mark): string {
    const held = this.#at(register)
    if (held.kind !== 'masked' || heldText(held.of, type) !== field) return heldText(held, type)
    const mask = hostInteger(held.mask)
    const xor = hostInteger(held.xor)
    if (mask === ~xor >>> 0 && xor !== 0) return `${field} | ${hex32(xor)}`
    if (mask === 0xffffffff) return `${field} ^ ${hex32(xor)}`
    if (xor === 0) return `${field} & ${hex32(mask)}`
    return `${field} & ${hex32(mask)} ^ ${hex32(xor)}`
  }
}

function wholeField(text: string, type: DataType): Held {
  return { kind: 'field', text, type, bytes: type.bytes }
}

/** Whether `selector` loads what `expr` loads, or for a payload the beginning of it (how nft matches prefixes). */
function loads(selector: Selector, expr: ExprOf<'payload'> | ExprOf<'meta'> | ExprOf<'ct'>): boolean {
  const own = selector.load(0)
  if (own.kind === 'payload' && expr.kind === 'payload') {
    return own.base === expr.base && own.offset === expr.offset && own.len >= expr.len
  }
  if (own.kind === 'meta' && expr.kind === 'meta') return own.key === expr.key
  return own.kind === 'ct' && expr.kind === 'ct' && own.key === expr.key && own.direction === expr.direction
}

function heldText(held: Held, type: DataType): string {
  switch (held.kind) {
    case 'field':
    case 'mapped':
      return held.text
    case 'masked':
      return `${heldText(held.of, type)} & ${hex32(hostInteger(held.mask))}`
    case 'constant':
      return type.format(held.value)
  }
}

const operators = new Map([
  [NFT_CMP_EQ, ''],
  [NFT_CMP_NEQ, '!= '],
  [NFT_CMP_LT, '< '],
  [NFT_CMP_LTE, '<= '],
  [NFT_CMP_GT, '> '],
  [NFT_CMP_GTE, '>= '],
])

function comparisonText(held: Held, op: number, value: Uint8Array): string {
  const operator = operators.get(op) ?? '? '
  if (held.kind === 'field') return `${held.text} ${operator}${operandText(held, value)}`
  if (held.kind !== 'masked' || held.of.kind !== 'field') return `${heldText(held, dataTypes.integer)} ${operator}?`
  const { text, type } = held.of
  const bits = bitNames(text, type, held.mask)
  if (op === NFT_CMP_NEQ && bits !== undefined) return `${text} ${bits}`
  const prefixLength = maskPrefixLength(held.mask)
  if (isAddress(type) && prefixLength !== undefined) return `${text} ${operator}${prefixText(value, prefixLength)}`
  return `${text} & ${type.format(held.mask)} ${op === NFT_CMP_EQ ? '== ' : operator}${type.format(value)}`
}

function operandText({ type, bytes }: Extract<Held, { kind: 'field' }>, value: Uint8Array): string {
  if (isAddress(type) && bytes < type.bytes) {
    const address = new Uint8Array(type.bytes)
    address.set(value)
    return prefixText(address, bytes * 8)
  }
  if (type.name === 'ifname' && value.length < type.bytes) return `"${Buffer.from(value).toString('utf8')}*"`
  return type.format(value)
}

function isAddress(type: DataType): boolean {
  return type.name === 'ipv4_addr' || type.name === 'ipv6_addr'
}

/** The names of the bits that a match on conntrack state, status or label asks for. */
function bitNames(text: string, type: DataType, mask: Uint8Array): string | undefined {
  if (text === 'ct label') return type.format(mask)
  const names = text === 'ct state' ? ctStates : text === 'ct status' ? ctStatuses : undefined
  if (names === undefined) return undefined
  const bits = hostInteger(mask)
  return Object.entries(names)
    .filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => name)
    .join(',')
}

function metaName({ key }: ExprOf<'meta'>): string {
  return key === NFT_META_MARK ? 'meta mark' : `meta <${key}>`
}

const ctFields = new Map<number, { text: string; type: DataType }>([
  [NFT_CT_STATE, { text: 'ct state', type: dataTypes.integer }],
  [NFT_CT_STATUS, { text: 'ct status', type: dataTypes.integer }],
  [NFT_CT_MARK, { text: 'ct mark', type: dataTypes.mark }],
  [NFT_CT_LABELS, { text: 'ct label', type: dataTypes.ct_label }],
  [NFT_CT_DIRECTION, { text: 'ct direction', type: dataTypes.integer }],
  [NFT_CT_PKTS, { text: 'ct packets', type: dataTypes.integer }],
])

function ctField({ key }: ExprOf<'ct'>): { text: string; type: DataType } {
  return ctFields.get(key) ?? { text: `ct <${key}>`, type: dataTypes.integer }
}

function numgenText({ modulus, type, offset }: ExprOf<'numgen'>): string {
  const base = type === NFT_NG_RANDOM ? numgenRandom(modulus).text : `numgen inc mod ${modulus}`
  return offset === undefined || offset === 0 ? base : `${base} offset ${offset}`
}

function fibText({ flags }: ExprOf<'fib'>): string {
  const which = [
    ...((flags & NFTA_FIB_F_SADDR) === 0 ? [] : ['saddr']),
    ...((flags & NFTA_FIB_F_DADDR) === 0 ? [] : ['daddr']),
  ]
  return `fib ${which.join(' . ')} type`
}

function natFlags(flags = 0): string[] {
  const names = [
    ...((flags & NF_NAT_RANGE_PROTO_RANDOM) === 0 ? [] : ['random']),
    ...((flags & NF_NAT_RANGE_PROTO_RANDOM_FULLY) === 0 ? [] : ['fully-random']),
    ...((flags & NF_NAT_RANGE_PERSISTENT) === 0 ? [] : ['persistent']),
  ]
  return names.length === 0 ? [] : [names.join(',')]
}

/** Port unreachable is what `reject` alone means. */
function rejectText({ type, icmpCode }: ExprOf<'reject'>): string {
  if (type === NFT_REJECT_TCP_RST) return 'reject with tcp reset'
  if (icmpCode === ICMP_PORT_UNREACH || icmpCode === ICMPV6_PORT_UNREACH) return 'reject'
  return `reject with icmp ${icmpCode ?? 0}`
}

/** `@nh,96,32`: a field without a name here, as base, bit offset and bit length. */
function rawText(expr: ExprOf<'payload'> | ExprOf<'meta'> | ExprOf<'ct'>): string {
  if (expr.kind !== 'payload') return `${expr.kind} <${expr.key}>`
  const base = ['ll', 'nh', 'th', 'ih'][expr.base] ?? expr.base
  return `@${base},${expr.offset * 8},${expr.len * 8}`
}
