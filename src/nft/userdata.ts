/*
 * Userdata: bytes that the kernel keeps for user space. What nft(8) writes there makes its listings readable:
 * comments, and for sets how the key was declared. The format is nftables' own (enum nftnl_udata_*, libnftnl):
 * a list of | type u8 | length u8 | value |, nested the same way, integers in host order.
 */
import { ByteWriter } from '../netlink/bytes.ts'
import { commentMaxBytes } from './constants.ts'
import type { DataType } from './datatypes.ts'
import { hostInteger } from './datatypes.ts'
import type { NftSet, SetType } from './objects.ts'
import {
  EXPR_CONCAT,
  EXPR_VERDICT,
  knownSelectors,
  numgenRandom,
  type Selector,
  selectorByteOrder,
} from './selectors.ts'

/** enum nftnl_udata_set_types */
const SET_KEYBYTEORDER = 0
const SET_DATABYTEORDER = 1
const SET_KEY_TYPEOF = 3
const SET_DATA_TYPEOF = 4
const SET_DATA_INTERVAL = 6
const SET_COMMENT = 7
/** The type of a comment on everything but a set: NFTNL_UDATA_{TABLE,CHAIN,RULE,SET_ELEM}_COMMENT. */
const COMMENT = 0

/** enum byteorder of nftables */
const byteOrders = { none: 0, host: 1, network: 2 } as const satisfies Record<DataType['byteOrder'], number>

const commentWriter = new ByteWriter(256)

/** Userdata of a table, chain, rule or element: its comment, cut to 127 bytes as nft(8) accepts no longer one. */
export function commentUserdata(comment: string): Uint8Array {
  commentWriter.truncate(0)
  writeComment(commentWriter, COMMENT, comment)
  return Uint8Array.from(commentWriter.view())
}

/** The comment in userdata of a table, chain, rule or element. */
export function commentFrom(userdata: Uint8Array | undefined): string | undefined {
  const comment = entries(userdata).get(COMMENT)
  return comment === undefined ? undefined : cString(comment)
}

/** Userdata of a set or map, equal byte for byte to what nft 1.0.6 writes for the same declaration. */
export function setUserdata(set: NftSet): Uint8Array {
  const writer = new ByteWriter(128)
  writeInteger(writer, SET_KEYBYTEORDER, byteOrder(set.key))
  if (set.value !== undefined) {
    writeInteger(writer, SET_DATABYTEORDER, set.value === 'verdict' ? byteOrders.none : byteOrder(set.value))
  }
  writeTypeof(writer, SET_KEY_TYPEOF, set.key)
  if (set.value !== undefined) {
    if (set.value !== 'verdict') writeTypeof(writer, SET_DATA_TYPEOF, set.value)
    else if (set.key.kind === 'typeof') writeVerdictTypeof(writer)
    writeInteger(writer, SET_DATA_INTERVAL, 0)
  }
  if (set.comment !== undefined) writeComment(writer, SET_COMMENT, set.comment)
  return writer.copy()
}

/** What set userdata says beyond the set's own attributes. `keySelectors` are absent where the set was declared by type. */
export function setUserdataContents(userdata: Uint8Array | undefined): {
  readonly keySelectors: readonly Selector[] | undefined
  readonly valueSelectors: readonly Selector[] | undefined
  readonly comment: string | undefined
} {
  const found = entries(userdata)
  const comment = found.get(SET_COMMENT)
  return {
    keySelectors: typeofSelectors(found.get(SET_KEY_TYPEOF)),
    valueSelectors: typeofSelectors(found.get(SET_DATA_TYPEOF)),
    comment: comment === undefined ? undefined : cString(comment),
  }
}

function byteOrder(type: SetType): number {
  const [first, second] =
    type.kind === 'type' ? type.parts.map((part) => part.byteOrder) : type.parts.map(selectorByteOrder)
  return byteOrders[first === undefined || second !== undefined ? 'none' : first]
}

