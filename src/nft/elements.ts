/*
 * Elements as bytes: what an element is in a message, NFTA_LIST_ELEM attributes one after the other.
 * Encoded once, they are kept, compared, and moved into batches as they are.
 *
 *   | len | LIST_ELEM | | len | KEY | | len | VALUE | 10.96.0.1 . tcp . 80 | | DATA ... | | USERDATA ... |
 */
import { ByteWriter } from '../netlink/bytes.ts'
import { DecodeError } from '../netlink/errors.ts'
import { beginAttribute, endAttribute } from '../netlink/layout.ts'
import { NFT_SET_ELEM_CATCHALL, NFT_SET_ELEM_INTERVAL_END } from './constants.ts'
import { elementLayout, type ElementMessage } from './messages.ts'
import type { SetElement } from './objects.ts'
import { commentFrom, commentUserdata } from './userdata.ts'

const NFTA_LIST_ELEM = 1

/** Appends one element as an NFTA_LIST_ELEM attribute. */
export function writeElement(writer: ByteWriter, element: SetElement): void {
  const at = beginAttribute(writer, NFTA_LIST_ELEM, true)
  elementLayout.write(writer, toMessage(element))
  endAttribute(writer, at)
}

/** The elements as bytes for `add` and `delete` operations. */
export function encodeElements(elements: readonly SetElement[]): Uint8Array {
  const writer = new ByteWriter(64 * elements.length + 16)
  for (const element of elements) writeElement(writer, element)
  return writer.copy()
}

/** The elements in encoded bytes. Throws DecodeError. */
export function decodeElements(bytes: Uint8Array): SetElement[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const elements: SetElement[] = []
  forEachElement(buffer, (start, end) => {
    elements.push(fromMessage(elementLayout.read(buffer, start + 4, end), buffer, start))
  })
  return elements
}

/** Calls `each(start, end)` with the bounds of every encoded element, attribute header included, padding not. */
export function forEachElement(bytes: Uint8Array, each: (start: number, end: number) => void): void {
  let at = 0
  while (at + 4 <= bytes.length) {
    const length = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)
    if (length < 4 || at + length > bytes.length) throw new DecodeError('an element that fits', bytes, at)
    each(at, at + length)
    at += (length + 3) & ~3
  }
}

/** Always the same keys: there may be 250,000 of these in a row, and objects of one shape are quick to make and read. */
function toMessage(element: SetElement): ElementMessage {
  const { key, keyEnd, verdict, value, timeoutMs, expiresMs, comment, isCatchAll, isIntervalEnd } = element
  return {
    key: isCatchAll === true ? undefined : { value: key },
    keyEnd: keyEnd === undefined ? undefined : { value: keyEnd },
    data: verdict === undefined ? (value === undefined ? undefined : { value }) : { verdict },
    flags: isCatchAll === true ? NFT_SET_ELEM_CATCHALL : isIntervalEnd === true ? NFT_SET_ELEM_INTERVAL_END : undefined,
    timeout: timeoutMs,
    expiration: expiresMs,
    userdata: comment === undefined ? undefined : commentUserdata(comment),
  }
}

function fromMessage(message: ElementMessage, buffer: Buffer, at: number): SetElement {
  const { keyEnd, data, flags = 0, timeout, expiration } = message
  const isCatchAll = (flags & NFT_SET_ELEM_CATCHALL) !== 0
  const isIntervalEnd = (flags & NFT_SET_ELEM_INTERVAL_END) !== 0
  const key = message.key?.value ?? (isCatchAll ? new Uint8Array() : undefined)
  if (key === undefined) throw new DecodeError('an element with a key', buffer, at)
  const comment = commentFrom(message.userdata)
  return {
    key,
    ...(keyEnd?.value === undefined ? {} : { keyEnd: keyEnd.value }),
    ...(data?.value === undefined ? {} : { value: data.value }),
    ...(data?.verdict === undefined ? {} : { verdict: data.verdict }),
    ...(comment === undefined ? {} : { comment }),
    // In a set with a default time-out the kernel gives the ends of ranges one of 0, but refuses it when it is sent.
    ...(timeout === undefined || isIntervalEnd ? {} : { timeoutMs: timeout }),
    ...(expiration === undefined ? {} : { expiresMs: expiration }),
    ...(isIntervalEnd ? { isIntervalEnd } : {}),
    ...(isCatchAll ? { isCatchAll } : {}),
  }
}
