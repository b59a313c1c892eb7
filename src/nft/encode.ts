/** Transactions as bytes: BATCH_BEGIN, one message or more for each operation, BATCH_END. */
import { ByteWriter } from '../netlink/bytes.ts'
import type { Codec } from '../netlink/layout.ts'
import {
  beginMessage,
  type Body,
  endMessage,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
} from '../netlink/message.ts'
import {
  NF_ACCEPT,
  NF_DROP,
  NF_INET_FORWARD,
  NF_INET_LOCAL_IN,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NFNL_MSG_BATCH_BEGIN,
  NFNL_MSG_BATCH_END,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO_INET,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFT_DATA_VERDICT,
  NFT_MSG,
  NFT_SET_CONCAT,
  NFT_SET_CONSTANT,
  NFT_SET_EVAL,
  NFT_SET_INTERVAL,
  NFT_SET_MAP,
  NFT_SET_TIMEOUT,
} from './constants.ts'
import { concatenatedBytes, concatenatedTypeId } from './datatypes.ts'
import { forEachElement } from './elements.ts'
import {
  chainBody,
  type ChainMessage,
  elementListBody,
  emptyBody,
  familyHeader,
  flowtableBody,
  type FlowtableMessage,
  ruleBody,
  type RuleMessage,
  setBody,
  type SetMessage,
  tableBody,
  type TableMessage,
} from './messages.ts'
import type { BaseChain, Chain, Family, Flowtable, NftSet, Rule, SetFlag } from './objects.ts'
import { partTypes } from './objects.ts'
import type { Operation } from './transaction.ts'
import { commentUserdata, setUserdata } from './userdata.ts'

export const families = { ip: NFPROTO_IPV4, ip6: NFPROTO_IPV6, inet: NFPROTO_INET } as const satisfies Record<
  Family,
  number
>

export const hooks = {
  prerouting: NF_INET_PRE_ROUTING,
  input: NF_INET_LOCAL_IN,
  forward: NF_INET_FORWARD,
  output: NF_INET_LOCAL_OUT,
  postrouting: NF_INET_POST_ROUTING,
} as const satisfies Record<BaseChain['hook'], number>

/** NFTA_FLOWTABLE_FLAGS: conntrack counters keep counting offloaded packets (enum nft_flowtable_flags). */
export const NFT_FLOWTABLE_COUNTER = 2

export const setFlags = {
  constant: NFT_SET_CONSTANT,
  dynamic: NFT_SET_EVAL,
  interval: NFT_SET_INTERVAL,
  timeout: NFT_SET_TIMEOUT,
} as const satisfies Record<SetFlag, number>

/** nla_len counts its own four bytes and ends at 65535; elements are padded to four. */
const elementListMaxBytes = 65_528

/** Which operation a message of the batch belongs to; of `add element` and the like, which of its elements. */
export type BatchPart = {
  readonly operation: Operation
  /** Offset of the first encoded element from the beginning of the message, and which bytes of the operation they are. */
  readonly elements?: { readonly messageOffset: number; readonly start: number; readonly end: number }
}

export type Batch = {
  readonly bytes: Buffer
  /**
   * The message that asks for an acknowledgement: the last one, which every kernel answers after the commit.
   * Undefined when there is nothing to send: no operations, or only those on no elements.
   */
  readonly ackSeq: number | undefined
  readonly part: (seq: number) => BatchPart | undefined
}

/** Encodes the operations in their order; `nextSeq` numbers the messages. */
export function encodeBatch(operations: readonly Operation[], nextSeq: () => number): Batch {
  const drafts = operations.flatMap(draftsOf)
  const elementBytes = drafts.reduce(
    (sum, { elements }) => sum + (elements === undefined ? 0 : elements.end - elements.start),
    0,
  )
  const writer = new ByteWriter(elementBytes + 256 * drafts.length + 128)
  const parts = new Map<number, BatchPart>()
  writeMark(writer, NFNL_MSG_BATCH_BEGIN, nextSeq())
  let seq: number | undefined
  for (const [index, { operation, type, flags, write, elements }] of drafts.entries()) {
    seq = nextSeq()
    const ack = index === drafts.length - 1 ? NLM_F_ACK : 0
    const at = beginMessage(writer, (NFNL_SUBSYS_NFTABLES << 8) | type, NLM_F_REQUEST | flags | ack, seq)
    write(writer)
    endMessage(writer, at)
    if (elements === undefined) parts.set(seq, { operation })
    else
      parts.set(seq, {
        operation,
        elements: { ...elements, messageOffset: writer.length - at - (elements.end - elements.start) },
      })
  }
  writeMark(writer, NFNL_MSG_BATCH_END, nextSeq())
  return { bytes: writer.view(), ackSeq: seq, part: (found) => parts.get(found) }
}

