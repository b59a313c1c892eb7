/* The messages of nf_tables: one layout each, mirroring include/uapi/linux/netfilter/nf_tables.h. */
import {
  attrs,
  be16,
  be32,
  be64,
  beginAttribute,
  bes32,
  bytes,
  type Codec,
  cstr,
  endAttribute,
  forEachAttribute,
  type Infer,
  list,
  struct,
  u8,
} from '../netlink/layout.ts'
import { body } from '../netlink/message.ts'
import { dataLayout, exprCodec } from './expressions.ts'

/** struct nfgenmsg: every netfilter message begins with it. For batch messages `resId` is the subsystem. */
const nfgenHeader = struct({ family: u8, version: u8, resId: be16 })

/** enum nft_table_attributes */
const tableLayout = attrs({
  name: [1, cstr],
  flags: [2, be32, '?'],
  handle: [4, be64, '?'], // given by the kernel
  userdata: [6, bytes, '?'],
  owner: [7, be32, '?'],
})
export type TableMessage = Infer<typeof tableLayout>

/** enum nft_hook_attributes: where a base chain or a flowtable is attached; NFTA_DEVICE_NAME is 1. */
const hookLayout = attrs({ num: [1, be32], priority: [2, bes32], devices: [4, list(1, cstr), '?'] })

/** enum nft_chain_attributes. Only a base chain has hook, policy and type. */
const chainLayout = attrs({
  table: [1, cstr],
  handle: [2, be64, '?'],
  name: [3, cstr],
  hook: [4, hookLayout, '?'],
  policy: [5, be32, '?'], // NF_DROP 0, NF_ACCEPT 1
  type: [7, cstr, '?'], // 'filter', 'nat' or 'route'
  userdata: [12, bytes, '?'],
})
export type ChainMessage = Infer<typeof chainLayout>

/** enum nft_rule_attributes */
const ruleLayout = attrs({
  table: [1, cstr],
  chain: [2, cstr, '?'], // a DELRULE without chain empties the whole table
  handle: [3, be64, '?'],
  expressions: [4, list(1, exprCodec), '?'],
  position: [6, be64, '?'],
  userdata: [7, bytes, '?'],
})
export type RuleMessage = Infer<typeof ruleLayout>

/** enum nft_set_field_attributes: the byte length of one part of a concatenated interval key. */
const fieldLayout = attrs({ len: [1, be32] })

/** enum nft_set_desc_attributes */
const setDescLayout = attrs({ size: [1, be32, '?'], concat: [2, list(1, fieldLayout), '?'] })

/** enum nft_set_attributes. `id` lets later messages of the same batch name the set before it has a handle. */
const setLayout = attrs({
  table: [1, cstr],
  name: [2, cstr],
  flags: [3, be32, '?'],
  keyType: [4, be32, '?'],
  keyLen: [5, be32, '?'],
  dataType: [6, be32, '?'],
  dataLen: [7, be32, '?'],
  desc: [9, setDescLayout, '?'],
  id: [10, be32, '?'],
  timeout: [11, be64, '?'], // milliseconds
  userdata: [13, bytes, '?'],
  handle: [16, be64, '?'],
})
export type SetMessage = Infer<typeof setLayout>

/** enum nft_set_elem_attributes; times in milliseconds. */
export const elementLayout = attrs({
  key: [1, dataLayout, '?'],
  keyEnd: [10, dataLayout, '?'],
  data: [2, dataLayout, '?'],
  flags: [3, be32, '?'],
  timeout: [4, be64, '?'],
  expiration: [5, be64, '?'],
  userdata: [6, bytes, '?'],
})
export type ElementMessage = Infer<typeof elementLayout>

/** enum nft_set_elem_list_attributes. `elements` is the list as already encoded bytes. */
const elementListLayout = attrs({ table: [1, cstr], set: [2, cstr], elements: [3, { ...bytes, isNested: true }, '?'] })
export type ElementListMessage = Infer<typeof elementListLayout>

/** enum nft_devices_attributes. Since Linux 6.16 a member may be a prefix, which nft writes with a final `*`. */
const NFTA_DEVICE_NAME = 1
const NFTA_DEVICE_PREFIX = 2

/** The members of a flowtable; `veth*` stands for a prefix. */
const deviceNames: Codec<readonly string[]> = {
  isNested: true,
  write(writer, names) {
    for (const name of names) {
      const isPrefix = name.endsWith('*')
      const at = beginAttribute(writer, isPrefix ? NFTA_DEVICE_PREFIX : NFTA_DEVICE_NAME)
      cstr.write(writer, isPrefix ? name.slice(0, -1) : name)
      endAttribute(writer, at)
    }
  },
  read(buffer, start, end) {
    const names: string[] = []
    forEachAttribute(buffer, start, end, (type, from, to) => {
      if (type === NFTA_DEVICE_NAME) names.push(cstr.read(buffer, from, to))
      if (type === NFTA_DEVICE_PREFIX) names.push(`${cstr.read(buffer, from, to)}*`)
    })
    return names
  },
}

/** enum nft_flowtable_hook_attributes has the numbers of enum nft_hook_attributes but for the devices. */
const flowtableHookLayout = attrs({ num: [1, be32, '?'], priority: [2, bes32, '?'], devices: [3, deviceNames, '?'] })

/** enum nft_flowtable_attributes */
const flowtableLayout = attrs({
  table: [1, cstr],
  name: [2, cstr],
  hook: [3, flowtableHookLayout, '?'],
  handle: [5, be64, '?'],
  flags: [7, be32, '?'],
})
export type FlowtableMessage = Infer<typeof flowtableLayout>

/**
 * enum nft_gen_attributes: the number of the ruleset generation, and a process: in a notification the one that
 * made the generation, in an answer to GETGEN the one that asked.
 */
const generationLayout = attrs({ id: [1, be32], processId: [2, be32, '?'], processName: [3, cstr, '?'] })
export type GenerationMessage = Infer<typeof generationLayout>

export const tableBody = body(nfgenHeader, tableLayout)
export const chainBody = body(nfgenHeader, chainLayout)
export const ruleBody = body(nfgenHeader, ruleLayout)
export const setBody = body(nfgenHeader, setLayout)
export const elementListBody = body(nfgenHeader, elementListLayout)
export const flowtableBody = body(nfgenHeader, flowtableLayout)
export const generationBody = body(nfgenHeader, generationLayout)
/** A body without attributes: batch begin and end, and the request for a dump of everything. */
export const emptyBody = body(nfgenHeader, attrs({}))

/** The header for a message about objects of one family. */
export function familyHeader(family: number): Infer<typeof nfgenHeader> {
  return { family, version: 0, resId: 0 }
}
