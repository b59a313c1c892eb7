import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { NFPROTO_IPV4 } from '../../src/nft/constants.ts'
import { dataTypes } from '../../src/nft/datatypes.ts'
import { emptyBody, familyHeader, setBody, type SetMessage } from '../../src/nft/messages.ts'
import { byType, byTypeof, type NftSet, type SetType, type TableRef } from '../../src/nft/objects.ts'
import { setTypeText } from '../../src/nft/render-element.ts'
import {
  ctOriginalDaddr,
  daddr,
  dport,
  iifname,
  knownSelectors,
  l4proto,
  metaMark,
  nfproto,
  numgenRandom,
  saddr,
  sport,
  thDport,
} from '../../src/nft/selectors.ts'
import { commentFrom, commentUserdata, setUserdata, setUserdataContents } from '../../src/nft/userdata.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { freshKernel, type Kernel } from './kernel.ts'
import { plain } from './round-trip.ts'

const { ipv4_addr, ipv6_addr, inet_proto, inet_service, mark, ifname } = dataTypes
const slot = numgenRandom(1)
const addressAndPort = byTypeof(daddr('ip'), dport('tcp'))

const declarations: readonly [nft: string, set: Omit<NftSet, 'name'>][] = [
  ['type ipv4_addr', { key: byType(ipv4_addr) }],
  ['type ipv6_addr', { key: byType(ipv6_addr) }],
  ['type inet_proto', { key: byType(inet_proto) }],
  ['type mark', { key: byType(mark) }],
  ['type ifname', { key: byType(ifname) }],
  ['type ipv4_addr . inet_proto . inet_service', { key: byType(ipv4_addr, inet_proto, inet_service) }],
  ['type inet_proto . inet_service', { key: byType(inet_proto, inet_service) }],
  ['type ifname . mark', { key: byType(ifname, mark) }],
  ['typeof ip daddr', { key: byTypeof(daddr('ip')) }],
  ['typeof ip6 saddr', { key: byTypeof(saddr('ip6')) }],
  ['typeof meta l4proto', { key: byTypeof(l4proto) }],
  ['typeof ip protocol', { key: byTypeof(...knownSelectors.filter((selector) => selector.text === 'ip protocol')) }],
  ['typeof meta nfproto', { key: byTypeof(nfproto) }],
  ['typeof meta mark', { key: byTypeof(metaMark) }],
  ['typeof iifname', { key: byTypeof(iifname) }],
  ['typeof numgen random mod 1', { key: byTypeof(slot) }],
  ['typeof ip daddr . tcp dport', { key: addressAndPort }],
  ['typeof ip6 daddr . udp dport', { key: byTypeof(daddr('ip6'), dport('udp')) }],
  ['typeof ip saddr . sctp sport', { key: byTypeof(saddr('ip'), sport('sctp')) }],
  ['typeof ip daddr . meta l4proto . th dport', { key: byTypeof(daddr('ip'), l4proto, thDport) }],
  ['typeof ip daddr . tcp dport . numgen random mod 1', { key: byTypeof(daddr('ip'), dport('tcp'), slot) }],
  ['typeof ip saddr . ct original ip daddr', { key: byTypeof(saddr('ip'), ctOriginalDaddr('ip')) }],
  ['typeof ip6 saddr . ct original ip6 daddr', { key: byTypeof(saddr('ip6'), ctOriginalDaddr('ip6')) }],
  ['type ipv4_addr : verdict', { key: byType(ipv4_addr), value: 'verdict' }],
  ['type inet_proto . inet_service : verdict', { key: byType(inet_proto, inet_service), value: 'verdict' }],
  [
    'typeof ip daddr . meta l4proto . th dport : verdict',
    { key: byTypeof(daddr('ip'), l4proto, thDport), value: 'verdict' },
  ],
  ['type ipv4_addr : mark', { key: byType(ipv4_addr), value: byType(mark) }],
  ['typeof ip daddr : meta mark', { key: byTypeof(daddr('ip')), value: byTypeof(metaMark) }],
  ['type ipv4_addr : ipv4_addr . inet_service', { key: byType(ipv4_addr), value: byType(ipv4_addr, inet_service) }],
  [
    'typeof ip daddr . tcp dport . numgen random mod 1 : ip daddr . tcp dport',
    { key: byTypeof(daddr('ip'), dport('tcp'), slot), value: addressAndPort },
  ],
  [
    'typeof ip6 daddr . sctp dport . numgen random mod 1 : ip6 daddr . sctp dport',
    { key: byTypeof(daddr('ip6'), dport('sctp'), slot), value: byTypeof(daddr('ip6'), dport('sctp')) },
  ],
  ['type ipv4_addr; comment "all cluster IPs"', { key: byType(ipv4_addr), comment: 'all cluster IPs' }],
  ['typeof ip daddr : verdict; comment "é"', { key: byTypeof(daddr('ip')), value: 'verdict', comment: 'é' }],
  ['type ipv4_addr; flags interval', { key: byType(ipv4_addr), flags: ['interval'] }],
  ['type ipv4_addr . inet_service; flags interval', { key: byType(ipv4_addr, inet_service), flags: ['interval'] }],
  [
    'type ipv4_addr : inet_service; flags interval',
    { key: byType(ipv4_addr), value: byType(inet_service), flags: ['interval'] },
  ],
  [
    'typeof ip daddr . tcp dport : verdict; flags interval',
    { key: addressAndPort, value: 'verdict', flags: ['interval'] },
  ],
  ['type ipv4_addr; timeout 3h', { key: byType(ipv4_addr), flags: ['timeout'], timeoutMs: 10_800_000 }],
  ['type ipv4_addr; flags timeout', { key: byType(ipv4_addr), flags: ['timeout'] }],
  ['type ipv4_addr; size 12', { key: byType(ipv4_addr), size: 12 }],
  ['type ipv4_addr; flags dynamic; size 65535', { key: byType(ipv4_addr), flags: ['dynamic'], size: 65535 }],
  [
    'typeof ip saddr . tcp dport : ip daddr . tcp dport; flags dynamic; timeout 5m; size 100',
    {
      key: byTypeof(saddr('ip'), dport('tcp')),
      value: addressAndPort,
      flags: ['dynamic', 'timeout'],
      timeoutMs: 300_000,
      size: 100,
    },
  ],
]

