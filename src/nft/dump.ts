/** Reads tables back from the kernel. What is read is for comparing and showing: the kernel adds to what was sent. */
import { NF_ACCEPT, NFT_DATA_VERDICT } from './constants.ts'
import type { NftConnection } from './connection.ts'
import { type DataType, dataTypes } from './datatypes.ts'
import { decodeElements } from './elements.ts'
import type { Expr } from './expressions.ts'
import { families, hooks, NFT_FLOWTABLE_COUNTER, setFlags } from './encode.ts'
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
import type {
  BaseChain,
  Chain,
  Family,
  Flowtable,
  NftSet,
  Rule,
  SetElement,
  SetFlag,
  SetType,
  Table,
  TableContents,
  TableRef,
} from './objects.ts'
import { commentFrom, setUserdataContents } from './userdata.ts'

/** All tables of one family. Throws NetlinkError. */
export async function listTables(connection: NftConnection, family: Family): Promise<Table[]> {
  const replies = await connection.dump('GETTABLE', emptyBody, allOf(family), tableBody)
  return replies.map(({ attributes }) => toTable(family, attributes))
}

/** Everything in one table, or undefined when there is none of that name. Throws NetlinkError. */
export async function readTable(connection: NftConnection, ref: TableRef): Promise<TableContents | undefined> {
  const table = (await listTables(connection, ref.family)).find(({ name }) => name === ref.name)
  if (table === undefined) return undefined
  const isOurs = ({ attributes }: { attributes: { table: string } }): boolean => attributes.table === ref.name
  const request = allOf(ref.family)
  const flowtables = await connection.dump('GETFLOWTABLE', emptyBody, request, flowtableBody)
  const sets = (await connection.dump('GETSET', emptyBody, request, setBody)).filter(isOurs).map(toSet)
  const chains = (await connection.dump('GETCHAIN', emptyBody, request, chainBody)).filter(isOurs).map(toChain)
  const rules = (await connection.dump('GETRULE', emptyBody, request, ruleBody)).filter(isOurs).map(toRule)
  const elements = new Map<string, readonly SetElement[]>()
  for (const { name } of sets) elements.set(name, await readElements(connection, ref, name))
  return { table, flowtables: flowtables.filter(isOurs).map(toFlowtable), sets, chains, rules, elements }
}

/** The elements of one set or map, in no particular order. Throws NetlinkError (ENOENT: no such set). */
export async function readElements(connection: NftConnection, table: TableRef, set: string): Promise<SetElement[]> {
  const request = { header: familyHeader(families[table.family]), attributes: { table: table.name, set } }
  const replies = await connection.dump('GETSETELEM', elementListBody, request, elementListBody)
  return replies.flatMap(({ attributes }) => decodeElements(attributes.elements ?? new Uint8Array()))
}

/** A flowtable and the table that it is in. */
export type PlacedFlowtable = Flowtable & { readonly table: TableRef }

/** The flowtables of all tables of the families that we know. Throws NetlinkError. */
export async function listFlowtables(connection: NftConnection): Promise<PlacedFlowtable[]> {
  const request = { header: familyHeader(0), attributes: {} }
  const replies = await connection.dump('GETFLOWTABLE', emptyBody, request, flowtableBody)
  return replies.flatMap((reply) => {
    const family = keyOf(families, reply.header.family)
    return family === undefined ? [] : [{ ...toFlowtable(reply), table: { family, name: reply.attributes.table } }]
  })
}

type Received<A> = { readonly attributes: A }

function allOf(family: Family): { header: ReturnType<typeof familyHeader>; attributes: object } {
  return { header: familyHeader(families[family]), attributes: {} }
}

function toTable(family: Family, message: TableMessage): Table {
  const comment = commentFrom(message.userdata)
  return { family, name: message.name, ...(comment === undefined ? {} : { comment }) }
}

function toChain({ attributes }: Received<ChainMessage>): Chain {
  const comment = commentFrom(attributes.userdata)
  const base = toBaseChain(attributes)
  return {
    name: attributes.name,
    ...(base === undefined ? {} : { base }),
    ...(comment === undefined ? {} : { comment }),
  }
}

function toBaseChain({ hook, type, policy }: ChainMessage): BaseChain | undefined {
  if (hook === undefined || type === undefined) return undefined
  const name = keyOf(hooks, hook.num)
  if (name === undefined) return undefined
  return {
    type: type as BaseChain['type'],
    hook: name,
    priority: hook.priority,
    policy: policy === undefined || policy === NF_ACCEPT ? 'accept' : 'drop',
  }
}

function toRule({ attributes }: Received<RuleMessage>): Rule {
  const comment = commentFrom(attributes.userdata)
  return {
    chain: attributes.chain ?? '',
    expressions: (attributes.expressions ?? []).map(withoutZeroTimeout),
    ...(comment === undefined ? {} : { comment }),
    ...(attributes.handle === undefined ? {} : { handle: attributes.handle }),
  }
}

/** The kernel reports a time-out of 0 where a dynset has none, but refuses it where the set has no time-outs. */
function withoutZeroTimeout(expr: Expr): Expr {
  if (expr.kind !== 'dynset' || expr.timeout !== 0) return expr
  const { timeout: _, ...rest } = expr
  return rest
}

function toSet({ attributes }: Received<SetMessage>): NftSet {
  const { name, keyType, keyLen, dataType, dataLen, timeout, desc, userdata } = attributes
  const { keySelectors, valueSelectors, comment } = setUserdataContents(userdata)
  const flags = (Object.keys(setFlags) as SetFlag[]).filter((flag) => ((attributes.flags ?? 0) & setFlags[flag]) !== 0)
  const byTypeof = (parts: SetType['parts']): SetType => ({ kind: 'typeof', parts }) as SetType
  const value =
    dataType === undefined
      ? undefined
      : dataType === NFT_DATA_VERDICT
        ? 'verdict'
        : valueSelectors === undefined
          ? typesOf(dataType, dataLen ?? 0)
          : byTypeof(valueSelectors)
  return {
    name,
    key: keySelectors === undefined ? typesOf(keyType ?? 0, keyLen ?? 0) : byTypeof(keySelectors),
    ...(value === undefined ? {} : { value }),
    ...(flags.length === 0 ? {} : { flags }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    ...(desc?.size === undefined ? {} : { size: desc.size }),
    ...(comment === undefined ? {} : { comment }),
  }
}

/** The data types in nft's number of a concatenation; a type that is not known here counts as an integer. */
function typesOf(id: number, byteLength: number): SetType {
  const parts: DataType[] = []
  for (let rest = id; rest > 0; rest = Math.floor(rest / 64)) {
    parts.unshift(Object.values(dataTypes).find((type) => type.id === rest % 64) ?? dataTypes.integer)
  }
  return { kind: 'type', parts: parts.length === 0 && byteLength > 0 ? [dataTypes.integer] : parts }
}

function toFlowtable({ attributes }: Received<FlowtableMessage>): Flowtable {
  const { name, hook, flags } = attributes
  return {
    name,
    priority: hook?.priority ?? 0,
    devices: hook?.devices ?? [],
    ...(((flags ?? 0) & NFT_FLOWTABLE_COUNTER) !== 0 ? { hasCounters: true } : {}),
  }
}

function keyOf<K extends string>(record: Readonly<Record<K, number>>, value: number): K | undefined {
  return (Object.keys(record) as K[]).find((key) => record[key] === value)
}
