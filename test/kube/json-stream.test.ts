import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { DocumentStream, ListStream } from '../../src/kube/json-stream.ts'
import type { ValueStream } from '../../src/kube/json-stream.ts'
import { JsonStreamError, maxValueBytes } from '../../src/kube/json-value.ts'

/** A small list with all that can mislead a search for its items. */
const trickyItems = [
  { metadata: { name: 'cart', annotations: { note: 'a "quoted" ]}, {[ \\ and \\" é 漢 🛒' } }, n: [[], {}, [1]] },
  null,
  {},
  'text ]',
  -1.5e3,
  true,
  { items: [{ items: [] }], metadata: { resourceVersion: 'inner' } },
]
const trickyLists = [
  { kind: 'ServiceList', items: trickyItems, metadata: { resourceVersion: '5', continue: 'a"]}' } },
  { metadata: { resourceVersion: '5' }, remaining: 12, isLast: false, items: trickyItems },
  { 'it\\ems"': [1, { items: [2] }], items: trickyItems, after: [{ items: [3] }] },
]

/** The values of a text that arrives in these pieces. */
function read(stream: ValueStream, chunks: readonly Buffer[]): unknown[] {
  return chunks.flatMap((chunk) => [...stream.read(chunk)])
}

function readList(chunks: readonly Buffer[]): { items: unknown[]; members: Readonly<Record<string, unknown>> } {
  const list = new ListStream()
  const items = read(list, chunks)
  return { items, members: list.end() }
}

function readDocuments(chunks: readonly Buffer[]): unknown[] {
  const documents = new DocumentStream()
  const values = read(documents, chunks)
  documents.end()
  return values
}

function splitAt(bytes: Buffer, ...places: readonly number[]): Buffer[] {
  const ends = [...places, bytes.length]
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}

function singleBytes(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1))
}

/** Pieces of random length, some empty. */
const lengths = fc.array(fc.nat(12), { minLength: 1 })

function inPieces(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const places: number[] = []
  let at = 0
  for (let index = 0; at < bytes.length; index++) {
    at = Math.min(bytes.length, at + (lengths[index % lengths.length] ?? 0) + (index % lengths.length === 0 ? 1 : 0))
    places.push(at)
  }
  return splitAt(bytes, ...places)
}