describe('a set declared here is, in every attribute, the set that nft makes of', needs(root, tool('nft')), () => {
  for (const [nft, declaration] of declarations) {
    test(nft, async (t) => {
      const set: NftSet = { name: 's', ...declaration }
      const [theirs, ours] = [freshKernel(t), freshKernel(t)]
      theirs.load(`table ip t {\n ${set.value === undefined ? 'set' : 'map'} s { ${nft}; }\n}`)
      await ours.connection.commit([
        { verb: 'add', object: 'table', table },
        { verb: 'add', object: 'set', table, set },
      ])
      assert.deepEqual(await dumpedSet(ours), await dumpedSet(theirs))
      assert.deepEqual(plain(setUserdata(set)), (await dumpedSet(theirs))?.userdata)
      assert.deepEqual(declarationOf((await theirs.read(table)).sets[0]), declarationOf(set))
    })
  }
})

describe('the userdata of a set', () => {
  const selectors = fc.array(fc.constantFrom(...knownSelectors, slot, numgenRandom(70_000)), {
    minLength: 1,
    maxLength: 5,
  })

  test('gives the packet fields back that the set was declared by', () => {
    fc.assert(
      fc.property(selectors, fc.option(selectors), (key, value) => {
        const set = { name: 's', key: byTypeof(...key), ...(value === null ? {} : { value: byTypeof(...value) }) }
        const found = setUserdataContents(setUserdata(set))
        assert.deepEqual(
          found.keySelectors?.map(({ text }) => text),
          key.map(({ text }) => text),
        )
        assert.deepEqual(
          found.valueSelectors?.map(({ text }) => text),
          value?.map(({ text }) => text),
        )
      }),
    )
  })

  test('names no packet fields where the set was declared by data types', () => {
    for (const key of [byType(ipv4_addr), byType(ipv4_addr, inet_service)]) {
      assert.equal(setUserdataContents(setUserdata({ name: 's', key })).keySelectors, undefined)
    }
  })

  test('names no packet fields when one of them is not known here', () => {
    const unknown = { ...metaMark, typeof: { expression: 9, operands: [4242] } }
    const userdata = setUserdata({ name: 's', key: byTypeof(saddr('ip'), unknown) })
    assert.equal(setUserdataContents(userdata).keySelectors, undefined)
  })

  test('may be missing', () => {
    assert.deepEqual(setUserdataContents(undefined), {
      keySelectors: undefined,
      valueSelectors: undefined,
      comment: undefined,
    })
  })
})

describe('a comment', () => {
  const comments: readonly [title: string, given: string, kept: string][] = [
    ['of 127 bytes is kept', 'a'.repeat(127), 'a'.repeat(127)],
    ['of 128 bytes loses the last', 'a'.repeat(128), 'a'.repeat(127)],
    ['is cut between characters, not within one', 'é'.repeat(64), 'é'.repeat(63)],
    ['of 253 bytes of UTF-8 is cut', `${'日'.repeat(84)}x`, '日'.repeat(42)],
    ['is not cut within a surrogate pair', '😀'.repeat(32), '😀'.repeat(31)],
    ['gets single quotes for double ones', 'say "hi"', "say 'hi'"],
    ['may be empty', '', ''],
  ]
  for (const [title, given, kept] of comments) {
    test(title, () => assert.equal(commentFrom(commentUserdata(given)), kept))
  }

  test('is undefined where there is no userdata', () => assert.equal(commentFrom(undefined), undefined))
})

const table: TableRef = { family: 'ip', name: 't' }

async function dumpedSet({ connection }: Kernel): Promise<SetMessage | undefined> {
  const request = { header: familyHeader(NFPROTO_IPV4), attributes: {} }
  const [set] = await connection.dump('GETSET', emptyBody, request, setBody)
  return set === undefined ? undefined : plain({ ...set.attributes, handle: 0 })
}

function declarationOf(set: NftSet | undefined): object {
  if (set === undefined) return {}
  return {
    ...set,
    key: typeOf(set.key),
    value: set.value === undefined || set.value === 'verdict' ? set.value : typeOf(set.value),
  }
}

function typeOf(type: SetType): string {
  return `${type.kind} ${setTypeText(type)}`
}
