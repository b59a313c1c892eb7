/** The fast path's transactions. None takes running flows out of the flow table but `removal` and `recreation`. */
import { fastpathFlowtable } from '../dataplane/fastpath.ts'
import { fastpathTableRef } from '../dataplane/names.ts'
import { encodeElements } from '../nft/elements.ts'
import type { SetElement, TableContents } from '../nft/objects.ts'
import type { Operation } from '../nft/transaction.ts'

/** A message holds 255 device names at most (NFT_NETDEVICE_MAX). */
const devicesPerBatch = 128

/**
 * Makes the wanted table around the flowtable that is there, or makes that without devices. All else is replaced, so
 * that nothing is left of another version's.
 */
export function installation(existing: TableContents | undefined, wanted: TableContents): Operation[] {
  const { table, flowtables, sets, chains, rules, elements } = wanted
  return [
    { verb: 'add', object: 'table', table },
    ...flowtables.map((each): Operation => ({
      verb: 'add',
      object: 'flowtable',
      table,
      flowtable: { ...each, devices: [] },
    })),
    ...emptied(existing),
    ...sets.map((set): Operation => ({ verb: 'add', object: 'set', table, set })),
    ...chains.map((chain): Operation => ({ verb: 'add', object: 'chain', table, chain })),
    ...rules.map((rule): Operation => ({ verb: 'add', object: 'rule', table, rule })),
    ...sets.flatMap((set): Operation[] => elementOperations('add', wanted, set.name, elements.get(set.name) ?? [])),
  ]
}

/** Takes the table away. Its flows go on through the rules, with their state as it is. */
export function removal(existing: TableContents): Operation[] {
  const { table } = existing
  return [...emptied(existing), ...flowtablesRemoved(existing), { verb: 'delete', object: 'table', table }]
}

/** As `installation`, but all flows leave the flow table. */
export function recreation(existing: TableContents, wanted: TableContents): Operation[] {
  const before = [...emptied(existing), ...flowtablesRemoved(existing)]
  return [...before, ...installation(undefined, wanted)]
}

/** What makes the sets hold the wanted elements instead of the committed ones. */
export function elementChanges(committed: TableContents, wanted: TableContents): Operation[] {
  return wanted.sets.flatMap(({ name }) => {
    const [before, after] = [elementsByKey(committed, name), elementsByKey(wanted, name)]
    const gone = [...before].flatMap(([key, element]) => (after.has(key) ? [] : [element]))
    const fresh = [...after].flatMap(([key, element]) => (before.has(key) ? [] : [element]))
    return [...elementOperations('delete', wanted, name, gone), ...elementOperations('add', wanted, name, fresh)]
  })
}

/** Whether a table read from the kernel still has what was committed; the kernel adds to rules, so these are counted only. */
export function isIntact(read: TableContents, committed: TableContents): boolean {
  return fingerprint(read) === fingerprint(committed)
}

/** The comment says who made a table; with another priority its flowtable cannot be made ours (EOPNOTSUPP). */
export function isFastpathTable({ table, flowtables }: TableContents): boolean {
  const { name, priority } = fastpathFlowtable({ devices: [], hasCounters: false })
  const there = flowtables.find((each) => each.name === name)
  return table.comment === fastpathTableRef.comment && (there === undefined || there.priority === priority)
}

/** Names in batches that the kernel takes. */
export function inBatches(names: readonly string[]): readonly (readonly string[])[] {
  return Array.from({ length: Math.ceil(names.length / devicesPerBatch) }, (_, index) =>
    names.slice(index * devicesPerBatch, (index + 1) * devicesPerBatch),
  )
}

/** Rules first, then the sets and chains that they refer to. */
function emptied(existing: TableContents | undefined): Operation[] {
  if (existing === undefined) return []
  const { table, sets, chains } = existing
  return [
    { verb: 'flush', object: 'table', table },
    ...sets.map((set): Operation => ({ verb: 'delete', object: 'set', table, set })),
    ...chains.map(({ name }): Operation => ({ verb: 'delete', object: 'chain', table, name })),
  ]
}

function flowtablesRemoved({ table, flowtables }: TableContents): Operation[] {
  return flowtables.map((flowtable): Operation => ({ verb: 'delete', object: 'flowtable', table, flowtable }))
}

function elementOperations(
  verb: 'add' | 'delete',
  { table, sets }: TableContents,
  name: string,
  elements: readonly SetElement[],
): Operation[] {
  const set = sets.find((each) => each.name === name)
  if (set === undefined || elements.length === 0) return []
  return [{ verb, object: 'element', table, set, elements: encodeElements(elements) }]
}

function elementsByKey({ elements }: TableContents, set: string): ReadonlyMap<string, SetElement> {
  return new Map((elements.get(set) ?? []).map((element) => [keyOf(element), element]))
}

/** With the end of a range that begins with it; the ends of ranges that are elements of their own are told from keys. */
function keyOf({ key, keyEnd, isIntervalEnd }: SetElement): string {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  return `${hex(key)}${keyEnd === undefined ? '' : `-${hex(keyEnd)}`}${isIntervalEnd === true ? ' end' : ''}`
}

function fingerprint(contents: TableContents): string {
  const { flowtables, sets, chains, rules } = contents
  const lines = [
    ...flowtables.map(({ name, priority }) => `flowtable ${name} ${priority}`),
    ...sets.map(({ name }) => `set ${name} ${[...elementsByKey(contents, name).keys()].sort().join()}`),
    ...chains.map(({ name, base }) => `chain ${name} ${base?.hook} ${base?.priority} ${countRules(rules, name)}`),
  ]
  return lines.sort().join('\n')
}

function countRules(rules: TableContents['rules'], chain: string): number {
  return rules.filter((rule) => rule.chain === chain).length
}
