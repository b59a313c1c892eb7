/* A kernel with flow tables in memory, as far as the fast path asks for it: what the development machine may lack. */
import type { Link } from '../../src/netlink/link.ts'
import { NetlinkError } from '../../src/netlink/errors.ts'
import type { PlacedFlowtable } from '../../src/nft/dump.ts'
import { decodeElements } from '../../src/nft/elements.ts'
import { TransactionError } from '../../src/nft/errors.ts'
import type { SetElement, TableContents, TableRef } from '../../src/nft/objects.ts'
import { operationText } from '../../src/nft/render-operation.ts'
import type { Operation } from '../../src/nft/transaction.ts'
import type { FastpathKernel } from '../../src/sync/fastpath-kernel.ts'

/** Up and an ordinary network card, unless said otherwise. */
export function link(name: string, parts: Partial<Link> = {}): Link {
  return {
    index: Array.from(name).reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) % 1_000_003,
    name,
    kind: undefined,
    mtuBytes: 1500,
    masterIndex: undefined,
    lowerIndex: undefined,
    hasRemote: false,
    isLoopback: false,
    isUp: true,
    hasCarrier: true,
    ...parts,
  }
}

export class MemoryKernel implements FastpathKernel {
  /** What the machine has now. */
  readonly names = new Set<string>()
  /** Why an operation is refused, by errno; undefined where it is not. */
  refuses: (operation: Operation) => string | undefined = () => undefined
  /** Since 6.16: names that do not exist may be members, and stay. */
  keepsNames = false
  /** Called before each commit. */
  onCommit: () => void = () => {}
  /** All transactions that took effect, as lines of nft, and those that did not. */
  readonly committed: string[][] = []
  refused = 0
  tables = new Map<string, TableContents>()
  hasNews = false
  isClosed = false

  readonly commit = async (operations: readonly Operation[]): Promise<void> => {
    this.onCommit()
    const tables = new Map(this.tables)
    for (const operation of operations) {
      const errno = this.refuses(operation) ?? this.#apply(tables, operation)
      if (errno === undefined) continue
      this.refused++
      const text = operationText(operation)
      throw new TransactionError(operation, text, new NetlinkError(text, errno))
    }
    this.tables = tables
    this.committed.push(operations.map((operation) => operationText(operation)))
  }

  readonly links = async (): Promise<readonly Link[]> => [
    link('lo', { isLoopback: true }),
    ...Array.from(this.names, (name) => link(name)),
  ]

  readonly hasLinkNews = (): boolean => {
    const { hasNews } = this
    this.hasNews = false
    return hasNews
  }

  readonly flowtables = async (): Promise<readonly PlacedFlowtable[]> =>
    [...this.tables.values()].flatMap(({ table, flowtables }) => flowtables.map((each) => ({ ...each, table })))

  readonly readTable = async (table: TableRef): Promise<TableContents | undefined> => this.tables.get(keyOf(table))

  readonly offloadedFlows = async (): Promise<readonly never[]> => []

  readonly close = (): void => {
    this.isClosed = true
  }

  /** Devices go; before 6.16 they leave the flowtables by themselves. */
  remove(...names: readonly string[]): void {
    for (const name of names) this.names.delete(name)
    this.hasNews = true
    if (this.keepsNames) return
    for (const [key, table] of this.tables) {
      const flowtables = table.flowtables.map((each) => ({
        ...each,
        devices: each.devices.filter((device) => !names.includes(device)),
      }))
      this.tables.set(key, { ...table, flowtables })
    }
  }

  add(...names: readonly string[]): void {
    for (const name of names) this.names.add(name)
    this.hasNews = true
  }

  #apply(tables: Map<string, TableContents>, operation: Operation): string | undefined {
    const key = keyOf(operation.table)
    const known = tables.get(key)
    if (operation.object === 'table' && operation.verb === 'add') {
      const { table } = operation
      tables.set(key, known ?? { table, flowtables: [], sets: [], chains: [], rules: [], elements: new Map() })
      return undefined
    }
    if (known === undefined) return 'ENOENT'
    if (operation.object === 'table' && operation.verb === 'delete') {
      tables.delete(key)
      return undefined
    }
    const changed = this.#changed(known, operation)
    if (typeof changed === 'string') return changed
    tables.set(key, changed)
    return undefined
  }

  #changed(table: TableContents, operation: Operation): TableContents | string {
    const { flowtables, sets, chains, rules, elements } = table
    const isAdding = operation.verb === 'add'
    switch (operation.object) {
      case 'table':
        return { ...table, rules: [] }
      case 'flowtable': {
        const { flowtable } = operation
        if (!isAdding && rules.length > 0) return 'EBUSY'
        const others = flowtables.filter(({ name }) => name !== flowtable.name)
        if (!isAdding) return { ...table, flowtables: others }
        const before = flowtables.find(({ name }) => name === flowtable.name)
        return { ...table, flowtables: [...others, before ?? flowtable] }
      }
      case 'flowtable-devices': {
        const before = flowtables.find(({ name }) => name === operation.flowtable)
        if (before === undefined || operation.devices.length > 255) return before === undefined ? 'ENOENT' : 'EFBIG'
        const isThere = (name: string): boolean =>
          isAdding ? this.keepsNames || this.names.has(name) : before.devices.includes(name)
        if (!operation.devices.every(isThere)) return 'ENOENT'
        const devices = isAdding
          ? [...new Set([...before.devices, ...operation.devices])]
          : before.devices.filter((name) => !operation.devices.includes(name))
        return { ...table, flowtables: flowtables.map((each) => (each === before ? { ...each, devices } : each)) }
      }
      case 'set': {
        if (!isAdding && rules.length > 0) return 'EBUSY'
        const others = sets.filter(({ name }) => name !== operation.set.name)
        const left = new Map([...elements].filter(([name]) => name !== operation.set.name))
        return { ...table, sets: isAdding ? [...others, operation.set] : others, elements: left }
      }
      case 'chain':
        return 'chain' in operation
          ? { ...table, chains: [...chains, operation.chain] }
          : { ...table, chains: chains.filter(({ name }) => name !== operation.name) }
      case 'rule':
        return 'rule' in operation ? { ...table, rules: [...rules, operation.rule] } : 'EOPNOTSUPP'
      case 'element':
        return changedElements(table, operation.set.name, decodeElements(operation.elements), isAdding)
    }
  }
}

function changedElements(
  table: TableContents,
  set: string,
  changed: readonly SetElement[],
  isAdding: boolean,
): TableContents | string {
  const before = table.elements.get(set) ?? []
  const isIn = (elements: readonly SetElement[], { key }: SetElement): boolean =>
    elements.some((each) => Buffer.compare(each.key, key) === 0)
  if (!isAdding && !changed.every((element) => isIn(before, element))) return 'ENOENT'
  const after = isAdding ? [...before, ...changed] : before.filter((element) => !isIn(changed, element))
  return { ...table, elements: new Map([...table.elements, [set, after]]) }
}

function keyOf({ family, name }: TableRef): string {
  return `${family} ${name}`
}
