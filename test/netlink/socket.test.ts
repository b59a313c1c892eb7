import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { listAddresses } from '../../src/netlink/address.ts'
import { ByteWriter } from '../../src/netlink/bytes.ts'
import { NetlinkError } from '../../src/netlink/errors.ts'
import { attrs, bytes, cstr, type Infer, s32, struct, u16, u32, u8 } from '../../src/netlink/layout.ts'
import { createVethPair, linkByName, listLinks, setLinkUp } from '../../src/netlink/link.ts'
import { body, type Message, NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, writeMessage } from '../../src/netlink/message.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import { needs, root } from '../lab/requirements.ts'

const NLMSG_NOOP = 1
const RTM_NEWLINK = 16
const RTM_NEWADDR = 20
const RTM_GETADDR = 22
const AF_INET6 = 10

const linkHeader = struct({ family: u8, pad: u8, type: u16, index: s32, flags: u32, change: u32 })
const linkRequest = body(linkHeader, attrs({ ifname: [3, cstr], linkinfo: [18, attrs({ kind: [1, cstr] }), '?'] }))
const emptyLinkHeader = { family: 0, pad: 0, type: 0, index: 0, flags: 0, change: 0 }

const addressHeader = struct({ family: u8, prefixlen: u8, flags: u8, scope: u8, index: u32 })
const addressRequest = body(addressHeader, attrs({ local: [2, bytes, '?'] }))
const everyIpv6Address = {
  header: { family: AF_INET6, prefixlen: 0, flags: 0, scope: 0, index: 0 },
  attributes: {},
} satisfies Infer<typeof addressRequest>

describe('NetlinkSocket', needs(root), () => {
  let namespace: NetworkNamespace
  let socket: NetlinkSocket

  before(async () => {
    namespace = NetworkNamespace.create()
    socket = namespace.run(() => new NetlinkSocket(NETLINK_ROUTE))
    await createVethPair(socket, { name: 'v0', peer: { name: 'v1' } })
  })

  after(() => {
    socket.close()
    namespace.close()
  })

  test('a refusal carries the kernel’s own sentence', async () => {
    const value = { header: emptyLinkHeader, attributes: { ifname: 'x0', linkinfo: { kind: 'no-such-kind' } } }
    await assert.rejects(
      socket.request('RTM_NEWLINK x0', RTM_NEWLINK, NLM_F_CREATE, linkRequest, value),
      (error) =>
        error instanceof NetlinkError &&
        error.errno === 'EOPNOTSUPP' &&
        error.message === 'RTM_NEWLINK x0: EOPNOTSUPP (Unknown device type)',
    )
  })

  test('a refusal carries the offset of the attribute that the kernel disliked', async () => {
    const value = { header: emptyLinkHeader, attributes: { ifname: 'a-name-of-more-than-15-bytes' } }
    await assert.rejects(
      socket.request('RTM_NEWLINK', RTM_NEWLINK, 0, linkRequest, value),
      (error) =>
        error instanceof NetlinkError &&
        error.errno === 'ERANGE' &&
        error.offset === 32 && // behind nlmsghdr and ifinfomsg
        error.kernelMessage === 'Attribute failed policy validation',
    )
  })

  test('a refused request leaves the socket usable', async () => {
    const value = { header: emptyLinkHeader, attributes: { ifname: 'nobody' } }
    await assert.rejects(socket.request('RTM_NEWLINK nobody', RTM_NEWLINK, 0, linkRequest, value), NetlinkError)
    assert.ok(await linkByName(socket, 'v0'))
  })

  test('requests made at the same time are answered each by its own answer', async () => {
    const names = Array.from({ length: 60 }, (_, i) => ['v0', 'v1', 'nobody'][i % 3]!)
    const links = await Promise.all(names.map((name) => linkByName(socket, name)))
    assert.deepEqual(
      links.map((link) => link?.name),
      names.map((name) => (name === 'nobody' ? undefined : name)),
    )
  })

  test('one write may be larger than net.core.wmem_max', async () => {
    const writer = new ByteWriter()
    const payload = new Uint8Array(16 << 20)
    writeMessage(writer, NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, 77, bytes, payload)
    assert.deepEqual(await socket.transact(writer.copy(), 77, String), [])
  })

  test('a batch returns its refusals by the names of the messages', async () => {
    const writer = new ByteWriter()
    const seqs = ['v0', 'nobody', 'v1', 'nowhere', 'v0'].map((ifname) => {
      const seq = socket.nextSeq()
      writeMessage(writer, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, seq, linkRequest, {
        header: emptyLinkHeader,
        attributes: { ifname },
      })
      return seq
    })
    const refusals = await socket.transact(writer.copy(), seqs.at(-1)!, (seq) => `message ${seqs.indexOf(seq)}`)
    assert.deepEqual(
      refusals.map(({ operation, errno, seq }) => [operation, errno, seqs.indexOf(seq ?? 0)]),
      [
        ['message 1', 'ENODEV', 1],
        ['message 3', 'ENODEV', 3],
      ],
    )
  })

  test('a batch that nothing answers is an error', async () => {
    const writer = new ByteWriter()
    writeMessage(writer, NLMSG_NOOP, NLM_F_REQUEST, 5, bytes, new Uint8Array(0))
    await assert.rejects(socket.transact(writer.copy(), 5, String), /batch: ENOMSG/)
  })

  test('a closed socket refuses work instead of writing to a stranger’s descriptor', async () => {
    const closed = namespace.run(() => new NetlinkSocket(NETLINK_ROUTE))
    closed.close()
    closed.close()
    await assert.rejects(listLinks(closed), /write: EBADF/)
  })

  test('a protocol that the kernel lacks is refused', () => {
    assert.throws(() => new NetlinkSocket(31), /^NetlinkError: socket: EPROTONOSUPPORT$/)
  })
})