/**
 *   typeof one field:       | 0: expression | 1: its operands |
 *   typeof a concatenation: | 0: EXPR_CONCAT | 1: | n: typeof field n | ... |
 * A concatenation by type carries EXPR_CONCAT with nothing in it; a single part by type carries no entry at all.
 */
function writeTypeof(writer: ByteWriter, kind: number, type: SetType): void {
  const selectors = type.kind === 'typeof' ? type.parts : []
  const [only] = selectors
  if (type.parts.length > 1) {
    nested(writer, kind, () => {
      writeInteger(writer, 0, EXPR_CONCAT)
      nested(writer, 1, () => {
        for (const [index, selector] of selectors.entries())
          nested(writer, index, () => writeSelector(writer, selector))
      })
    })
  } else if (only !== undefined) {
    nested(writer, kind, () => writeSelector(writer, only))
  }
}

function writeVerdictTypeof(writer: ByteWriter): void {
  nested(writer, SET_DATA_TYPEOF, () => {
    writeInteger(writer, 0, EXPR_VERDICT)
    nested(writer, 1, () => {})
  })
}

function writeSelector(writer: ByteWriter, selector: Selector): void {
  writeInteger(writer, 0, selector.typeof.expression)
  nested(writer, 1, () => {
    for (const [index, operand] of selector.typeof.operands.entries()) writeInteger(writer, index, operand)
  })
}

function typeofSelectors(bytes: Uint8Array | undefined): readonly Selector[] | undefined {
  if (bytes === undefined) return undefined
  const top = entries(bytes)
  const parts = integer(top.get(0)) === EXPR_CONCAT ? [...entries(top.get(1)).values()] : [bytes]
  const selectors = parts.map(selectorFrom).filter((selector) => selector !== undefined)
  return selectors.length === parts.length && selectors.length > 0 ? selectors : undefined
}

/** The selector that one typeof entry stands for, or undefined when it is none that is known here. */
function selectorFrom(bytes: Uint8Array): Selector | undefined {
  const top = entries(bytes)
  const expression = integer(top.get(0))
  const operands = [...entries(top.get(1)).values()].map((value) => integer(value))
  const isSame = (selector: Selector): boolean =>
    selector.typeof.expression === expression && String(selector.typeof.operands) === String(operands)
  const numgen = numgenRandom(operands[1] ?? 0)
  return isSame(numgen) ? numgen : knownSelectors.find(isSame)
}

function entries(bytes: Uint8Array = new Uint8Array()): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>()
  for (let at = 0; at + 2 <= bytes.length;) {
    const length = bytes[at + 1] ?? 0
    found.set(bytes[at] ?? 0, bytes.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  return found
}

function integer(value: Uint8Array | undefined): number {
  return value === undefined ? -1 : hostInteger(value)
}

function cString(value: Uint8Array): string {
  const zero = value.indexOf(0)
  return Buffer.from(zero === -1 ? value : value.subarray(0, zero)).toString('utf8')
}

function writeInteger(writer: ByteWriter, type: number, value: number): void {
  writer.u8(type)
  writer.u8(4)
  writer.u32(value)
}

function nested(writer: ByteWriter, type: number, write: () => void): void {
  writer.u8(type)
  writer.u8(0)
  const start = writer.length
  write()
  writer.patchU8(start - 1, writer.length - start)
}

function writeComment(writer: ByteWriter, type: number, comment: string): void {
  const text = fittingComment(comment)
  writer.u8(type)
  writer.u8(Buffer.byteLength(text) + 1)
  writer.cstr(text)
}

/**
 * The comment as it is kept: cut at a character so that it fits into `commentMaxBytes`, and with single quotes for
 * double ones, since nft has no escapes: what it lists could not be loaded.
 */
export function fittingComment(comment: string): string {
  return fitting(comment.replaceAll('"', "'"))
}

function fitting(comment: string): string {
  if (comment.length * 3 <= commentMaxBytes || Buffer.byteLength(comment) <= commentMaxBytes) return comment
  const bytes = Buffer.from(comment)
  let end = commentMaxBytes
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
