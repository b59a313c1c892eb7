/*
 * Declared layouts: one declaration gives the TypeScript type, the encoder and the decoder of a netlink message.
 *
 *   struct nlattr, include/uapi/linux/netlink.h
 *   +----------------+----------------+------------------------+---------+
 *   | nla_len  u16   | nla_type u16   | payload                | padding |
 *   +----------------+----------------+------------------------+---------+
 *    counts header and payload, but not the padding to a multiple of four
 */
import type { ByteWriter } from './bytes.ts'
import { DecodeError } from './errors.ts'

/** How one value is written to and read from the payload of an attribute (or a fixed header). */
export type Codec<T> = {
  readonly write: (writer: ByteWriter, value: T) => void
  /** Reads `buffer[start..end)`; what it returns shares no memory with the buffer. Throws DecodeError. */
  readonly read: (buffer: Buffer, start: number, end: number) => T
  /** The payload is itself a list of attributes: NLA_F_NESTED is set on the attribute that holds it. */
  readonly isNested?: boolean
}

/** The TypeScript type that a codec carries. */
export type Infer<C> = C extends Codec<infer T> ? T : never

const NLA_F_NESTED = 0x8000
const NLA_TYPE_MASK = 0x3fff

/** Begins an attribute and returns the offset to give to `endAttribute`. */
export function beginAttribute(writer: ByteWriter, type: number, isNested = false): number {
  const at = writer.length
  writer.u16(0)
  writer.u16(isNested ? type | NLA_F_NESTED : type)
  return at
}

/** Patches the length of the attribute that began at `at` and pads it. */
export function endAttribute(writer: ByteWriter, at: number): void {
  const length = writer.length - at
  if (length > 0xffff) throw new RangeError(`attribute of ${length} bytes: nla_len holds 65535 at most`)
  writer.patchU16(at, length)
  writer.align4()
}

/** Calls `each(type, start, end)` with the payload bounds of every attribute in `buffer[start..end)`. */
export function forEachAttribute(
  buffer: Buffer,
  start: number,
  end: number,
  each: (type: number, start: number, end: number) => void,
): void {
  let at = start
  while (at + 4 <= end) {
    const length = buffer.readUInt16LE(at)
    if (length < 4 || at + length > end) throw new DecodeError('an attribute that fits', buffer, at)
    each(buffer.readUInt16LE(at + 2) & NLA_TYPE_MASK, at + 4, at + length)
    at += (length + 3) & ~3
  }
}

/** Codec is invariant in its value, so only `any` accepts fields of every type; `attrs` checks each against its declaration. */
type Field = readonly [type: number, codec: Codec<any>] | readonly [type: number, codec: Codec<any>, optional: '?'] // oxlint-disable-line typescript/no-explicit-any -- see above
type AnyFields = { readonly [name: string]: Field }
type AnyFixedFields = { readonly [name: string]: FixedCodec<any> } // oxlint-disable-line typescript/no-explicit-any -- see above
type OptionalNames<F extends AnyFields> = {
  [K in keyof F]: F[K] extends readonly [number, unknown, '?'] ? K : never
}[keyof F]
type AttributesOf<F extends AnyFields> = {
  readonly [K in Exclude<keyof F, OptionalNames<F>>]: Infer<F[K][1]>
} & { readonly [K in OptionalNames<F>]?: Infer<F[K][1]> | undefined }

/** The flattened form of an intersection, so that editors and errors show plain object types. */
type Simplify<T> = { [K in keyof T]: T[K] } & {}

/**
 * A list of attributes, `name: [nla_type, codec]`, with `'?'` as third entry where an attribute may be absent.
 * Encoded in declaration order; unknown attributes are skipped when decoding; a missing one is a DecodeError that names it.
 */
export function attrs<const F extends AnyFields>(fields: F): Codec<Simplify<AttributesOf<F>>> {
  const list = Object.entries(fields).map(([name, [type, codec, optional]]) => ({
    name,
    type,
    codec: codec as Codec<unknown>,
    isNested: codec.isNested ?? false,
    isOptional: optional === '?',
  }))
  const byType = new Map(list.map((field) => [field.type, field]))
  return {
    isNested: true,
    write(writer, value) {
      const values = value as Record<string, unknown>
      for (const field of list) {
        const entry = values[field.name]
        if (entry === undefined) {
          if (field.isOptional) continue
          throw new TypeError(`attribute ${field.name} is missing`)
        }
        const at = beginAttribute(writer, field.type, field.isNested)
        field.codec.write(writer, entry)
        endAttribute(writer, at)
      }
    },
    read(buffer, start, end) {
      const values: Record<string, unknown> = {}
      forEachAttribute(buffer, start, end, (type, from, to) => {
        const field = byType.get(type)
        if (field !== undefined) values[field.name] = field.codec.read(buffer, from, to)
      })
      for (const field of list) {
        if (!field.isOptional && !(field.name in values))
          throw new DecodeError(`attribute ${field.name}`, buffer, start)
      }
      return values as Simplify<AttributesOf<F>>
    },
  }
}

