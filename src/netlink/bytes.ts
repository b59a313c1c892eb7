/** A growing byte buffer: numbers and bytes are appended, lengths are reserved and patched once they are known. */
export class ByteWriter {
  #buffer: Buffer
  #length = 0

  constructor(capacityBytes = 4096) {
    this.#buffer = Buffer.allocUnsafeSlow(capacityBytes)
  }

  /** Bytes written so far; also the offset of the next byte. */
  get length(): number {
    return this.#length
  }

  u8(value: number): void {
    const at = this.#grow(1)
    this.#buffer[at] = value
  }

  /** Host order; netlink hosts here are little-endian (x86-64, arm64). */
  u16(value: number): void {
    const at = this.#grow(2)
    this.#buffer[at] = value
    this.#buffer[at + 1] = value >>> 8
  }

  u32(value: number): void {
    const at = this.#grow(4)
    this.#buffer[at] = value
    this.#buffer[at + 1] = value >>> 8
    this.#buffer[at + 2] = value >>> 16
    this.#buffer[at + 3] = value >>> 24
  }

  be16(value: number): void {
    const at = this.#grow(2)
    this.#buffer[at] = value >>> 8
    this.#buffer[at + 1] = value
  }

  be32(value: number): void {
    const at = this.#grow(4)
    this.#buffer[at] = value >>> 24
    this.#buffer[at + 1] = value >>> 16
    this.#buffer[at + 2] = value >>> 8
    this.#buffer[at + 3] = value
  }

  /** Exact up to 2^53. */
  be64(value: number): void {
    this.be32(Math.floor(value / 2 ** 32))
    this.be32(value >>> 0)
  }

  bytes(value: Uint8Array): void {
    const at = this.#grow(value.length)
    // A short copy by hand is faster than the call into the runtime.
    if (value.length <= 32) for (let i = 0; i < value.length; i++) this.#buffer[at + i] = value[i]!
    else this.#buffer.set(value, at)
  }

  /** One byte for each character, which must be below 256. */
  latin1Bytes(value: string): void {
    const at = this.#grow(value.length)
    // A short copy by hand is faster than the call into the runtime.
    if (value.length <= 96) for (let i = 0; i < value.length; i++) this.#buffer[at + i] = value.charCodeAt(i)
    else this.#buffer.write(value, at, 'latin1')
  }

  /** UTF-8 followed by one zero byte. */
  cstr(value: string): void {
    const start = this.#grow(value.length + 1)
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i)
      // Names are ASCII as a rule; anything else is left to the runtime, from the beginning.
      if (code > 127) return this.#utf8(value, start)
      this.#buffer[start + i] = code
    }
    this.#buffer[start + value.length] = 0
  }

  #utf8(value: string, start: number): void {
    this.#length = start
    const byteLength = Buffer.byteLength(value)
    const at = this.#grow(byteLength + 1)
    this.#buffer.write(value, at, byteLength, 'utf8')
    this.#buffer[at + byteLength] = 0
  }

  /** Zero bytes up to the next multiple of four (NLMSG_ALIGN, NLA_ALIGN). */
  align4(): void {
    while ((this.#length & 3) !== 0) this.u8(0)
  }

  patchU8(at: number, value: number): void {
    this.#buffer[at] = value
  }

  patchU16(at: number, value: number): void {
    this.#buffer[at] = value
    this.#buffer[at + 1] = value >>> 8
  }

  patchU32(at: number, value: number): void {
    this.#buffer.writeUInt32LE(value, at)
  }

  /** Forgets everything written from `length` on. */
  truncate(length: number): void {
    this.#length = length
  }

  /** What was written from `start` on, one character for each byte. */
  latin1(start = 0): string {
    return this.#buffer.toString('latin1', start, this.#length)
  }

  /** What was written, without copying: valid until the next write. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  /** A copy of what was written from `start` on. */
  copy(start = 0): Buffer {
    const result = Buffer.allocUnsafeSlow(this.#length - start)
    this.#buffer.copy(result, 0, start, this.#length)
    return result
  }

  /** Makes room for `count` bytes and returns where they begin. */
  #grow(count: number): number {
    const at = this.#length
    const needed = at + count
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2))
      this.#buffer.copy(larger, 0, 0, at)
      this.#buffer = larger
    }
    this.#length = needed
    return at
  }
}
