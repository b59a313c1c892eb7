import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'

/** What a suite needs: undefined where it is there, else what is missing. */
export type Requirement = () => string | undefined

/** Namespaces of our own: root, or the capabilities CAP_SYS_ADMIN and CAP_NET_ADMIN. */
export const root: Requirement = () => {
  try {
    NetworkNamespace.create().close()
    return undefined
  } catch (error) {
    return `root, to create network namespaces (${(error as Error).message})`
  }
}

/** A program on the PATH. */
export function tool(name: string): Requirement {
  return () => {
    const folders = (process.env.PATH ?? '').split(delimiter)
    return folders.some((folder) => isExecutable(join(folder, name))) ? undefined : `the program '${name}'`
  }
}

/**
 * The options of a suite that needs something: `describe('links', needs(root, tool('ip')), ...)`.
 * Where something is missing the suite is skipped with the reason; in CI that is an error instead.
 */
export function needs(...requirements: readonly Requirement[]): { readonly skip?: string } {
  const missing = requirements.map((requirement) => requirement()).filter((text) => text !== undefined)
  if (missing.length === 0) return {}
  const reason = `needs ${missing.join(' and ')}`
  if (process.env.CI) throw new Error(`${reason}; in CI nothing is skipped`)
  return { skip: reason }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