/** One message to be: an operation on elements becomes several when there are many. */
type Draft = {
  readonly operation: Operation
  readonly type: number
  readonly flags: number
  readonly write: (writer: ByteWriter) => void
  /** Which bytes of the operation's elements it carries. */
  readonly elements?: { readonly start: number; readonly end: number }
}

function writeMark(writer: ByteWriter, type: number, seq: number): void {
  const at = beginMessage(writer, type, NLM_F_REQUEST, seq)
  emptyBody.write(writer, { header: { family: 0, version: 0, resId: NFNL_SUBSYS_NFTABLES }, attributes: {} })
  endMessage(writer, at)
}

function draftsOf(operation: Operation): Draft[] {
  switch (operation.object) {
    case 'table':
      return [draft(operation, 'TABLE', tableBody, tableAttributes(operation))]
    case 'chain':
      return [
        operation.verb === 'flush'
          ? draft(operation, 'RULE', ruleBody, { table: operation.table.name, chain: operation.name })
          : draft(operation, 'CHAIN', chainBody, chainAttributes(operation)),
      ]
    case 'rule':
      return [draft(operation, 'RULE', ruleBody, ruleAttributes(operation))]
    case 'set':
      return [
        operation.verb === 'flush'
          ? draft(operation, 'SETELEM', elementListBody, { table: operation.table.name, set: operation.set.name })
          : draft(operation, 'SET', setBody, setAttributes(operation)),
      ]
    case 'element':
      return elementRanges(operation.elements).map(({ start, end }) => ({
        ...draft(operation, 'SETELEM', elementListBody, {
          table: operation.table.name,
          set: operation.set.name,
          elements: operation.elements.subarray(start, end),
        }),
        elements: { start, end },
      }))
    case 'flowtable':
      return [draft(operation, 'FLOWTABLE', flowtableBody, flowtableAttributes(operation))]
    case 'flowtable-devices': {
      // Without number and priority, which an existing flowtable has. Given devices are what a deletion is of.
      const { table, flowtable: name, devices } = operation
      return [draft(operation, 'FLOWTABLE', flowtableBody, { table: table.name, name, hook: { devices } })]
    }
  }
}

type ObjectSuffix = 'TABLE' | 'CHAIN' | 'RULE' | 'SET' | 'SETELEM' | 'FLOWTABLE'

/** `flush` is a deletion of what is inside, which has its own message type: rules of a chain, elements of a set. */
function draft<A>(
  operation: Operation,
  suffix: ObjectSuffix,
  codec: Codec<Body<ReturnType<typeof familyHeader>, A>>,
  attributes: A,
): Draft {
  const { messageVerb, flags } = verbs[operation.verb]
  const isFlushedTable = operation.verb === 'flush' && operation.object === 'table'
  const header = familyHeader(families[operation.table.family])
  return {
    operation,
    type: NFT_MSG[`${messageVerb}${isFlushedTable ? 'RULE' : suffix}`],
    flags,
    write: (writer) => codec.write(writer, { header, attributes }),
  }
}

const verbs = {
  add: { messageVerb: 'NEW', flags: NLM_F_CREATE | NLM_F_APPEND },
  create: { messageVerb: 'NEW', flags: NLM_F_CREATE | NLM_F_EXCL },
  insert: { messageVerb: 'NEW', flags: NLM_F_CREATE },
  replace: { messageVerb: 'NEW', flags: NLM_F_REPLACE },
  delete: { messageVerb: 'DEL', flags: 0 },
  destroy: { messageVerb: 'DESTROY', flags: 0 },
  flush: { messageVerb: 'DEL', flags: 0 },
} as const satisfies Record<Operation['verb'], { messageVerb: 'NEW' | 'DEL' | 'DESTROY'; flags: number }>

type OperationOn<O extends Operation['object']> = Extract<Operation, { readonly object: O }>

