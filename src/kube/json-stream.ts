import { excerptAt, isSpace, JsonStreamError, JsonValueReader, openBrace, openBracket, quote } from './json-value.ts'

/**
 * The readers here take a body chunk by chunk and yield the parsed values that are complete with it, so that never more
 * than one value is in memory. They throw JsonStreamError.
 */
export interface ValueStream {
  /** The values that end in this chunk. */
  readonly read: (chunk: Buffer) => Iterable<unknown>
}

/** Reads a stream of JSON objects, each on a line of its own or not: the body of a watch. */
export class DocumentStream implements ValueStream {
  readonly #value = new JsonValueReader()
  #offset = 0

  /** Throws when the body ended inside an object. */
  end(): void {
    if (this.#value.isOpen) throw new JsonStreamError('the stream ends inside an object', this.#offset)
  }

  *read(chunk: Buffer): Iterable<unknown> {
    let at = 0
    while (at < chunk.length) {
      if (this.#value.isOpen) {
        const end = this.#value.read(chunk, at)
        if (end === -1) break
        at = end
        yield this.#value.parse()
        continue
      }
      const byte = chunk[at] ?? 0
      if (isSpace(byte)) at++
      else if (byte === openBrace) this.#value.begin(byte, this.#offset + at)
      else throw new JsonStreamError('expected {', this.#offset + at, excerptAt(chunk, at))
    }
    this.#offset += chunk.length
  }
}

/** What can come next in the text of a list. */
type Expected = 'list' | 'first-key' | 'key' | ':' | 'value' | 'more' | 'first-item' | 'item' | 'more-items' | 'end'

const expectedText = {
  list: '{',
  'first-key': 'a key or }',
  key: 'a key',
  ':': ':',
  value: 'a value',
  more: ', or }',
  'first-item': 'an item or ]',
  item: 'an item',
  'more-items': ', or ]',
  end: 'nothing more',
} as const satisfies Record<Expected, string>

/** Where punctuation leads: after `expected`, the byte, what is expected then. */
const punctuation: { readonly [Key in Expected]?: Readonly<Record<string, Expected>> } = {
  list: { '{': 'first-key' },
  'first-key': { '}': 'end' },
  ':': { ':': 'value' },
  more: { ',': 'key', '}': 'end' },
  'first-item': { ']': 'more' },
  'more-items': { ',': 'item', ']': 'more' },
}

/** Reads one object such as a ServiceList: yields what its member `items` has, and keeps its other members. */
export class ListStream implements ValueStream {
  readonly #value = new JsonValueReader()
  readonly #members = new Map<string, unknown>()
  #expected: Expected = 'list'
  #key = ''
  #hasItems = false
  #offset = 0

  /** The members beside the items. Throws when the body ended too early, or had no items (an empty list may have null). */
  end(): Readonly<Record<string, unknown>> {
    if (this.#expected !== 'end') throw new JsonStreamError('the stream ends inside a list', this.#offset)
    if (!this.#hasItems) throw new JsonStreamError('no items in what should be a list', this.#offset)
    return Object.fromEntries(this.#members)
  }

  *read(chunk: Buffer): Iterable<unknown> {
    let at = 0
    while (at < chunk.length) {
      if (this.#value.isOpen) {
        const end = this.#value.read(chunk, at)
        if (end === -1) break
        at = end
        const isItem = this.#expected === 'more-items'
        const value = this.#value.parse()
        if (isItem) yield value
        else this.#keep(value)
        continue
      }
      const byte = chunk[at] ?? 0
      if (isSpace(byte) || this.#punctuate(byte)) at++
      else if (!this.#begin(byte, at)) {
        throw new JsonStreamError(`expected ${expectedText[this.#expected]}`, this.#offset + at, excerptAt(chunk, at))
      }
    }
    this.#offset += chunk.length
  }

  /** Whether the byte was expected and is no part of a value. */
  #punctuate(byte: number): boolean {
    const isItems = this.#expected === 'value' && this.#key === 'items' && byte === openBracket
    const next = isItems ? 'first-item' : punctuation[this.#expected]?.[String.fromCharCode(byte)]
    if (next === undefined) return false
    if (isItems) this.#hasItems = true
    this.#expected = next
    return true
  }

  /** Whether a key, an item or another value may begin here, and with this byte. */
  #begin(byte: number, at: number): boolean {
    const next = this.#nextAfterValue(byte)
    if (next === undefined || !this.#value.begin(byte, this.#offset + at)) return false
    this.#expected = next
    return true
  }

  #nextAfterValue(byte: number): Expected | undefined {
    if (this.#expected === 'first-item' || this.#expected === 'item') return 'more-items'
    if (this.#expected === 'value') return 'more'
    const isKey = (this.#expected === 'first-key' || this.#expected === 'key') && byte === quote
    return isKey ? ':' : undefined
  }

  #keep(value: unknown): void {
    if (this.#expected === ':') this.#key = String(value)
    else if (this.#key === 'items') this.#hasItems ||= value === null
    else this.#members.set(this.#key, value)
  }
}
