/** A value longer than this is an error: etcd refuses objects of more than about 1.5 MB. */
export const maxValueBytes = 32 << 20

export const quote = 0x22
const backslash = 0x5c
export const openBrace = 0x7b
const closeBrace = 0x7d
export const openBracket = 0x5b
const closeBracket = 0x5d
const comma = 0x2c
const colon = 0x3a

const nothing: Buffer = Buffer.alloc(0)

/** How much of the text around an error is shown. */
const excerptBytes = { before: 24, after: 24 } as const

/** Text that is not the JSON that was expected: what is wrong, where, and what is there. */
export class JsonStreamError extends Error {
  readonly code = 'ERR_JSON_STREAM'
  /** From the begin of the stream, in bytes. */
  readonly offset: number

  constructor(flaw: string, offset: number, excerpt?: string, options?: ErrorOptions) {
    super(`${flaw} at byte ${offset}${excerpt === undefined ? '' : `: ${JSON.stringify(excerpt)}`}`, options)
    this.name = 'JsonStreamError'
    this.offset = offset
  }
}

/** The text around a place in a chunk. */
export function excerptAt(chunk: Buffer, at: number): string {
  return chunk.toString('latin1', Math.max(0, at - excerptBytes.before), at + excerptBytes.after)
}

export function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

/**
 * One JSON value after the other in a stream of chunks: finds where it ends, keeps its bytes until then and parses
 * them. It looks at quotes and brackets alone: whether the text between them is JSON is for JSON.parse to say.
 */
export class JsonValueReader {
  #depth = 0
  #isInString = false
  #isEscaped = false
  #isScalar = false
  #isOpen = false
  #earlier: Buffer[] = []
  #earlierBytes = 0
  #startOffset = 0
  #last = nothing

  /** Whether a value has begun and not ended. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Begins a value with the byte at `offset` of the stream, to be read next; false when no value can begin with it. */
  begin(byte: number, offset: number): boolean {
    if (byte === comma || byte === closeBrace || byte === closeBracket || byte === colon) return false
    this.#isOpen = true
    this.#isScalar = byte !== quote && byte !== openBrace && byte !== openBracket
    this.#startOffset = offset
    return true
  }

  /** The place behind the value's end, or -1 when the chunk ends first. Throws JsonStreamError when it gets too long. */
  read(chunk: Buffer, from: number): number {
    const end = this.#isScalar ? scalarEnd(chunk, from) : this.#compoundEnd(chunk, from)
    this.#last = chunk.subarray(from, end === -1 ? chunk.length : end)
    if (this.#earlierBytes + this.#last.length > maxValueBytes) {
      throw new JsonStreamError(`a value of more than ${maxValueBytes >> 20} MB`, this.#startOffset, this.#excerpt())
    }
    if (end === -1) {
      this.#earlier.push(this.#last)
      this.#earlierBytes += this.#last.length
    } else {
      this.#isOpen = false
    }
    return end
  }

  /** What JSON.parse makes of the value that has just ended. Throws JsonStreamError. */
  parse(): unknown {
    const text = this.#takeBytes().toString()
    try {
      return JSON.parse(text)
    } catch (error) {
      const flaw = error instanceof Error ? error.message : String(error)
      throw new JsonStreamError(`not JSON (${flaw})`, this.#startOffset, undefined, { cause: error })
    }
  }

  #takeBytes(): Buffer {
    const bytes = this.#earlier.length === 0 ? this.#last : Buffer.concat([...this.#earlier, this.#last])
    this.#earlier = []
    this.#earlierBytes = 0
    this.#last = nothing // or an idle watch would keep its last chunk
    return bytes
  }

  #excerpt(): string {
    return excerptAt(this.#earlier[0] ?? this.#last, 0)
  }

  /** As `read`, of an object, an array or a string. All bytes of a list go through here: it is written for speed. */
  #compoundEnd(chunk: Buffer, from: number): number {
    const { length } = chunk
    let depth = this.#depth
    let isInString = this.#isInString
    let at = from
    if (this.#isEscaped && at < length) {
      this.#isEscaped = false
      at++
    }
    while (at < length) {
      if (isInString) {
        let byte = chunk[at]
        while (byte !== quote && byte !== backslash && ++at < length) byte = chunk[at]
        if (at >= length) break
        if (byte === backslash) {
          at += 2
          continue
        }
        isInString = false
        at++
        if (depth === 0) return this.#endAt(at)
        continue
      }
      const byte = chunk[at++]
      if (byte === quote) isInString = true
      else if (byte === openBrace || byte === openBracket) depth++
      else if (byte === closeBrace || byte === closeBracket) {
        depth--
        if (depth === 0) return this.#endAt(at)
      }
    }
    this.#isEscaped = at > length
    this.#depth = depth
    this.#isInString = isInString
    return -1
  }

  #endAt(at: number): number {
    this.#depth = 0
    this.#isInString = false
    return at
  }
}

/** A number, true, false or null ends with what cannot be part of it. */
function scalarEnd(chunk: Buffer, from: number): number {
  for (let at = from; at < chunk.length; at++) {
    const byte = chunk[at] ?? comma
    if (byte === comma || byte === closeBrace || byte === closeBracket || isSpace(byte)) return at
  }
  return -1
}
