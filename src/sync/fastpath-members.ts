/*
 * Devices into a flowtable and out of it. What can go wrong depends on the kernel: before Linux 6.16 one name that does
 * not exist (any more) fails its whole batch and vanished devices leave by themselves; since then names that do not
 * exist are accepted, and stay until somebody removes them.
 */
import { TransactionError } from '../nft/errors.ts'
import type { TableRef } from '../nft/objects.ts'
import type { PlacedFlowtable } from '../nft/dump.ts'
import { inBatches } from './fastpath-batches.ts'
import type { FastpathKernel } from './fastpath-kernel.ts'

type MembersKernel = Pick<FastpathKernel, 'commit' | 'links' | 'flowtables'>

/** Which flowtable: its name is unique within its table. */
export type FlowtableRef = { readonly table: TableRef; readonly name: string }

/** One bad name in a full batch costs eight refusals; when that many come something else is wrong. */
const maxRefusals = 64

/** Not about any one name. */
const generalErrors: ReadonlySet<string> = new Set(['EPERM', 'ENOMEM', 'ENOBUFS', 'ENOMSG', 'EAGAIN', 'EINTR'])

/**
 * Adds or deletes members, each batch in a transaction of its own. One bad name fails its batch: without it the others
 * are tried again. What vanished meanwhile is passed over. Resolves with what cannot be added, and the kernel's reason.
 * Throws TransactionError when almost everything is refused
 * or the reason is not about names, and NetlinkError.
 */
export async function changeMembers(
  kernel: MembersKernel,
  verb: 'add' | 'delete',
  flowtable: FlowtableRef,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const refused = new Map<string, string>()
  let refusalsLeft = maxRefusals
  const change = async (batch: readonly string[]): Promise<void> => {
    const { table, name } = flowtable
    try {
      await kernel.commit([{ verb, object: 'flowtable-devices', table, flowtable: name, devices: batch }])
    } catch (error) {
      const isAboutNames = error instanceof TransactionError && !generalErrors.has(error.errno)
      if (!isAboutNames || --refusalsLeft < 0) throw error
      const left = error.errno === 'ENOENT' ? await namesLeft(kernel, verb, flowtable, batch) : batch
      if (left.length < batch.length) return left.length === 0 ? undefined : change(left)
      const [first, ...others] = batch
      // A device that is there cannot be what does not exist: the flowtable is gone.
      if (others.length === 0 && error.errno === 'ENOENT') throw error
      if (first !== undefined && others.length === 0) refused.set(first, error.errno)
      else for (const half of halves(batch)) await change(half)
    }
  }
  for (const batch of inBatches(names)) await change(batch)
  return verb === 'add' ? refused : new Map()
}

/** The members of a flowtable in a listing of all; undefined when it is not among them. */
export function membersOf(
  flowtables: readonly PlacedFlowtable[],
  flowtable: FlowtableRef,
): ReadonlySet<string> | undefined {
  const found = flowtables.find((each) => isSame(each, flowtable))
  return found && new Set(found.devices)
}

/** The flowtables with devices of ours that are somebody else's, as people write them. */
export function otherFlowtables(
  flowtables: readonly PlacedFlowtable[],
  flowtable: FlowtableRef,
  devices: ReadonlySet<string>,
): readonly string[] {
  return flowtables
    .filter((each) => !isSame(each, flowtable) && each.devices.some((member) => isAmong(member, devices)))
    .map(({ table, name }) => `flowtable ${table.family} ${table.name} ${name}`)
}

function isSame(flowtable: FlowtableRef, { table, name }: FlowtableRef): boolean {
  return flowtable.name === name && flowtable.table.family === table.family && flowtable.table.name === table.name
}

/** A member may be a prefix, `veth*`. */
function isAmong(member: string, devices: ReadonlySet<string>): boolean {
  if (!member.endsWith('*')) return devices.has(member)
  return [...devices].some((device) => device.startsWith(member.slice(0, -1)))
}

/** Of names that were refused those that can still be added or deleted. */
async function namesLeft(
  kernel: MembersKernel,
  verb: 'add' | 'delete',
  flowtable: FlowtableRef,
  names: readonly string[],
): Promise<readonly string[]> {
  const there =
    verb === 'add'
      ? new Set((await kernel.links()).map(({ name }) => name))
      : (membersOf(await kernel.flowtables(), flowtable) ?? new Set())
  return names.filter((name) => there.has(name))
}

function halves(names: readonly string[]): readonly (readonly string[])[] {
  const middle = Math.ceil(names.length / 2)
  return [names.slice(0, middle), names.slice(middle)]
}
