import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { refusal } from '../../src/netlink/ack.ts'
import { ByteWriter } from '../../src/netlink/bytes.ts'
import { DecodeError, NetlinkError } from '../../src/netlink/errors.ts'
import { attrs, cstr, u32 } from '../../src/netlink/layout.ts'
import { type Message, NLMSG_ERROR } from '../../src/netlink/message.ts'

const NLM_F_CAPPED = 0x100
const NLM_F_ACK_TLVS = 0x200

/** An NLMSG_ERROR message as the kernel writes it: the errno negated, then the refused request. */
function errorMessage(
  errno: number,
  flags: number,
  request: Uint8Array,
  extended: Uint8Array = new Uint8Array(0),
): Message {
  const writer = new ByteWriter()
  writer.u32(-errno)
  writer.bytes(request)
  writer.align4()
  writer.bytes(extended)
  return { type: NLMSG_ERROR, flags, seq: 5, payload: writer.copy() }
}

function requestHeader(length: number): Uint8Array {
  const writer = new ByteWriter()
  writer.u32(length)
  writer.bytes(new Uint8Array(12))
  return writer.copy()
}

function extendedAck(message: string, offset: number): Uint8Array {
  const writer = new ByteWriter()
  attrs({ message: [1, cstr], offset: [2, u32] }).write(writer, { message, offset })
  return writer.copy()
}

describe('refusal', () => {
  test('errno 0 is an acknowledgement', () => {
    assert.equal(refusal(errorMessage(0, NLM_F_CAPPED, requestHeader(40)), 'RTM_NEWLINK'), undefined)
  })

  test('an errno gives the error its name, the operation and the sequence number', () => {
    const error = refusal(errorMessage(17, NLM_F_CAPPED, requestHeader(40)), 'RTM_NEWLINK veth0')
    assert.ok(error instanceof NetlinkError)
    assert.equal(error.message, 'RTM_NEWLINK veth0: EEXIST')
    assert.deepEqual([error.errno, error.seq, error.kernelMessage, error.offset], ['EEXIST', 5, undefined, undefined])
  })

  test('the extended ack follows the header of a capped request', () => {
    const flags = NLM_F_CAPPED | NLM_F_ACK_TLVS
    const error = refusal(errorMessage(22, flags, requestHeader(400), extendedAck('Bad name', 36)), 'RTM_NEWLINK')
    assert.equal(error?.message, 'RTM_NEWLINK: EINVAL (Bad name)')
    assert.equal(error?.offset, 36)
  })

  test('the extended ack follows the whole request when it is not capped, padded or not', () => {
    for (const length of [20, 21, 23, 24]) {
      const request = Buffer.concat([requestHeader(length), new Uint8Array(length - 16)])
      const error = refusal(errorMessage(2, NLM_F_ACK_TLVS, request, extendedAck('No such chain', 20)), 'batch')
      assert.equal(error?.kernelMessage, 'No such chain')
    }
  })

  test('attributes are not looked for where the flags do not announce them', () => {
    const request = Buffer.concat([requestHeader(20), Buffer.from('ffffffff', 'hex')])
    assert.equal(refusal(errorMessage(2, 0, request), 'batch')?.kernelMessage, undefined)
  })

  test('a message that is too short for struct nlmsgerr is refused', () => {
    const payload = Buffer.alloc(8, 0xff)
    assert.throws(() => refusal({ type: NLMSG_ERROR, flags: 0, seq: 1, payload }, 'batch'), DecodeError)
  })
})
