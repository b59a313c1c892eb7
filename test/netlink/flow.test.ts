import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { ByteWriter } from '../../src/netlink/bytes.ts'
import { DecodeError } from '../../src/netlink/errors.ts'
import {
  type Flow,
  flowAnswerer,
  flowDestination,
  flowLayout,
  flowProtocol,
  flowText,
  flowZone,
  packSocket,
} from '../../src/netlink/flow.ts'
import { inetNtop, inetPton } from '../../src/netlink/inet.ts'
import { flow } from './flows.ts'
import { fromHex } from './hex.ts'

/** 10.0.0.2:5000 -> 172.30.0.41:53, answered by 10.180.0.1:5353, in zone 7. */
const bytes = fromHex(
  [
    '02000000',
    '34000180',
    '14000180 08000100 0a000002 08000200 ac1e0029',
    '1c000280 05000100 11000000 06000200 13880000 06000300 00350000',
    '34000280',
    '14000180 08000100 0ab40001 08000200 0a000002',
    '1c000280 05000100 11000000 06000200 14e90000 06000300 13880000',
    '08000700 00000258',
    '06001200 00070000',
  ].join(''),
)

const sample = flow({
  client: ['10.0.0.2', 5000],
  destination: ['172.30.0.41', 53],
  answerer: ['10.180.0.1', 5353],
  zone: 7,
})

function encode(value: Flow): Buffer {
  const writer = new ByteWriter()
  flowLayout.write(writer, value)
  return writer.copy()
}

describe('an entry of conntrack', () => {
  test('is these bytes', () => {
    assert.deepEqual(encode(sample), bytes)
  })

  test('is read from these bytes', () => {
    assert.deepEqual(flowLayout.read(bytes, 0, bytes.length), sample)
  })

  test('says in place what tells whether it is of interest', () => {
    assert.equal(flowProtocol(bytes), 17)
    assert.equal(flowDestination(bytes), packSocket(inetPton('172.30.0.41'), 53))
    assert.equal(flowAnswerer(bytes), packSocket(inetPton('10.180.0.1'), 5353))
    assert.equal(flowZone(bytes), 7)
  })

  test('in the zone that all are in names none', () => {
    assert.equal(flowZone(encode(flow({ client: ['10.0.0.2', 1], destination: ['10.0.0.3', 2] }))), 0)
  })

  test('whose directions are in different zones is in that of the first', () => {
    const { header, attributes } = sample
    const { zone, ...others } = attributes
    const inTwo = { header, attributes: { ...others, original: { ...attributes.original, zone } } }
    assert.equal(flowZone(encode(inTwo)), 7)
  })

  test('reads as its first packet', () => {
    assert.equal(flowText(sample), '10.0.0.2:5000 -> 172.30.0.41:53')
    const ipv6 = flow({ client: ['fd00::2', 5000], destination: ['fd00::41', 53] })
    assert.equal(flowText(ipv6), '[fd00::2]:5000 -> [fd00::41]:53')
  })

  test('is decoded to what was encoded, and in place to the same', () => {
    const port = fc.integer({ min: 0, max: 0xffff })
    const socketsOf = (length: number) =>
      fc.tuple(fc.uint8Array({ minLength: length, maxLength: length }).map(inetNtop), port)
    const plan = fc.constantFrom(4, 16).chain((length) =>
      fc.record({
        protocol: fc.integer({ min: 0, max: 255 }),
        client: socketsOf(length),
        destination: socketsOf(length),
        answerer: socketsOf(length),
        zone: fc.integer({ min: 0, max: 0xffff }),
      }),
    )
    fc.assert(
      fc.property(plan, (parts) => {
        const { protocol, destination, answerer, zone } = parts
        const value = flow(parts)
        const encoded = encode(value)
        assert.deepEqual(flowLayout.read(encoded, 0, encoded.length), value)
        assert.equal(flowProtocol(encoded), protocol)
        assert.equal(flowDestination(encoded), packSocket(inetPton(destination[0]), destination[1]))
        assert.equal(flowAnswerer(encoded), packSocket(inetPton(answerer[0]), answerer[1]))
        assert.equal(flowZone(encoded), zone)
      }),
    )
  })

  const malformed: readonly [title: string, payload: Buffer][] = [
    ['without any attribute', bytes.subarray(0, 4)],
    ['without a reply', bytes.subarray(0, 4 + 0x34)],
    ['cut short', bytes.subarray(0, bytes.length - 30)],
    ['with an attribute that is shorter than its header', Buffer.concat([bytes.subarray(0, 4), fromHex('03000180')])],
    ['with another one in place of the address', Buffer.from(bytes).fill(9, 14, 15).fill(9, 22, 23)],
  ]
  for (const [title, payload] of malformed) {
    test(`${title} is refused`, () => {
      assert.throws(() => {
        flowProtocol(payload)
        flowDestination(payload)
        flowAnswerer(payload)
        flowZone(payload)
      }, DecodeError)
    })
  }
})

test('a packed socket is its bytes in network order', () => {
  assert.equal(packSocket(inetPton('10.0.0.255'), 0x1234), '\x0a\x00\x00\xff\x12\x34')
  assert.equal(packSocket(inetPton('fd00::1'), 53), `\xfd${'\0'.repeat(14)}\x01\x00\x35`)
  assert.equal(packSocket(new Uint8Array(0), 30053), '\x75\x65')
})