/** A flushed table is a DELRULE whose table attribute has number 1 as well, but in which 6 is not userdata. */
function tableAttributes({ verb, table }: OperationOn<'table'>): TableMessage {
  const comment = verb === 'add' || verb === 'create' ? table.comment : undefined
  return { name: table.name, ...(comment === undefined ? {} : { userdata: commentUserdata(comment) }) }
}

function chainAttributes(operation: OperationOn<'chain'>): ChainMessage {
  const table = operation.table.name
  if (!('chain' in operation)) return { table, name: operation.name }
  const { name, base, comment }: Chain = operation.chain
  return {
    table,
    name,
    ...(base === undefined
      ? {}
      : {
          hook: { num: hooks[base.hook], priority: base.priority },
          policy: base.policy === 'drop' ? NF_DROP : NF_ACCEPT,
          type: base.type,
        }),
    ...(comment === undefined ? {} : { userdata: commentUserdata(comment) }),
  }
}

function ruleAttributes(operation: OperationOn<'rule'>): RuleMessage {
  const table = operation.table.name
  if (!('rule' in operation)) return { table, chain: operation.chain, handle: operation.handle }
  const { chain, expressions, comment, handle }: Rule = operation.rule
  const isNew = operation.verb !== 'replace'
  return {
    table,
    chain,
    ...(isNew || handle === undefined ? {} : { handle }),
    expressions,
    ...(comment === undefined ? {} : { userdata: commentUserdata(comment) }),
  }
}

function setAttributes({ table, set, verb }: OperationOn<'set'>): SetMessage {
  if (verb !== 'add' && verb !== 'create') return { table: table.name, name: set.name }
  const key = partTypes(set.key)
  const isConcatenatedInterval = hasConcatenatedIntervals(set)
  const concat = key.map((type) => ({ len: type.bytes }))
  return {
    table: table.name,
    name: set.name,
    flags: flagBits(set),
    keyType: concatenatedTypeId(key),
    keyLen: concatenatedBytes(key),
    ...valueAttributes(set),
    ...(set.size === undefined && !isConcatenatedInterval
      ? {}
      : {
          desc: {
            ...(set.size === undefined ? {} : { size: set.size }),
            ...(isConcatenatedInterval ? { concat } : {}),
          },
        }),
    id: 0,
    ...(set.timeoutMs === undefined ? {} : { timeout: set.timeoutMs }),
    userdata: setUserdata(set),
  }
}

function valueAttributes({ value }: NftSet): Pick<SetMessage, 'dataType' | 'dataLen'> {
  if (value === undefined) return {}
  if (value === 'verdict') return { dataType: NFT_DATA_VERDICT }
  const types = partTypes(value)
  return { dataType: concatenatedTypeId(types), dataLen: concatenatedBytes(types) }
}

function hasConcatenatedIntervals(set: NftSet): boolean {
  return set.key.parts.length > 1 && set.flags?.includes('interval') === true
}

function flagBits(set: NftSet): number {
  const declared = (set.flags ?? []).reduce((bits, flag) => bits | setFlags[flag], 0)
  return (
    declared |
    (set.value === undefined ? 0 : NFT_SET_MAP) |
    (set.timeoutMs === undefined ? 0 : NFT_SET_TIMEOUT) |
    (hasConcatenatedIntervals(set) ? NFT_SET_CONCAT : 0)
  )
}

function flowtableAttributes({ table, flowtable, verb }: OperationOn<'flowtable'>): FlowtableMessage {
  const { name, priority, devices, hasCounters }: Flowtable = flowtable
  if (verb === 'delete' || verb === 'destroy') return { table: table.name, name }
  return {
    table: table.name,
    name,
    hook: { num: 0, priority, devices },
    flags: hasCounters === true ? NFT_FLOWTABLE_COUNTER : 0,
  }
}

/** Cuts encoded elements into runs that fit into one attribute. */
function elementRanges(elements: Uint8Array): { start: number; end: number }[] {
  const ranges: { start: number; end: number }[] = []
  let rangeStart = 0
  forEachElement(elements, (start, end) => {
    if (end - rangeStart <= elementListMaxBytes) return
    ranges.push({ start: rangeStart, end: start })
    rangeStart = start
  })
  if (rangeStart < elements.length) ranges.push({ start: rangeStart, end: elements.length })
  return ranges
}
