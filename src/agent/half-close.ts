/*
 * Connections that one end has closed while the other one still works on its answer. Since Linux 6.14 they stay in the
 * flow table, and when they have been silent for nf_flowtable_tcp_timeout (30 s) connection tracking gives them
 * nf_conntrack_tcp_timeout_close (10 s) more, whatever it gives to those that nobody offloaded: then the answer is lost.
 * Of the two the first one is raised. It concerns connections of flow tables alone; the second one would keep each
 * connection that is ever reset on this machine.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SysctlChange } from './sysctls.ts'

/** How long a half-closed connection of the fast path may be silent. */
export type HalfClose = {
  /** Undefined where the kernel does not say. */
  readonly seconds: number | undefined
  readonly change: SysctlChange | undefined
  /** Why it is not as long as it should be. */
  readonly problem: string | undefined
}

/** So much silence shall be survived. */
const wantedSeconds = 300
/** The kernel's default. */
const flowTimeoutSeconds = 30

const flowTimeout = 'proc/sys/net/netfilter/nf_flowtable_tcp_timeout'
const closeTimeout = 'proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close'

/** Raises the time in the network namespace of the calling thread, if it is too short. `root` is where proc is. */
export function keepHalfClosed(root = '/'): HalfClose {
  const path = join(root, flowTimeout)
  const [before, close] = [secondsIn(path), secondsIn(join(root, closeTimeout))]
  if (before === undefined || close === undefined) return { seconds: undefined, change: undefined, problem: undefined }
  const value = wantedSeconds - close
  if (before >= value) return { seconds: before + close, change: undefined, problem: undefined }
  try {
    writeFileSync(path, String(value))
    return { seconds: wantedSeconds, change: { path, before, value }, problem: undefined }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const problem =
      `half-closed connections of the fast path are forgotten after ${before + close} s of silence: ` +
      `cannot change ${path} from ${before} to ${value}: ${code}`
    return { seconds: before + close, change: undefined, problem }
  }
}

/** Takes back what `keepHalfClosed` has changed in an earlier run; best effort. */
export function forgetHalfClosed(root = '/'): SysctlChange | undefined {
  const path = join(root, flowTimeout)
  const [before, close] = [secondsIn(path), secondsIn(join(root, closeTimeout))]
  if (before === undefined || close === undefined || before !== wantedSeconds - close) return undefined
  try {
    writeFileSync(path, String(flowTimeoutSeconds))
    return { path, before, value: flowTimeoutSeconds }
  } catch {
    return undefined
  }
}

function secondsIn(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}
