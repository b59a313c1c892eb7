/*
 * Expressions: what a rule is made of. Each layout mirrors the kernel's enum nft_<name>_attributes
 * (include/uapi/linux/netfilter/nf_tables.h); the keys are the kernel's expression names.
 */
import type { ByteWriter } from '../netlink/bytes.ts'
import {
  attrs,
  be32,
  be64,
  bes32,
  bytes,
  type Codec,
  cstr,
  forEachAttribute,
  type Infer,
  u8,
} from '../netlink/layout.ts'
import { beginAttribute, endAttribute } from '../netlink/layout.ts'
import { NF_ACCEPT, NF_DROP, NFT_GOTO, NFT_JUMP, NFT_RETURN } from './constants.ts'

/** enum nft_verdict_attributes: NF_DROP, NF_ACCEPT, NFT_JUMP and so on; `chain` with jump and goto only. */
const verdictLayout = attrs({ code: [1, bes32], chain: [2, cstr, '?'] })
export type Verdict = Infer<typeof verdictLayout>

/** enum nft_data_attributes: a value or a verdict. */
export const dataLayout = attrs({ value: [1, bytes, '?'], verdict: [2, verdictLayout, '?'] })
export type Data = Infer<typeof dataLayout>

export const accept: Verdict = { code: NF_ACCEPT }
export const drop: Verdict = { code: NF_DROP }
export const returnToCaller: Verdict = { code: NFT_RETURN }
export const jump = (chain: string): Verdict => ({ code: NFT_JUMP, chain })
export const goto = (chain: string): Verdict => ({ code: NFT_GOTO, chain })

/** One layout for each expression that is encoded, rendered and explained here. */
export const expressionLayouts = {
  /** Loads `len` bytes at `offset` of a header into register `dreg`. */
  payload: attrs({ dreg: [1, be32, '?'], base: [2, be32], offset: [3, be32], len: [4, be32], sreg: [5, be32, '?'] }),
  /** Loads packet metadata into `dreg`, or sets it from `sreg`. */
  meta: attrs({ dreg: [1, be32, '?'], key: [2, be32], sreg: [3, be32, '?'] }),
  cmp: attrs({ sreg: [1, be32], op: [2, be32], data: [3, dataLayout] }),
  /** Looks the bytes from `sreg` on up in a set; with `dreg` the mapped value is loaded (0 is the verdict register). */
  lookup: attrs({
    set: [1, cstr],
    sreg: [2, be32],
    dreg: [3, be32, '?'],
    setId: [4, be32, '?'],
    flags: [5, be32, '?'],
  }),
  numgen: attrs({ dreg: [1, be32], modulus: [2, be32], type: [3, be32], offset: [4, be32, '?'] }),
  /** Registers hold the new address and port; the kernel adds `addrMax` and `protoMax` to what it stores. */
  nat: attrs({
    type: [1, be32],
    family: [2, be32],
    addrMin: [3, be32, '?'],
    addrMax: [4, be32, '?'],
    protoMin: [5, be32, '?'],
    protoMax: [6, be32, '?'],
    flags: [7, be32, '?'],
  }),
  masq: attrs({ flags: [1, be32, '?'], protoMin: [2, be32, '?'], protoMax: [3, be32, '?'] }),
  /** Loads conntrack state into `dreg`, or sets it from `sreg`; `direction` 0 is original, 1 reply. */
  ct: attrs({ dreg: [1, be32, '?'], key: [2, be32], direction: [3, u8, '?'], sreg: [4, be32, '?'] }),
  /** dreg = (sreg & mask) ^ xor */
  bitwise: attrs({
    sreg: [1, be32],
    dreg: [2, be32],
    len: [3, be32],
    mask: [4, dataLayout],
    xor: [5, dataLayout],
    op: [6, be32, '?'],
  }),
  /** Turns `len` bytes in words of `size` bytes from host to network order (op 1) or back (op 0), as `ct packets > 20` needs. */
  byteorder: attrs({ sreg: [1, be32], dreg: [2, be32], op: [3, be32], len: [4, be32], size: [5, be32] }),
  /** Loads a constant; into register 0 it is a verdict. */
  immediate: attrs({ dreg: [1, be32], data: [2, dataLayout] }),
  reject: attrs({ type: [1, be32], icmpCode: [2, u8, '?'] }),
  fib: attrs({ dreg: [1, be32], result: [2, be32], flags: [3, be32] }),
  /** Adds or updates an element of a set from registers; `timeout` in milliseconds. */
  dynset: attrs({
    set: [1, cstr],
    setId: [2, be32, '?'],
    op: [3, be32],
    sregKey: [4, be32],
    sregData: [5, be32, '?'],
    timeout: [6, be64, '?'],
    flags: [9, be32, '?'],
  }),
  flow_offload: attrs({ table: [1, cstr] }),
  counter: attrs({ bytes: [1, be64, '?'], packets: [2, be64, '?'] }),
  /** Jenkins hash (type 0) of `len` bytes from `sreg`, modulo `modulus`. */
  hash: attrs({
    sreg: [1, be32, '?'],
    dreg: [2, be32],
    len: [3, be32, '?'],
    modulus: [4, be32],
    seed: [5, be32, '?'],
    offset: [6, be32, '?'],
    type: [7, be32, '?'],
  }),
} as const

type Layouts = typeof expressionLayouts
type KnownKind = keyof Layouts
type KnownExpr = { [K in KnownKind]: { readonly kind: K } & Infer<Layouts[K]> }[KnownKind]

/** An expression that another program put into a table and that has no layout here; kept as bytes. */
export type UnknownExpr = { readonly kind: 'unknown'; readonly name: string; readonly bytes: Uint8Array }

/** One expression, told apart by the kernel's name of it. */
export type Expr = KnownExpr | UnknownExpr

/** The member of Expr with that name. */
export type ExprOf<K extends Expr['kind']> = Extract<Expr, { readonly kind: K }>

const NFTA_EXPR_NAME = 1
const NFTA_EXPR_DATA = 2

/** enum nft_expr_attributes: the name decides the layout of the data. */
export const exprCodec: Codec<Expr> = {
  isNested: true,
  write(writer, expr) {
    const name = beginAttribute(writer, NFTA_EXPR_NAME)
    writer.cstr(expr.kind === 'unknown' ? expr.name : expr.kind)
    endAttribute(writer, name)
    const data = beginAttribute(writer, NFTA_EXPR_DATA, true)
    if (expr.kind === 'unknown') writer.bytes(expr.bytes)
    else writeKnown(writer, expr)
    endAttribute(writer, data)
  },
  read(buffer, start, end) {
    let name = ''
    let from = end
    let to = end
    forEachAttribute(buffer, start, end, (type, attributeStart, attributeEnd) => {
      if (type === NFTA_EXPR_NAME) name = cstr.read(buffer, attributeStart, attributeEnd)
      if (type === NFTA_EXPR_DATA) [from, to] = [attributeStart, attributeEnd]
    })
    if (!isKnown(name)) return { kind: 'unknown', name, bytes: bytes.read(buffer, from, to) }
    return { kind: name, ...expressionLayouts[name].read(buffer, from, to) } as KnownExpr
  },
}

function isKnown(name: string): name is KnownKind {
  return Object.hasOwn(expressionLayouts, name)
}

function writeKnown(writer: ByteWriter, expr: KnownExpr): void {
  const layout = expressionLayouts[expr.kind] as Codec<unknown>
  layout.write(writer, expr)
}