describe('a list', () => {
  for (const [index, raw] of trickyLists.entries()) {
    const { items, ...members } = raw
    for (const indent of [0, 2]) {
      test(`is read whole wherever it is cut (list ${index}, indented by ${indent})`, () => {
        const bytes = Buffer.from(` ${JSON.stringify(raw, null, indent)}\n`)
        for (let at = 0; at <= bytes.length; at++) {
          assert.deepEqual(readList(splitAt(bytes, at)), { items, members }, `cut at ${at}`)
        }
        assert.deepEqual(readList(singleBytes(bytes)), { items, members })
      })

      test(`that ends too early is an error wherever it ends (list ${index}, indented by ${indent})`, () => {
        const bytes = Buffer.from(JSON.stringify(raw, null, indent))
        for (let end = 0; end < bytes.length; end++) {
          assert.throws(() => readList([bytes.subarray(0, end)]), JsonStreamError, `ends at ${end}`)
        }
      })
    }
  }

  test('of any content and in any pieces gives what JSON.parse gives', () => {
    const member = fc.tuple(
      fc.string().filter((key) => key !== 'items'),
      fc.jsonValue(),
    )
    const list = fc.tuple(
      fc.array(member, { maxLength: 3 }),
      fc.array(fc.jsonValue()),
      fc.array(member, { maxLength: 3 }),
    )
    fc.assert(
      fc.property(list, lengths, fc.constantFrom(0, 1), ([before, items, after], lengths, indent) => {
        const text = JSON.stringify(Object.fromEntries([...before, ['items', items], ...after]), null, indent)
        const { items: expected, ...members } = JSON.parse(text)
        assert.deepEqual(readList(inPieces(Buffer.from(text), lengths)), { items: expected, members })
      }),
    )
  })

  test('may have null for items, and none at all is an error', () => {
    assert.deepEqual(readList([Buffer.from('{"items":null,"metadata":{}}')]), { items: [], members: { metadata: {} } })
    assert.throws(() => readList([Buffer.from('{"kind":"Status"}')]), /no items in what should be a list/)
    assert.throws(() => readList([Buffer.from('{"items":{"a":1}}')]), /no items in what should be a list/)
  })

  const flaws: readonly (readonly [text: string, offset: number, message: RegExp])[] = [
    ['[]', 0, /^expected \{ at byte 0: "\[\]"$/],
    ['<html>', 0, /^expected \{ at byte 0: "<html>"$/],
    ['{"items":[{} {}]}', 13, /^expected , or \] at byte 13: "\{\\"items\\":\[\{\} \{\}\]\}"$/],
    ['{"items":[{},]}', 13, /^expected an item at byte 13/],
    ['{"items":[,{}]}', 10, /^expected an item or \] at byte 10/],
    ['{"items" [', 9, /^expected : at byte 9/],
    ['{items:[]}', 1, /^expected a key or \} at byte 1/],
    ['{"items":[],}', 12, /^expected a key at byte 12/],
    ['{"items":[],3}', 12, /^expected a key at byte 12/],
    ['{"items":}', 9, /^expected a value at byte 9/],
    ['{"items":[]]', 11, /^expected , or \} at byte 11/],
    ['{"items":[]} x', 13, /^expected nothing more at byte 13/],
    ['{"items":[{}, {"a":}]}', 14, /^not JSON \(.*\) at byte 14$/],
    ['{"items":[{},{"a":[}}]}', 13, /^not JSON \(.*\) at byte 13$/],
    ['{"items":[nul]}', 10, /^not JSON \(.*\) at byte 10$/],
    ['{"metadata":{"a"},"items":[]}', 12, /^not JSON \(.*\) at byte 12$/],
  ]
  for (const [text, offset, message] of flaws) {
    test(`with a flaw is an error that says where: ${text}`, () => {
      const bytes = Buffer.from(text)
      assert.throws(() => readList([bytes]), { message, offset, code: 'ERR_JSON_STREAM' })
      assert.throws(() => readList(singleBytes(bytes)), { offset, code: 'ERR_JSON_STREAM' })
    })
  }

  test('yields the items before a flaw', () => {
    const list = new ListStream()
    const items: unknown[] = []
    assert.throws(() => {
      for (const item of list.read(Buffer.from('{"items":[1,2,oops]}'))) items.push(item)
    })
    assert.deepEqual(items, [1, 2])
  })

  test('with an item that goes on and on is an error, long before memory is full', () => {
    const list = new ListStream()
    const part = Buffer.alloc(1 << 20, 'x')
    read(list, [Buffer.from('{"items":["')])
    let bytes = 0
    assert.throws(
      () => {
        for (; bytes < 2 * maxValueBytes; bytes += part.length) read(list, [part])
      },
      { message: /^a value of more than 32 MB at byte 10: "\\""$/, offset: 10 },
    )
    assert.equal(bytes, maxValueBytes - part.length)
  })
})

describe('a stream of documents', () => {
  const documents = trickyItems.filter((item) => typeof item === 'object' && item !== null)

  for (const separator of ['\n', '', ' \r\n\t']) {
    test(`is read whole wherever it is cut, separated by ${JSON.stringify(separator)}`, () => {
      const bytes = Buffer.from(documents.map((document) => JSON.stringify(document) + separator).join(''))
      for (let at = 0; at <= bytes.length; at++) assert.deepEqual(readDocuments(splitAt(bytes, at)), documents)
      assert.deepEqual(readDocuments(singleBytes(bytes)), documents)
    })
  }

  test('of any content and in any pieces gives what JSON.parse gives', () => {
    fc.assert(
      fc.property(fc.array(fc.dictionary(fc.string(), fc.jsonValue())), lengths, (documents, lengths) => {
        const texts = documents.map((document) => JSON.stringify(document))
        const expected = texts.map((text) => JSON.parse(text) as unknown)
        assert.deepEqual(readDocuments(inPieces(Buffer.from(texts.join('\n')), lengths)), expected)
      }),
    )
  })

  test('yields a document as soon as its last byte is there', () => {
    const stream = new DocumentStream()
    assert.deepEqual(read(stream, [Buffer.from('{"a":1}{"b"')]), [{ a: 1 }])
    assert.deepEqual(read(stream, [Buffer.from(':2}')]), [{ b: 2 }])
  })

  test('may be empty, and is an error when it ends inside a document or has something else', () => {
    assert.deepEqual(readDocuments([]), [])
    assert.deepEqual(readDocuments([Buffer.from('\n \n')]), [])
    assert.throws(() => readDocuments([Buffer.from('{"a":1}\n{"b":"}')]), /ends inside an object at byte 15$/)
    assert.throws(() => readDocuments([Buffer.from('{"a":1}\n[]')]), /^JsonStreamError: expected \{ at byte 8/)
    assert.throws(() => readDocuments([Buffer.from('{"a":1}\n{"b":oops}')]), /not JSON \(.*\) at byte 8$/)
  })
})
