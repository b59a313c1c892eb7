import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { NFPROTO_IPV4 } from '../../src/nft/constants.ts'
import {
  addressType,
  compareConcatenations,
  concatenatedBytes,
  type DataTypeName,
  dataTypes,
  formatConcatenation,
  hex32,
  hostBytes,
  hostInteger,
  paddedBytes,
  protocolName,
} from '../../src/nft/datatypes.ts'
import { emptyBody, familyHeader, setBody } from '../../src/nft/messages.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { freshKernel } from './kernel.ts'
import { u32 } from './round-trip.ts'

describe('the numbers of data types are those of the nft program', needs(root, tool('nft')), () => {
  const declarations = {
    ipv4_addr: 'type ipv4_addr',
    ipv6_addr: 'type ipv6_addr',
    inet_proto: 'type inet_proto',
    inet_service: 'type inet_service',
    mark: 'type mark',
    ifname: 'type ifname',
    ct_label: 'typeof ct label',
    nf_proto: 'type nf_proto',
    fib_addrtype: 'typeof fib daddr type',
  } satisfies Record<Exclude<DataTypeName, 'integer'>, string>

  for (const [name, declaration] of Object.entries(declarations)) {
    test(name, async (t) => {
      const { connection, load } = freshKernel(t)
      load(`table ip t {\n set s { ${declaration}; }\n}`)
      const request = { header: familyHeader(NFPROTO_IPV4), attributes: {} }
      const [set] = await connection.dump('GETSET', emptyBody, request, setBody)
      const { id, bytes } = dataTypes[name as DataTypeName]
      assert.deepEqual([set?.attributes.keyType, set?.attributes.keyLen], [id, bytes])
    })
  }

  test('and every type but the one without a size of its own is among those', () => {
    assert.deepEqual(Object.keys({ ...declarations, integer: '' }).toSorted(), Object.keys(dataTypes).toSorted())
  })
})

const serviceKey = [dataTypes.ipv4_addr, dataTypes.inet_proto, dataTypes.inet_service]

describe('a concatenation', () => {
  test('pads each part to four bytes, but not a single one', () => {
    assert.deepEqual(serviceKey.map(paddedBytes), [4, 4, 4])
    assert.equal(concatenatedBytes(serviceKey), 12)
    assert.equal(concatenatedBytes([dataTypes.inet_service]), 2)
    assert.equal(concatenatedBytes([addressType('ip6'), dataTypes.ifname]), 32)
  })

  test('is written part by part', () => {
    const key = Uint8Array.of(10, 96, 0, 1, 6, 0, 0, 0, 0, 80, 0, 0)
    assert.equal(formatConcatenation(serviceKey, key), '10.96.0.1 . tcp . 80')
  })

  test('is sorted by the values of its parts, not by their bytes in memory', () => {
    fc.assert(
      fc.property(u32, u32, u32, u32, (a, b, c, d) => {
        const types = [dataTypes.mark, dataTypes.integer]
        const order = compareConcatenations(types, marks(a, b), marks(c, d))
        assert.equal(Math.sign(order), Math.sign(a - c || b - d))
      }),
    )
  })
})

test('an integer in host order is read as it was written', () => {
  fc.assert(fc.property(u32, (value) => assert.equal(hostInteger(hostBytes(value)), value)))
})

test('a mark is written with all its eight digits', () => {
  assert.equal(hex32(0x4000), '0x00004000')
})

test('a protocol without a name here is written as its number', () => {
  assert.deepEqual([6, 17, 132, 58, 200].map(protocolName), ['tcp', 'udp', 'sctp', 'ipv6-icmp', '200'])
})

function marks(first: number, second: number): Uint8Array {
  return Uint8Array.of(...hostBytes(first), ...hostBytes(second))
}