describe('a dump of many messages', needs(root), () => {
  /** So many that a dump takes several reads: the kernel prepares one read ahead. */
  const addressCount = 2000
  let namespace: NetworkNamespace
  let socket: NetlinkSocket

  before(async () => {
    namespace = NetworkNamespace.create()
    socket = namespace.run(() => new NetlinkSocket(NETLINK_ROUTE))
    await createVethPair(socket, { name: 'v0', peer: { name: 'v1' } })
    await setLinkUp(socket, 'lo')
    const index = (await linkByName(socket, 'v0'))!.index
    const writer = new ByteWriter()
    let seq = 0
    for (let i = 0; i < addressCount; i++) {
      seq = socket.nextSeq()
      writeMessage(writer, RTM_NEWADDR, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK, seq, addressRequest, {
        header: { family: AF_INET6, prefixlen: 128, flags: 0, scope: 0, index },
        attributes: { local: Uint8Array.of(0xfd, ...new Uint8Array(13), i >> 8, i) },
      })
    }
    assert.deepEqual(await socket.transact(writer.copy(), seq, String), [])
  })

  after(() => {
    socket.close()
    namespace.close()
  })

  /** Takes the address of `lo` away or lets it come back: any change of an IPv6 address interrupts a dump of them. */
  function changeAddresses(isOff: boolean): void {
    namespace.run(() => writeFileSync('/proc/sys/net/ipv6/conf/lo/disable_ipv6', isOff ? '1' : '0'))
  }

  /** Dumps the addresses; `onFirst(attempt)` is called with the first message of each attempt. */
  async function dumpLastBytes(onFirst: (attempt: number) => void): Promise<{ attempts: number; addresses: number[] }> {
    let lastSeq = 0
    let attempts = 0
    const addresses = await socket.dump(
      'RTM_GETADDR',
      RTM_GETADDR,
      addressRequest,
      everyIpv6Address,
      ({ payload, seq }: Message) => {
        if (seq !== lastSeq) onFirst(++attempts)
        lastSeq = seq
        return payload.readUInt16BE(8 + 4 + 14) // the last two bytes of IFA_ADDRESS, which comes first
      },
    )
    return { attempts, addresses }
  }

  test('returns each of them once', async () => {
    const addresses = (await listAddresses(socket, 6)).filter(({ address }) => address !== '::1')
    assert.equal(new Set(addresses.map(({ address }) => address)).size, addressCount)
    assert.equal(addresses.length, addressCount)
  })

  test('is started again when a change interrupts it', async () => {
    const { attempts, addresses } = await dumpLastBytes((attempt) => attempt <= 2 && changeAddresses(attempt === 1))
    assert.equal(attempts, 3)
    const expected = Array.from({ length: addressCount }, (_, i) => i)
    assert.deepEqual(
      addresses.toSorted((a, b) => a - b),
      [1, ...expected].toSorted((a, b) => a - b), // ::1 too
    )
  })

  test('is given up when changes never cease', async () => {
    let attempts = 0
    const dump = dumpLastBytes((attempt) => {
      attempts = attempt
      changeAddresses(attempt % 2 === 1)
    })
    await assert.rejects(dump, /RTM_GETADDR: EINTR \(interrupted 10 times by changes\)/)
    assert.equal(attempts, 10)
  })

  test('may be told to make do with what it has after some interruptions', async () => {
    const interrupted = async (times: number) => {
      let attempts = 0
      let received = 0
      let isFirst = true
      const isWhole = await socket.dumpEach('RTM_GETADDR', RTM_GETADDR, addressRequest, everyIpv6Address, {
        attempts: 5,
        onStart() {
          attempts++
          received = 0
          isFirst = true
        },
        onMessage() {
          received++
          if (isFirst && attempts <= times) changeAddresses(attempts % 2 === 1)
          isFirst = false
        },
      })
      changeAddresses(false)
      return { isWhole, attempts, hasReceived: received > addressCount / 2 }
    }
    assert.deepEqual(await interrupted(0), { isWhole: true, attempts: 1, hasReceived: true })
    assert.deepEqual(await interrupted(4), { isWhole: true, attempts: 5, hasReceived: true })
    assert.deepEqual(await interrupted(5), { isWhole: false, attempts: 5, hasReceived: true })
  })

  test('that cannot be decoded leaves the socket usable', async () => {
    const failing = () => {
      throw new RangeError('cannot decode')
    }
    await assert.rejects(dumpLastBytes(failing), /cannot decode/)
    assert.ok((await listAddresses(socket, 6)).length >= addressCount)
  })
})
