/*
 * Rules as nft(8) text. Expressions move values through registers; here each register holds what was put into it,
 * in words, until a comparison, a lookup or a statement uses it:
 *
 *   payload load 4b @ network header + 16 => reg 1      reg 1: `ip daddr`
 *   lookup reg 1 set cluster-ips                        `ip daddr @cluster-ips`
 */
import {
  NF_ACCEPT,
  NF_DROP,
  NFPROTO_IPV6,
  NFT_CMP_EQ,
  NFT_CONTINUE,
  NFT_DYNSET_OP_ADD,
  NFT_DYNSET_OP_UPDATE,
  NFT_GOTO,
  NFT_HASH_SYM,
  NFT_JUMP,
  NFT_NAT_DNAT,
  NFT_REJECT_TCP_RST,
  NFT_RETURN,
} from './constants.ts'
import { addressType, type DataType, dataTypes, hex32, hostInteger, IPPROTO, paddedBytes } from './datatypes.ts'
import type { Expr, ExprOf, Verdict } from './expressions.ts'
import { type NftSet, partTypes, type Rule } from './objects.ts'
import { comparisonText, fieldOf, type Held, heldText, isAddress, reversed } from './register-words.ts'
import { commentTexts, durationText } from './render-text.ts'
import { ctField, type Field, fibText, metaField, natFlags, numgenText, rawField, rejectText } from './render-words.ts'
import { ctOriginalProtoDst, knownSelectors, l4proto, nfproto, type Selector } from './selectors.ts'
import { NFT_REG_VERDICT, slotOf } from './statements.ts'

