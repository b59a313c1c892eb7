/*
 * All elements of one Service as one piece of memory, in the form in which they are sent:
 *
 *   | set number u32 | NFTA_LIST_ELEM attribute, padded to four | set number u32 | ...
 *
 * What was committed is kept this way: some forty bytes an element instead of an object with its own keys and values.
 */
import type { Placed } from '../dataplane/elements.ts'
import { ByteWriter } from '../netlink/bytes.ts'
import { writeElement } from '../nft/elements.ts'

export type PackedElements = Uint8Array

/** Where one element lies: `start` and `end` bound its attribute, padding included. */
type Visit = (set: number, start: number, end: number) => void

const nothing: PackedElements = new Uint8Array()
const writer = new ByteWriter(1 << 16)

/** Packs elements; `setNumber` tells the number of a set. Of equal keys in one set the first is kept. */
export function packElements(elements: readonly Placed[], setNumber: (name: string) => number): PackedElements {
  if (elements.length === 0) return nothing
  writer.truncate(0)
  const seen = new Set<string>()
  for (const { set, element } of elements) {
    const number = setNumber(set)
    const start = writer.length
    writer.u32(number)
    writeElement(writer, element)
    const key = keyAt(writer.view(), number, start + 4)
    if (seen.has(key)) writer.truncate(start)
    else seen.add(key)
  }
  return writer.copy()
}

/** Calls `visit` for every element. */
export function forEachPacked(packed: PackedElements, visit: Visit): void {
  for (let at = 0; at < packed.length;) {
    const start = at + 4
    const end = start + ((readU16(packed, start) + 3) & ~3)
    visit(readU16(packed, at), start, end)
    at = end
  }
}

/** What identifies an element: the number of its set and the bytes of its key. */
export function keyAt(packed: Uint8Array, set: number, start: number): string {
  // The key is the first attribute inside: its own header follows the element's.
  const keyStart = start + 4
  const buffer = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength)
  return String.fromCharCode(set) + buffer.toString('latin1', keyStart, keyStart + readU16(packed, keyStart))
}

/**
 * Calls `removed` for each element of `before` that `after` does not hold in the same form, and `added` for the
 * converse: an element with another value is removed and added.
 */
export function diffPacked(
  before: PackedElements,
  after: PackedElements,
  removed: (set: number, element: Uint8Array) => void,
  added: (set: number, element: Uint8Array) => void,
): void {
  const old = new Map<string, { set: number; element: Uint8Array }>()
  forEachPacked(before, (set, start, end) =>
    old.set(keyAt(before, set, start), { set, element: before.subarray(start, end) }),
  )
  const fresh: { set: number; element: Uint8Array }[] = []
  forEachPacked(after, (set, start, end) => {
    const element = after.subarray(start, end)
    const key = old.size === 0 ? '' : keyAt(after, set, start)
    const previous = old.get(key)
    if (previous !== undefined && Buffer.compare(previous.element, element) === 0) old.delete(key)
    else fresh.push({ set, element })
  })
  for (const { set, element } of old.values()) removed(set, element)
  for (const { set, element } of fresh) added(set, element)
}

function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)
}
