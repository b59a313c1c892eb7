import { release } from 'node:os'

/** Whether this kernel is of that version or a later one. For what cannot be found out by trying only. */
export function isKernelSince(major: number, minor: number, kernel = release()): boolean {
  const [, ownMajor, ownMinor] = /^(\d+)\.(\d+)/.exec(kernel) ?? []
  const [isNewer, isSame] = [Number(ownMajor) > major, Number(ownMajor) === major]
  return isNewer || (isSame && Number(ownMinor) >= minor)
}
