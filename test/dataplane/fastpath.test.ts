/*
 * The table of the fast path as text, in golden files: after a change that is meant to be seen there, run this with
 * UPDATE_GOLDEN=1 and read the difference. What it does to packets is tested in test/explain/fastpath.test.ts.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fastpathCounters, type FastpathOptions, fastpathTable } from '../../src/dataplane/fastpath.ts'
import type { Codec } from '../../src/netlink/layout.ts'
import { NFNL_SUBSYS_NFTABLES, NFT_MSG } from '../../src/nft/constants.ts'
import { decodeElements } from '../../src/nft/elements.ts'
import { encodeBatch } from '../../src/nft/encode.ts'
import type { Expr } from '../../src/nft/expressions.ts'
import { chainBody, elementListBody, flowtableBody, ruleBody, setBody } from '../../src/nft/messages.ts'
import type { TableContents } from '../../src/nft/objects.ts'
import { renderTable } from '../../src/nft/render.ts'
import type { Operation } from '../../src/nft/transaction.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { ip } from '../model/fixtures.ts'
import { messagesFromNft, type NftMessage } from '../nft/nft-messages.ts'
import { assertListedAsRendered, operationsFor } from '../nft/parity.ts'
import { plain } from '../nft/round-trip.ts'

const addresses = ['10.96.0.10', 'fd00:10:96::10', '192.168.0.2', '2001:db8::1'].map(ip)

function options(parts: Partial<FastpathOptions> = {}): FastpathOptions {
  return {
    threshold: 20,
    selection: 'label',
    interfaces: ['eth0', 'cni0'],
    devices: ['eth0', 'cni0', 'veth1', 'veth2'],
    noOffload: ['10.244.1.5', 'fd00:10:244:1::5', '203.0.113.7'].map(ip),
    hasCounters: true,
    ...parts,
  }
}

const goldens = [
  { title: 'with labels', contents: fastpathTable(options()), file: 'golden/fastpath.nft' },
  {
    title: 'without labels',
    contents: fastpathTable(
      options({ threshold: 1, selection: 'addresses', serviceAddresses: addresses, hasCounters: false }),
    ),
    file: 'golden/fastpath-addresses.nft',
  },
  {
    title: 'before anything is known of the machine',
    contents: fastpathTable(options({ interfaces: [], devices: [], noOffload: [] })),
    file: 'golden/fastpath-empty.nft',
  },
]

for (const { title, contents, file } of goldens) {
  describe(`the table of the fast path ${title}`, () => {
    test('is the golden one', () => {
      const url = new URL(file, import.meta.url)
      const text = renderTable(contents)
      if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(url, text)
      assert.equal(text, readFileSync(url, 'utf8'))
    })

    test('is what the nft program would send for that text', needs(root, tool('nft')), () => {
      const theirs = decoded(messagesFromNft(renderTable(contents)))
      assert.deepEqual(decoded(ourMessages(contents)), theirs)
      assert.equal(theirs.rules.length, contents.rules.length)
      assert.equal(theirs.flowtables.length, 1)
    })

    test('is listed as rendered, but for what needs a flow table', needs(root, tool('nft')), (t) => {
      const rules = contents.rules.filter(({ expressions }) => expressions.every(({ kind }) => kind !== 'flow_offload'))
      assert.equal(rules.length, contents.rules.length - 1)
      return assertListedAsRendered(t, { ...contents, flowtables: [], rules })
    })
  })
}

describe('the counters of the fast path', () => {
  const counted = (packets: number): Expr => ({ kind: 'counter', packets, bytes: packets * 100 })
  const { rules } = fastpathTable(options())
  const running = rules.map((rule) => {
    const packets = rule.expressions.some(({ kind }) => kind === 'flow_offload') ? 3 : 70
    return { ...rule, expressions: rule.expressions.map((expr) => (expr.kind === 'counter' ? counted(packets) : expr)) }
  })

  test('are zero in rules just made', () => {
    assert.deepEqual(fastpathCounters(rules), { eligible: 0, offloaded: 0 })
  })

  test('are packets on the slow path and connections offloaded', () => {
    assert.deepEqual(fastpathCounters(running), { eligible: 70, offloaded: 3 })
  })

  test('are unknown where rules are missing, or are those of another chain', () => {
    assert.equal(fastpathCounters([]), undefined)
    assert.equal(fastpathCounters(running.slice(0, -1)), undefined)
    assert.equal(fastpathCounters(running.map((rule) => ({ ...rule, chain: 'other' }))), undefined)
  })
})

/** What a batch makes, by kind of object and in order. */
type Made = Record<'sets' | 'flowtables' | 'chains' | 'rules' | 'elements', unknown[]>

/**
 * Devices and elements come in any order. Numbers by which messages of one batch name sets are left out, and so are the
 * zeros of counters, which nft does not send.
 */
function decoded(messages: readonly NftMessage[]): Made {
  const read = <T>(type: number, codec: Pick<Codec<{ readonly attributes: T }>, 'read'>): T[] =>
    messages
      .filter((message) => message.type === type)
      .map(({ body }) => plain(codec.read(body, 0, body.length).attributes))
  return {
    sets: read(NFT_MSG.NEWSET, setBody).map((set) => ({ ...set, id: 0 })),
    flowtables: read(NFT_MSG.NEWFLOWTABLE, flowtableBody).map(({ hook, ...flowtable }) => ({
      ...flowtable,
      ...hook,
      devices: (hook?.devices ?? []).toSorted(),
    })),
    chains: read(NFT_MSG.NEWCHAIN, chainBody),
    rules: read(NFT_MSG.NEWRULE, ruleBody).map(({ expressions = [], ...rule }) => ({
      ...rule,
      expressions: expressions.map(withoutNumbers),
    })),
    elements: read(NFT_MSG.NEWSETELEM, elementListBody).map(({ set, elements = new Uint8Array() }) => ({
      set,
      keys: decodeElements(elements)
        .map(({ key }) => Buffer.from(key).toString('hex'))
        .toSorted(),
    })),
  }
}

function withoutNumbers(expr: Expr): Expr {
  if (expr.kind === 'counter') return { kind: 'counter' }
  if (expr.kind !== 'lookup') return expr
  const { setId: _, flags = 0, ...rest } = expr
  return { ...rest, flags }
}

function ourMessages(contents: TableContents): NftMessage[] {
  const { table, flowtables } = contents
  const [addTable, ...others] = operationsFor(contents)
  const adding = flowtables.map((flowtable): Operation => ({ verb: 'add', object: 'flowtable', table, flowtable }))
  const { bytes } = encodeBatch([...(addTable === undefined ? [] : [addTable]), ...adding, ...others], () => 0)
  const messages: NftMessage[] = []
  for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at)) {
    const type = bytes.readUInt16LE(at + 4)
    if (type >> 8 !== NFNL_SUBSYS_NFTABLES) continue
    messages.push({ type: type & 0xff, body: bytes.subarray(at + 16, at + bytes.readUInt32LE(at)) })
  }
  return messages
}
