import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { messages, NLM_F_ACK } from '../../src/netlink/message.ts'
import { NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES } from '../../src/nft/constants.ts'
import { dataTypes } from '../../src/nft/datatypes.ts'
import { decodeElements, encodeElements } from '../../src/nft/elements.ts'
import { encodeBatch } from '../../src/nft/encode.ts'
import { elementListBody, flowtableBody } from '../../src/nft/messages.ts'
import { byType, type NftSet, type TableRef } from '../../src/nft/objects.ts'
import type { Operation } from '../../src/nft/transaction.ts'
import { plain } from './round-trip.ts'

const table: TableRef = { family: 'ip', name: 't' }
const set: NftSet = { name: 's', key: byType(dataTypes.ipv4_addr) }

function batchOf(operations: readonly Operation[], firstSeq = 1) {
  let seq = firstSeq - 1
  const batch = encodeBatch(operations, () => ++seq)
  return { ...batch, messages: [...messages(batch.bytes)] }
}

function addElements(count: number): Operation & { object: 'element' } {
  const elements = Array.from({ length: count }, (_, index) => ({
    key: Uint8Array.of(10, index >> 16, index >> 8, index),
    comment: 'x'.repeat(index % 128),
  }))
  return { verb: 'add', object: 'element', table, set, elements: encodeElements(elements) }
}

describe('a batch', () => {
  test('is a message for each operation between a begin and an end, numbered one after the other', () => {
    const batch = batchOf(
      [
        { verb: 'add', object: 'table', table },
        { verb: 'add', object: 'set', table, set },
      ],
      7,
    )
    assert.deepEqual(
      batch.messages.map(({ seq }) => seq),
      [7, 8, 9, 10],
    )
    assert.deepEqual(
      [batch.messages.at(0)?.type, batch.messages.at(-1)?.type],
      [NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END],
    )
    for (const { type } of batch.messages.slice(1, -1)) assert.equal(type >> 8, NFNL_SUBSYS_NFTABLES)
  })

  test('asks for one acknowledgement, of its last operation', () => {
    const { ackSeq, messages } = batchOf([{ verb: 'add', object: 'table', table }, addElements(5000)])
    const asked = messages.filter(({ flags }) => (flags & NLM_F_ACK) !== 0).map(({ seq }) => seq)
    assert.deepEqual(asked, [ackSeq])
    assert.equal(ackSeq, messages.at(-2)?.seq)
  })

  test('asks for none where there is nothing to send', () => {
    assert.equal(batchOf([]).ackSeq, undefined)
    assert.equal(batchOf([addElements(0), addElements(0)]).ackSeq, undefined)
  })

  test('knows which operation a message belongs to', () => {
    const operations: Operation[] = [
      { verb: 'add', object: 'table', table },
      addElements(3000),
      { verb: 'add', object: 'set', table, set },
    ]
    const { part, messages } = batchOf(operations)
    const found = messages.map(({ seq }) => part(seq)?.operation)
    assert.deepEqual([...new Set(found)], [undefined, ...operations])
    assert.equal(part(4242), undefined)
  })
})

describe('elements', () => {
  for (const count of [1, 500, 20_000]) {
    test(`${count} are carried whole and in order, each message below 64 KiB of them`, () => {
      const operation = addElements(count)
      const { messages } = batchOf([operation])
      const carried = messages.slice(1, -1).map(({ payload }) => {
        const { elements } = elementListBody.read(payload, 0, payload.length).attributes
        return elements ?? new Uint8Array()
      })
      for (const { length } of carried) assert.ok(length > 0 && length <= 65_528, String(length))
      assert.deepEqual(plain(carried.flatMap(decodeElements)), plain(decodeElements(operation.elements)))
    })
  }

  test('fill their messages', () => {
    const { messages } = batchOf([addElements(20_000)])
    for (const { payload } of messages.slice(1, -2)) assert.ok(payload.length > 65_000, String(payload.length))
  })

  test('are found again by their place in the message that carries them', () => {
    const operation = addElements(3000)
    const { bytes, part, messages } = batchOf([operation])
    let at = 0
    for (const { seq, payload } of messages) {
      const elements = part(seq)?.elements
      const length = payload.length + 16
      if (elements !== undefined) {
        const inMessage = bytes.subarray(at + elements.messageOffset, at + length)
        const given = operation.elements.subarray(elements.start, elements.end)
        assert.ok(inMessage.equals(given), `message ${seq}`)
      }
      at += length
    }
  })
})

test('a flowtable is encoded with the ingress hook, its devices and its counters', () => {
  const flowtable = { name: 'fast', priority: -10, devices: ['eth0', 'veth1'], hasCounters: true }
  const { messages } = batchOf([{ verb: 'add', object: 'flowtable', table, flowtable }])
  const payload = messages[1]?.payload ?? Buffer.alloc(0)
  assert.deepEqual(flowtableBody.read(payload, 0, payload.length).attributes, {
    table: 't',
    name: 'fast',
    hook: { num: 0, priority: -10, devices: ['eth0', 'veth1'] },
    flags: 2,
  })
})

for (const [verb, type] of [
  ['add', 22],
  ['delete', 24],
  ['destroy', 32],
] as const) {
  test(`${verb} of a flowtable's devices names these alone, in a message of type ${type}`, () => {
    const { messages } = batchOf([
      { verb, object: 'flowtable-devices', table, flowtable: 'fast', devices: ['eth0', 'veth*'] },
    ])
    const { type: found = 0, payload = Buffer.alloc(0) } = messages[1] ?? {}
    assert.equal(found & 0xff, type)
    assert.deepEqual(flowtableBody.read(payload, 0, payload.length).attributes, {
      table: 't',
      name: 'fast',
      hook: { devices: ['eth0', 'veth*'] },
    })
  })
}

test("a flowtable's devices are names of attribute type 1 and prefixes of type 2", () => {
  const { bytes } = batchOf([{ verb: 'add', object: 'flowtable-devices', table, flowtable: 'f', devices: ['e', 'v*'] }])
  const devices = '06000100650000000600020076000000'
  assert.ok(bytes.toString('hex').includes(`14000380${devices}`), bytes.toString('hex'))
})
