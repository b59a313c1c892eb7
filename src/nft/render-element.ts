/** Elements, keys and set declarations as nft(8) text. */
import { compareConcatenations, type DataType, formatConcatenation } from './datatypes.ts'
import { inetText, maskPrefixLength, prefixText } from './inet.ts'
import { type NftSet, partTypes, type SetElement, type SetType } from './objects.ts'
import { commentTexts, durationText } from './render-text.ts'
import { verdictText } from './render-rule.ts'

/** `10.96.0.1 . tcp . 80 comment "shop/web:http" : goto pick-tcp-2`, as in `nft list`. Times that run down are left out. */
export function elementText(set: NftSet, element: SetElement): string {
  const types = partTypes(set.key)
  return textWithKey(set, element, keyText(types, element))
}

function textWithKey(set: NftSet, element: SetElement, key: string): string {
  const { timeoutMs, comment } = element
  return [
    key,
    ...(timeoutMs === undefined || timeoutMs === set.timeoutMs ? [] : [`timeout ${durationText(timeoutMs)}`]),
    ...commentTexts(comment),
    ...valueText(set, element),
  ].join(' ')
}

/** All elements of a set, sorted by key; in an interval set, start and end become one prefix or range. */
export function elementTexts(set: NftSet, elements: readonly SetElement[]): string[] {
  const types = partTypes(set.key)
  const sorted = elements
    .filter(({ isCatchAll }) => isCatchAll !== true)
    .sort((a, b) => compareConcatenations(types, a.key, b.key) || endsFirst(a, b))
  const isPlainInterval = types.length === 1 && set.flags?.includes('interval') === true
  const texts = isPlainInterval
    ? sorted.flatMap((element, index) =>
        element.isIntervalEnd === true ? [] : [intervalText(set, element, sorted[index + 1])],
      )
    : sorted.map((element) => elementText(set, element))
  const catchAll = elements.filter(({ isCatchAll }) => isCatchAll === true)
  return [...texts, ...catchAll.map((element) => elementText(set, element))]
}

/** `ipv4_addr . inet_proto`, or the packet fields after `typeof`. */
export function setTypeText(type: SetType | 'verdict'): string {
  if (type === 'verdict') return 'verdict'
  return type.kind === 'type'
    ? type.parts.map(({ name }) => name).join(' . ')
    : type.parts.map(({ text }) => text).join(' . ')
}

/** `type ipv4_addr : verdict` or `typeof ip daddr . tcp dport`. */
export function declarationText(set: NftSet): string {
  const value = set.value === undefined ? '' : ` : ${setTypeText(set.value)}`
  return `${set.key.kind} ${setTypeText(set.key)}${value}`
}

function endsFirst(a: SetElement, b: SetElement): number {
  return Number(b.isIntervalEnd === true) - Number(a.isIntervalEnd === true)
}

function keyText(types: readonly DataType[], { key, keyEnd, isCatchAll }: SetElement): string {
  if (isCatchAll === true) return '*'
  if (keyEnd === undefined) return formatConcatenation(types, key)
  let at = 0
  return types
    .map((type) => {
      const [from, to] = [key.subarray(at, at + type.bytes), keyEnd.subarray(at, at + type.bytes)]
      at += (type.bytes + 3) & ~3
      return rangeText(type, from, to)
    })
    .join(' . ')
}

function valueText(set: NftSet, { value, verdict }: SetElement): string[] {
  if (verdict !== undefined) return [':', verdictText(verdict)]
  if (value === undefined || set.value === undefined || set.value === 'verdict') return []
  return [':', formatConcatenation(partTypes(set.value), value)]
}

/** One range of an interval set: from `start` to just before `next`, or to the end of the type. */
function intervalText(set: NftSet, start: SetElement, next: SetElement | undefined): string {
  const [type] = partTypes(set.key)
  const last = next === undefined ? start.key.map(() => 0xff) : before(next.key)
  const range = type === undefined ? '' : rangeText(type, start.key, last)
  return textWithKey(set, start, range)
}

/** A single value, a prefix where the bounds are one, else `from-to`. */
function rangeText(type: DataType, from: Uint8Array, to: Uint8Array): string {
  if (Buffer.compare(from, to) === 0) return type.format(from)
  const mask = from.map((byte, index) => ~(byte ^ (to[index] ?? 0)))
  const prefixLength = maskPrefixLength(mask)
  const isPrefix = prefixLength !== undefined && from.every((byte, index) => (byte & ~(mask[index] ?? 0)) === 0)
  if (type.name.endsWith('_addr') && isPrefix) return prefixText(from, prefixLength)
  return type.name.endsWith('_addr') ? `${inetText(from)}-${inetText(to)}` : `${type.format(from)}-${type.format(to)}`
}

function before(key: Uint8Array): Uint8Array {
  const previous = Uint8Array.from(key)
  for (let at = previous.length - 1; at >= 0; at--) {
    const byte = previous[at] ?? 0
    previous[at] = byte - 1
    if (byte > 0) break
  }
  return previous
}
