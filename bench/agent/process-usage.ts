import { readdirSync, readFileSync } from 'node:fs'

/** USER_HZ: the kernel tells CPU time in these, on all machines that Node.js runs on. */
const ticksPerSecond = 100

/** Resident memory of a process and its descendants. */
export function residentBytes(pid: number): number {
  return processTree(pid).reduce((sum, member) => sum + statusBytes(member, 'VmRSS'), 0)
}

/** The most memory that the process itself ever had resident. */
export function peakBytes(pid: number): number {
  return statusBytes(pid, 'VmHWM')
}

/** CPU time, user and system, of all threads of a process and its descendants, those that have ended too. */
export function cpuMs(pid: number): number {
  return processTree(pid).reduce((sum, member) => sum + cpuTicks(member) * (1000 / ticksPerSecond), 0)
}

function processTree(pid: number): number[] {
  return [pid, ...children(pid).flatMap(processTree)]
}

function children(pid: number): number[] {
  return orGone([], () =>
    readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
      const text = orGone('', () => readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1'))
      return text.split(' ').filter(Boolean).map(Number)
    }),
  )
}

/** utime, stime, cutime and cstime: fields 14 to 17 of proc_pid_stat(5); the second may contain blanks. */
function cpuTicks(pid: number): number {
  const stat = orGone('', () => readFileSync(`/proc/${pid}/stat`, 'latin1'))
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0)
}

function statusBytes(pid: number, field: string): number {
  const status = orGone('', () => readFileSync(`/proc/${pid}/status`, 'latin1'))
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024
}

/** A process may end while it is looked at. */
function orGone<T>(gone: T, look: () => T): T {
  try {
    return look()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return gone
    throw error
  }
}