/** A nested list whose members all have attribute type `type` (for nf_tables NFTA_LIST_ELEM, 1). */
export function list<T>(type: number, codec: Codec<T>): Codec<readonly T[]> {
  return {
    isNested: true,
    write(writer, values) {
      for (const value of values) {
        const at = beginAttribute(writer, type, codec.isNested)
        codec.write(writer, value)
        endAttribute(writer, at)
      }
    },
    read(buffer, start, end) {
      const values: T[] = []
      forEachAttribute(buffer, start, end, (found, from, to) => {
        if (found === type) values.push(codec.read(buffer, from, to))
      })
      return values
    },
  }
}

/** A fixed C structure without gaps: fields one after the other, each of known size (`u8`, `u16`, `be16`, `u32`, ...). */
export function struct<const F extends AnyFixedFields>(
  fields: F,
): FixedCodec<{ readonly [K in keyof F]: Infer<F[K]> }> {
  const list = Object.entries(fields as Record<string, FixedCodec<unknown>>)
  const size = list.reduce((sum, [, codec]) => sum + codec.size, 0)
  return {
    size,
    write(writer, value) {
      for (const [name, codec] of list) codec.write(writer, (value as Record<string, unknown>)[name])
    },
    read(buffer, start, end) {
      if (end - start < size) throw new DecodeError(`${size} bytes`, buffer, start)
      const values: Record<string, unknown> = {}
      let at = start
      for (const [name, codec] of list) {
        values[name] = codec.read(buffer, at, at + codec.size)
        at += codec.size
      }
      return values as { readonly [K in keyof F]: Infer<F[K]> }
    },
  }
}

/** A codec whose values always take `size` bytes. */
export type FixedCodec<T> = Codec<T> & { readonly size: number }

function fixed<T>(
  size: number,
  write: (writer: ByteWriter, value: T) => void,
  read: (b: Buffer, at: number) => T,
): FixedCodec<T> {
  return {
    size,
    write,
    read(buffer, start, end) {
      if (end - start < size) throw new DecodeError(`${size} bytes`, buffer, start)
      return read(buffer, start)
    },
  }
}

/** Integers of one byte, and of two and four in host order. */
export const u8 = fixed<number>(
  1,
  (w, v) => w.u8(v),
  (b, at) => b.readUInt8(at),
)
export const u16 = fixed<number>(
  2,
  (w, v) => w.u16(v),
  (b, at) => b.readUInt16LE(at),
)
export const u32 = fixed<number>(
  4,
  (w, v) => w.u32(v),
  (b, at) => b.readUInt32LE(at),
)
/** A signed 32-bit integer in host order. */
export const s32 = fixed<number>(
  4,
  (w, v) => w.u32(v),
  (b, at) => b.readInt32LE(at),
)
/** Integers in network order, as nf_tables uses them; be64 is exact up to 2^53. */
export const be16 = fixed<number>(
  2,
  (w, v) => w.be16(v),
  (b, at) => b.readUInt16BE(at),
)
export const be32 = fixed<number>(
  4,
  (w, v) => w.be32(v),
  (b, at) => b.readUInt32BE(at),
)
export const bes32 = fixed<number>(
  4,
  (w, v) => w.be32(v),
  (b, at) => b.readInt32BE(at),
)
export const be64 = fixed<number>(
  8,
  (w, v) => w.be64(v),
  (b, at) => b.readUInt32BE(at) * 2 ** 32 + b.readUInt32BE(at + 4),
)

/** A string that the kernel ends with a zero byte. */
export const cstr: Codec<string> = {
  write: (writer, value) => writer.cstr(value),
  read(buffer, start, end) {
    const zero = buffer.indexOf(0, start)
    return buffer.toString('utf8', start, zero === -1 || zero > end ? end : zero)
  },
}

/** Bytes as they are. */
export const bytes: Codec<Uint8Array> = {
  write: (writer, value) => writer.bytes(value),
  read: (buffer, start, end) => new Uint8Array(buffer.subarray(start, end)),
}
