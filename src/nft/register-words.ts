/** What a register holds, in words, and what a comparison makes of it. */
import { NFT_CMP_EQ, NFT_CMP_GT, NFT_CMP_GTE, NFT_CMP_LT, NFT_CMP_LTE, NFT_CMP_NEQ } from './constants.ts'
import { type DataType, dataTypes } from './datatypes.ts'
import { maskPrefixLength, prefixText } from './inet.ts'
import { type Field, hasNamedBits } from './render-words.ts'

/** What a register holds. */
export type Held =
  /** A packet field, or the first bytes of an address. */
  | ({ readonly kind: 'field' } & Field)
  | { readonly kind: 'masked'; readonly of: Held; readonly mask: Uint8Array; readonly xor: Uint8Array }
  | { readonly kind: 'constant'; readonly value: Uint8Array }
  /** What a map gave. */
  | { readonly kind: 'mapped'; readonly text: string }

/** A register that holds a field. */
export function fieldOf({ text, type }: Field): Held {
  return { kind: 'field', text, type }
}

/** The same field in the other byte order: constants that it is compared with are written from back to front. */
export function reversed(held: Held): Held {
  if (held.kind !== 'field') return held
  const { type } = held
  return { ...held, type: { ...type, format: (value) => type.format(value.toReversed()) } }
}

/** What it holds as a part of a statement; `type` is how a constant is written. */
export function heldText(held: Held, type: DataType): string {
  switch (held.kind) {
    case 'field':
    case 'mapped':
      return held.text
    case 'masked':
      return `${heldText(held.of, type)} & ${type.format(held.mask)}`
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

/** A comparison as nft(8) writes it: `ip saddr != 10.0.0.0/8`, `ct state new`. */
export function comparisonText(held: Held, op: number, value: Uint8Array): string {
  const operator = operators.get(op) ?? '? '
  if (held.kind === 'field') return `${held.text} ${operator}${operandText(held.type, value)}`
  if (held.kind !== 'masked' || held.of.kind !== 'field') return `${heldText(held, dataTypes.integer)} ${operator}?`
  const { text, type } = held.of
  if (op === NFT_CMP_NEQ && hasNamedBits(text)) return `${text} ${type.format(held.mask)}`
  const prefixLength = maskPrefixLength(held.mask)
  if (isAddress(type) && prefixLength !== undefined) return `${text} ${operator}${prefixText(value, prefixLength)}`
  return `${text} & ${type.format(held.mask)} ${op === NFT_CMP_EQ ? '== ' : operator}${type.format(value)}`
}

function operandText(type: DataType, value: Uint8Array): string {
  if (isAddress(type) && value.length < type.bytes) {
    const address = new Uint8Array(type.bytes)
    address.set(value)
    return prefixText(address, value.length * 8)
  }
  if (type.name === 'ifname' && value.length < type.bytes) return `"${Buffer.from(value).toString('utf8')}*"`
  return type.format(value)
}

export function isAddress(type: DataType): boolean {
  return type.name === 'ipv4_addr' || type.name === 'ipv6_addr'
}
