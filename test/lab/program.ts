import { spawnSync } from 'node:child_process'
import type { NetworkNamespace } from '../../src/netlink/namespace.ts'

/** What a program that has ended left behind; `status` is undefined when a signal ended it. */
export type ProgramResult = { readonly status: number | undefined; readonly stdout: string; readonly stderr: string }

const programTimeoutMs = 60_000
const outputBytes = 256 << 20

/** Runs a program inside a namespace and waits for its end, holding up this thread. Throws when it cannot be started. */
export function runInNamespace(
  namespace: NetworkNamespace,
  command: string,
  args: readonly string[],
  stdin = '',
): ProgramResult {
  const { status, stdout, stderr, error } = namespace.run(() =>
    spawnSync(command, args, { input: stdin, encoding: 'utf8', timeout: programTimeoutMs, maxBuffer: outputBytes }),
  )
  if (error !== undefined) throw error
  return { status: status ?? undefined, stdout, stderr }
}
