/*
 * Sets, indexed so that one lookup costs the same in a set of ten and of a hundred thousand elements. Keys are compared
 * as the kernel does, byte by byte; as strings of one character per byte they are keys of a Map and have that order.
 */
import { concatenatedBytes, paddedBytes } from '../nft/datatypes.ts'
import { type NftSet, partTypes, type SetElement } from '../nft/objects.ts'

export type SetIndex = {
  /** How many bytes of registers a lookup takes. */
  readonly keyBytes: number
  readonly elementCount: number
  /** The element for a key, not the catch-all one. A range comes back with both its ends, the last one included. */
  readonly find: (key: string) => SetElement | undefined
  readonly catchAll: SetElement | undefined
}

/** A key as text. */
export function keyOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

export function indexSet(set: NftSet, elements: readonly SetElement[]): SetIndex {
  const lasting = elements.filter(({ expiresMs }) => expiresMs === undefined || expiresMs > 0)
  const keyed = lasting.filter(({ isCatchAll }) => isCatchAll !== true)
  return {
    // The declaration of a set of another program may have types that are unknown here.
    keyBytes: keyed[0]?.key.length ?? concatenatedBytes(partTypes(set.key)),
    elementCount: keyed.filter(({ isIntervalEnd }) => isIntervalEnd !== true).length,
    find: finder(set, keyed),
    catchAll: lasting.find(({ isCatchAll }) => isCatchAll === true),
  }
}

function finder(set: NftSet, elements: readonly SetElement[]): SetIndex['find'] {
  if (set.flags?.includes('interval') !== true) return findExact(elements)
  return set.key.parts.length > 1 ? findConcatenated(set, elements) : findInterval(elements)
}

function findExact(elements: readonly SetElement[]): SetIndex['find'] {
  const byKey = new Map(elements.map((element) => [keyOf(element.key), element]))
  return (key) => byKey.get(key)
}

type Interval = { readonly from: string; readonly to: string; readonly element: SetElement }

/** Plain intervals: the element with the greatest key that is not beyond decides, unless it marks an end. */
function findInterval(elements: readonly SetElement[]): SetIndex['find'] {
  const intervals = intervalsOf(elements)
  return (key) => {
    let [low, high] = [0, intervals.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((intervals[middle]?.from ?? '') <= key) low = middle + 1
      else high = middle
    }
    const found = intervals[low - 1]
    return found !== undefined && key <= found.to ? found.element : undefined
  }
}

/** Where a range begins at which another one ends, its beginning counts. */
function intervalsOf(elements: readonly SetElement[]): Interval[] {
  const sorted = elements
    .map((element) => ({ from: keyOf(element.key), element }))
    .toSorted((a, b) => (a.from === b.from ? endsFirst(a.element, b.element) : a.from < b.from ? -1 : 1))
  return sorted.flatMap(({ from, element }, index): Interval[] => {
    if (element.isIntervalEnd === true) return []
    const next = sorted[index + 1]
    const keyEnd = element.keyEnd ?? lastBefore(next?.element.key, element.key.length)
    return [{ from, to: keyOf(keyEnd), element: { ...element, keyEnd } }]
  })
}

function endsFirst(a: SetElement, b: SetElement): number {
  return Number(b.isIntervalEnd === true) - Number(a.isIntervalEnd === true)
}

/** The key before `next`, or the last of all. */
function lastBefore(next: Uint8Array | undefined, byteCount: number): Uint8Array {
  if (next === undefined) return new Uint8Array(byteCount).fill(0xff)
  const last = Uint8Array.from(next)
  for (let at = last.length - 1; at >= 0; at--) {
    const byte = last[at] ?? 0
    last[at] = byte - 1
    if (byte > 0) break
  }
  return last
}

type Part = { readonly start: number; readonly end: number }
type Box = { readonly order: number; readonly from: string; readonly to: string; readonly element: SetElement }

/**
 * Concatenated intervals: every part lies in its own range. Elements are grouped by which of their parts are single
 * values, and within such a group found by those values, so that only the ranges behind them are tried one by one.
 */
function findConcatenated(set: NftSet, elements: readonly SetElement[]): SetIndex['find'] {
  const parts = partBounds(set)
  const groups = new Map<string, { readonly exact: readonly Part[]; readonly boxes: Map<string, Box[]> }>()
  for (const [order, element] of elements.entries()) {
    const [from, to] = [keyOf(element.key), keyOf(element.keyEnd ?? element.key)]
    const exact = parts.filter(({ start, end }) => from.slice(start, end) === to.slice(start, end))
    const name = exact.map(({ start }) => start).join()
    const group = groups.get(name) ?? { exact, boxes: new Map<string, Box[]>() }
    groups.set(name, group)
    const values = valuesOf(exact, from)
    const boxes = group.boxes.get(values)
    const box = { order, from, to, element }
    if (boxes === undefined) group.boxes.set(values, [box])
    else boxes.push(box)
  }
  return (key) => {
    const found: Box[] = []
    for (const { exact, boxes } of groups.values()) {
      const box = boxes.get(valuesOf(exact, key))?.find((candidate) => isInBox(candidate, key, parts))
      if (box !== undefined) found.push(box)
    }
    return found.toSorted((a, b) => a.order - b.order)[0]?.element
  }
}

function partBounds(set: NftSet): readonly Part[] {
  let start = 0
  return partTypes(set.key).map((type) => {
    const part = { start, end: start + type.bytes }
    start += paddedBytes(type)
    return part
  })
}

function valuesOf(parts: readonly Part[], key: string): string {
  return parts.map(({ start, end }) => key.slice(start, end)).join('')
}

function isInBox({ from, to }: Box, key: string, parts: readonly Part[]): boolean {
  return parts.every(({ start, end }) => {
    const value = key.slice(start, end)
    return from.slice(start, end) <= value && value <= to.slice(start, end)
  })
}
