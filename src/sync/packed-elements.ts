/*
 * All elements of one Service as one string of bytes, in the form in which they are sent:
 *
 *   | set number u32 | NFTA_LIST_ELEM attribute, padded to four | set number u32 | ...
 *
 * What was committed is kept this way: some forty bytes an element, and no objects. A string with one character for each
 * byte (latin1) costs the heap 16 bytes beside its contents where a Uint8Array of its own costs about 300.
 */
import type { Placed } from '../dataplane/elements.ts'
import { ByteWriter } from '../netlink/bytes.ts'
import { writeElement } from '../nft/elements.ts'

export type PackedElements = string

/** The numbers of a table's sets, and which of them hold elements that several Services may want. */
export type SetNumbers = {
  readonly of: (name: string) => number
  readonly isShared: (number: number) => boolean
}

/** Bytes before each attribute. */
const setNumberBytes = 4

const writer = new ByteWriter(1 << 16)

/** Packs elements. In a shared set the same key is packed once. */
export function packElements(elements: readonly Placed[], sets: SetNumbers): PackedElements {
  writer.truncate(0)
  let firstShared: string | undefined
  let shared: Set<string> | undefined
  for (const { set, element } of elements) {
    const number = sets.of(set)
    const start = writer.length
    writer.u32(number)
    writeElement(writer, element)
    if (!sets.isShared(number)) continue
    const key = elementKey(number, writer.latin1(start + setNumberBytes))
    // Most Services have one such element and need no set to tell.
    if (firstShared === undefined) firstShared = key
    else {
      shared ??= new Set([firstShared])
      if (shared.has(key)) writer.truncate(start)
      else shared.add(key)
    }
  }
  return writer.latin1()
}

/** What identifies an element: its set and the bytes of its key, which is the first attribute inside the element's. */
export function elementKey(set: number, element: string): string {
  return String.fromCharCode(set) + element.slice(4, 4 + lengthAt(element, 4))
}

/**
 * Calls `removed` for each element of `before` that `after` does not hold in the same form, then `added` for the
 * converse: an element with another value is removed and added.
 */
export function diffPacked(
  before: PackedElements,
  after: PackedElements,
  removed: (set: number, element: string) => void,
  added: (set: number, element: string) => void,
): void {
  if (before === after) return
  if (before === '') return forEachPacked(after, added)
  // By the whole element: in an interval set the end of a range and the begin of the next one have the same key.
  const old = new Map<string, { readonly set: number; readonly element: string }>()
  forEachPacked(before, (set, element) => old.set(placeOf(set, element), { set, element }))
  const fresh: { readonly set: number; readonly element: string }[] = []
  forEachPacked(after, (set, element) => {
    if (!old.delete(placeOf(set, element))) fresh.push({ set, element })
  })
  for (const { set, element } of old.values()) removed(set, element)
  for (const { set, element } of fresh) added(set, element)
}

function placeOf(set: number, element: string): string {
  return String.fromCharCode(set) + element
}

/** Calls `visit` for each element, in order. */
export function forEachPacked(packed: PackedElements, visit: (set: number, element: string) => void): void {
  for (let at = 0; at < packed.length;) {
    const start = at + setNumberBytes
    const end = start + ((lengthAt(packed, start) + 3) & ~3)
    visit(lengthAt(packed, at), packed.slice(start, end))
    at = end
  }
}

/** A number of two bytes in host order: nla_len, and of a set number the part that is ever used. */
function lengthAt(packed: string, at: number): number {
  return packed.charCodeAt(at) | (packed.charCodeAt(at + 1) << 8)
}
