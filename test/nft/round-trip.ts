import * as fc from 'fast-check'
import { ByteWriter } from '../../src/netlink/bytes.ts'
import type { Codec } from '../../src/netlink/layout.ts'

/** What is read from the bytes that were written for a value, as plain data. */
export function roundTrip<T>(codec: Codec<T>, value: T): T {
  const writer = new ByteWriter(16)
  codec.write(writer, value)
  const bytes = writer.copy()
  return plain(codec.read(bytes, 0, bytes.length))
}

/** The same data in plain objects, every Buffer a Uint8Array, so that equality looks at contents alone. */
export function plain<T>(value: T): T {
  return structuredClone(value)
}

export const u8 = fc.nat({ max: 0xff })
export const u32 = fc.nat({ max: 0xffffffff })
export const s32 = fc.integer()
export const u64 = fc.maxSafeNat()
export const someBytes = fc.uint8Array({ maxLength: 80 })
/** A name or text that ends with a zero byte in a message. */
export const text = fc.string({ unit: 'binary', maxLength: 40 }).map((value) => value.replaceAll('\0', ''))

const verdict = fc.record({ code: s32, chain: text }, { requiredKeys: ['code'] })
export const data = fc.oneof(fc.record({ value: someBytes }), fc.record({ verdict }))