/** The rule in one line, without its chain. `setOf` finds the declaration of a set of the same table. */
export function ruleText(rule: Rule, setOf: (name: string) => NftSet | undefined): string {
  const writer = new RuleWriter(setOf)
  for (const expr of rule.expressions) writer.add(expr)
  return [...writer.statements(), ...commentTexts(rule.comment)].join(' ')
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

/** Fields that were loaded one right behind the other: what a lookup takes when nobody knows the declaration of its set. */
type Run = { readonly types: DataType[]; end: number }

class RuleWriter {
  readonly #setOf: (name: string) => NftSet | undefined
  readonly #held = new Map<number, Held>()
  readonly #statements: (string | undefined)[] = []
  /** By the slot that they begin at. */
  readonly #runs = new Map<number, Run>()
  #lastRun: Run | undefined
  /** The protocol that was matched, and where it was written as long as a selector of it can make that redundant. */
  #protocol: { readonly number: number; readonly statement?: number } | undefined
  /** The same of the family, as long as a field of its header can make that redundant. */
  #family: { readonly number: number; readonly statement: number } | undefined

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
          : this.#say(this.#setText(expr.sreg, metaField(expr)))
      case 'ct':
        return expr.sreg === undefined
          ? this.#load(expr.dreg, this.#field(expr))
          : this.#say(this.#setText(expr.sreg, ctField(expr)))
      case 'numgen':
        return this.#load(expr.dreg, fieldOf({ text: numgenText(expr), type: dataTypes.integer }))
      case 'hash':
        return this.#load(expr.dreg, fieldOf({ text: this.#hashText(expr), type: dataTypes.integer }))
      case 'fib':
        return this.#load(expr.dreg, fieldOf({ text: fibText(expr), type: dataTypes.fib_addrtype }))
      case 'bitwise':
        return this.#change(expr, {
          kind: 'masked',
          of: this.#at(expr.sreg),
          mask: expr.mask.value ?? new Uint8Array(),
          xor: expr.xor.value ?? new Uint8Array(),
        })
      case 'byteorder':
        return this.#change(expr, reversed(this.#at(expr.sreg)))
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
        return this.#say(this.#masqueradeText(expr))
      case 'reject':
        if (expr.type === NFT_REJECT_TCP_RST) this.#impliesProtocol(IPPROTO.tcp)
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

  /** A statement; from here on matches on protocol and family stay, since they decide whether the statement is reached. */
  #say(statement: string): void {
    this.#match(statement)
    this.#keepProtocol()
    this.#family = undefined
  }

  #match(text: string): void {
    this.#statements.push(text)
  }

  #load(register: number | undefined, held: Held): void {
    if (register === undefined) return
    const slot = slotOf(register)
    this.#held.set(slot, held)
    if (this.#lastRun?.end !== slot) {
      this.#lastRun = { types: [], end: slot }
      this.#runs.set(slot, this.#lastRun)
    }
    const type = held.kind === 'field' ? held.type : dataTypes.integer
    this.#lastRun.types.push(type)
    this.#lastRun.end += paddedBytes(type) / 4
  }

  /** What becomes of a register's value, mostly in the same register. */
  #change({ sreg, dreg }: { readonly sreg: number; readonly dreg: number }, held: Held): void {
    if (sreg === dreg) this.#held.set(slotOf(dreg), held)
    else this.#load(dreg, held)
  }

  #keepProtocol(): void {
    if (this.#protocol !== undefined) this.#protocol = { number: this.#protocol.number }
  }

  #impliesProtocol(number: number): void {
    if (this.#protocol?.number !== number || this.#protocol.statement === undefined) return
    this.#statements[this.#protocol.statement] = undefined
    this.#keepProtocol()
  }

  #impliesFamily(number: number): void {
    if (this.#family?.number !== number) return
    this.#statements[this.#family.statement] = undefined
    this.#family = undefined
  }

  #at(register: number): Held {
    return this.#atSlot(slotOf(register))
  }

  #atSlot(slot: number): Held {
    return this.#held.get(slot) ?? fieldOf({ text: `<register slot ${slot}>`, type: dataTypes.integer })
  }

  /** The field that a load expression names; a port of a protocol makes the match on that protocol implicit. */
  #field(expr: ExprOf<'payload'> | ExprOf<'meta'> | ExprOf<'ct'>): Held {
    const candidates = knownSelectors.filter((selector) => loads(selector, expr))
    const implied = candidates.find(({ protocol }) => protocol !== undefined && protocol === this.#protocol?.number)
    if (implied?.protocol !== undefined) this.#impliesProtocol(implied.protocol)
    const selector = implied ?? candidates.find(({ protocol }) => protocol === undefined)
    if (selector?.family !== undefined) this.#impliesFamily(selector.family)
    if (selector === undefined) return fieldOf(expr.kind === 'ct' ? ctField(expr) : rawField(expr))
    // nft lists even this without the protocol, but cannot load it: the port's type depends on the protocol.
    if (selector === ctOriginalProtoDst) this.#keepProtocol()
    return fieldOf(selector)
  }

  #compare({ sreg, op, data }: ExprOf<'cmp'>): void {
    const held = this.#at(sreg)
    const value = data.value ?? new Uint8Array()
    if (held.kind === 'field' && op === NFT_CMP_EQ) {
      const matched = { number: value[0] ?? 0, statement: this.#statements.length }
      if (held.text === l4proto.text) this.#protocol = matched
      if (held.text === nfproto.text) this.#family = matched
    }
    this.#match(comparisonText(held, op, value))
  }

  #lookup({ set, sreg, dreg, flags }: ExprOf<'lookup'>): void {
    const declared = this.#setOf(set)
    const key = this.#keyText(sreg, declared)
    if (dreg === undefined) this.#match(`${key} ${((flags ?? 0) & 1) === 0 ? '' : '!= '}@${set}`)
    else if (dreg === NFT_REG_VERDICT) this.#say(`${key} vmap @${set}`)
    else this.#load(dreg, { kind: 'mapped', text: `${key} map @${set}` })
  }

  #keyText(register: number, set: NftSet | undefined): string {
    return this.#concatenation(register, set === undefined ? this.#run(register) : partTypes(set.key))
  }

  #run(register: number): readonly DataType[] {
    return this.#runs.get(slotOf(register))?.types ?? [dataTypes.integer]
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

  /** A map that gives address and port at once has the family before `to`. */
  #natText({ type, family, addrMin, addrMax, protoMin, protoMax, flags }: ExprOf<'nat'>): string {
    const verb = type === NFT_NAT_DNAT ? 'dnat' : 'snat'
    const address = addrMin === undefined ? undefined : this.#at(addrMin)
    if (address?.kind === 'mapped') {
      const familyWord = protoMin === undefined ? '' : `${family === NFPROTO_IPV6 ? 'ip6' : 'ip'} `
      return [`${verb} ${familyWord}to ${address.text}`, ...natFlags(flags)].join(' ')
    }
    const addresses = this.#rangeText(addrMin, addrMax, addressType(family === NFPROTO_IPV6 ? 'ip6' : 'ip'))
    const ports = this.#rangeText(protoMin, protoMax, dataTypes.inet_service)
    const host = ports !== '' && addresses.includes(':') ? `[${addresses}]` : addresses
    return [`${verb} to ${host}${ports === '' ? '' : `:${ports}`}`, ...natFlags(flags)].join(' ')
  }

  #masqueradeText({ protoMin, protoMax, flags }: ExprOf<'masq'>): string {
    const ports = this.#rangeText(protoMin, protoMax, dataTypes.inet_service)
    return ['masquerade', ...(ports === '' ? [] : [`to :${ports}`]), ...natFlags(flags)].join(' ')
  }

  #rangeText(min: number | undefined, max: number | undefined, type: DataType): string {
    if (min === undefined) return ''
    const from = heldText(this.#at(min), type)
    return max === undefined || max === min ? from : `${from}-${heldText(this.#at(max), type)}`
  }

  #dynsetText({ op, set, sregKey, sregData, timeout }: ExprOf<'dynset'>): string {
    const declared = this.#setOf(set)
    const value = declared?.value === undefined || declared.value === 'verdict' ? undefined : declared.value
    const verb = op === NFT_DYNSET_OP_UPDATE ? 'update' : op === NFT_DYNSET_OP_ADD ? 'add' : 'delete'
    const expiry = timeout === undefined || timeout === 0 ? '' : ` timeout ${durationText(timeout)}`
    const data =
      sregData === undefined
        ? ''
        : ` : ${this.#concatenation(sregData, value === undefined ? this.#run(sregData) : partTypes(value))}`
    return `${verb} @${set} { ${this.#keyText(sregKey, declared)}${expiry}${data} }`
  }

  /** The hashed registers are as many as `len` bytes hold. */
  #hashText({ sreg, len, modulus, seed, offset, type }: ExprOf<'hash'>): string {
    const fields: string[] = []
    for (let slot = slotOf(sreg ?? 1), end = slot + (len ?? 0) / 4; slot < end;) {
      const held = this.#atSlot(slot)
      fields.push(heldText(held, dataTypes.integer))
      slot += held.kind === 'field' ? paddedBytes(held.type) / 4 : 1
    }
    const seedText = seed === undefined || seed === 0 ? '' : ` seed 0x${seed.toString(16)}`
    const offsetText = offset === undefined || offset === 0 ? '' : ` offset ${offset}`
    const hash = type === NFT_HASH_SYM ? 'symhash' : `jhash ${fields.join(' . ')}`
    return `${hash} mod ${modulus}${seedText}${offsetText}`
  }

  /** `meta mark set meta mark | 0x00004000`: of the bits to flip, those that the mask clears are set afterwards. */
  #setText(register: number, { text, type }: Field): string {
    const held = this.#at(register)
    if (held.kind !== 'masked') return `${text} set ${heldText(held, type)}`
    const mask = hostInteger(held.mask)
    const xor = hostInteger(held.xor)
    const [set, flip] = [(xor & ~mask) >>> 0, (xor & mask) >>> 0]
    const kept = (mask | set) >>> 0
    return [
      `${text} set ${heldText(held.of, type)}`,
      ...(kept === 0xffffffff ? [] : [`& ${hex32(kept)}`]),
      ...(flip === 0 ? [] : [`^ ${hex32(flip)}`]),
      ...(set === 0 ? [] : [`| ${hex32(set)}`]),
    ].join(' ')
  }
}

/** Whether `selector` loads what `expr` loads, or an address of which that is the beginning (how nft matches prefixes). */
function loads(selector: Selector, expr: ExprOf<'payload'> | ExprOf<'meta'> | ExprOf<'ct'>): boolean {
  const own = selector.load(0)
  if (own.kind === 'payload' && expr.kind === 'payload') {
    const isPart = isAddress(selector.type) && own.len > expr.len
    return own.base === expr.base && own.offset === expr.offset && (own.len === expr.len || isPart)
  }
  if (own.kind === 'meta' && expr.kind === 'meta') return own.key === expr.key
  return own.kind === 'ct' && expr.kind === 'ct' && own.key === expr.key && own.direction === expr.direction
}
