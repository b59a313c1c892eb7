import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'

/** The `conntrack` section of KubeProxyConfiguration v1alpha1; 0 leaves a parameter alone. */
export type ConntrackSettings = {
  /** Times the number of cores this is the most flows that are tracked. */
  readonly maxPerCore: number
  /** But at least so many; of no effect with `maxPerCore` 0. */
  readonly min: number
  readonly tcpEstablishedTimeoutMs: number
  readonly tcpCloseWaitTimeoutMs: number
  /** False leaves the parameter alone too. */
  readonly tcpBeLiberal: boolean
  readonly udpTimeoutMs: number
  readonly udpStreamTimeoutMs: number
}

/** A kernel parameter that had another value. */
export type SysctlChange = { readonly path: string; readonly before: number; readonly value: number }

/** A kernel parameter that cannot be set as configured; the message says what to do. */
export class SysctlError extends Error {
  readonly code = 'ERR_SYSCTL'
  readonly path: string
  /** The system's error by name, for example `EROFS`. */
  readonly errno: string

  constructor(message: string, path: string, cause: NodeJS.ErrnoException) {
    super(message, { cause })
    this.name = 'SysctlError'
    this.path = path
    this.errno = cause.code ?? 'unknown'
  }
}

/**
 * Sets what the settings ask for, as far as it is not so already, and returns what was changed. Parameters below
 * /proc/sys/net are those of the network namespace of the calling thread. `root` is where proc and sys are. Throws SysctlError.
 */
export function applyConntrackSettings(
  settings: ConntrackSettings,
  cores: number,
  root = '/',
): readonly SysctlChange[] {
  const changes: SysctlChange[] = []
  for (const parameter of parameters(settings, cores)) {
    const path = join(root, parameter.path)
    const before = read(path, parameter)
    const isSet = parameter.isLowerBound === true ? before >= parameter.value : before === parameter.value
    if (isSet) continue
    write(path, before, parameter)
    changes.push({ path, before, value: parameter.value })
  }
  return changes
}

/** The most flows to track; 0 for what the kernel has. What the cores make is cut off at 1,048,576, and `min` then means nothing. */
export function conntrackMax({ maxPerCore, min }: ConntrackSettings, cores: number): number {
  if (maxPerCore === 0) return 0
  const scaled = maxPerCore * cores
  return scaled > largestMax ? largestMax : Math.max(scaled, min)
}

/** The cores of this machine that are online, whatever share of them a container gets. */
export function hostCores(root = '/'): number {
  try {
    return countOf(readFileSync(join(root, 'sys/devices/system/cpu/online'), 'utf8'))
  } catch {
    return cpus().length
  }
}

const largestMax = 1_048_576

type Parameter = {
  readonly path: string
  readonly value: number
  /** The field that asks for it, and how it asks for nothing. */
  readonly field: string
  readonly off: '0' | 'false'
  /** More is fine. */
  readonly isLowerBound?: boolean
}

const hashSizePath = 'sys/module/nf_conntrack/parameters/hashsize'

/** In the order in which they are set: the hash table grows with what it has to hold. */
function parameters(settings: ConntrackSettings, cores: number): readonly Parameter[] {
  const max = conntrackMax(settings, cores)
  const field = 'conntrack.maxPerCore'
  const hashSize: Parameter = { path: hashSizePath, value: Math.floor(max / 4), field, off: '0', isLowerBound: true }
  return [
    ...(max > 0 ? [sysctl('nf_conntrack_max', max, field), hashSize] : []),
    ...timeout('tcp_timeout_established', settings.tcpEstablishedTimeoutMs, 'tcpEstablishedTimeout'),
    ...timeout('tcp_timeout_close_wait', settings.tcpCloseWaitTimeoutMs, 'tcpCloseWaitTimeout'),
    ...(settings.tcpBeLiberal ? [sysctl('nf_conntrack_tcp_be_liberal', 1, 'conntrack.tcpBeLiberal', 'false')] : []),
    ...timeout('udp_timeout', settings.udpTimeoutMs, 'udpTimeout'),
    ...timeout('udp_timeout_stream', settings.udpStreamTimeoutMs, 'udpStreamTimeout'),
  ]
}

function sysctl(name: string, value: number, field: string, off: Parameter['off'] = '0'): Parameter {
  return { path: `proc/sys/net/netfilter/${name}`, value, field, off }
}

/** In whole seconds; half a second is 0, not nothing. */
function timeout(name: string, timeoutMs: number, field: string): readonly Parameter[] {
  return timeoutMs > 0 ? [sysctl(`nf_conntrack_${name}`, Math.floor(timeoutMs / 1000), `conntrack.${field}`)] : []
}

function read(path: string, parameter: Parameter): number {
  try {
    return Number(readFileSync(path, 'utf8'))
  } catch (error) {
    throw refused(`cannot read ${path}, which shall be ${parameter.value}`, path, parameter, error)
  }
}

function write(path: string, before: number, parameter: Parameter): void {
  try {
    writeFileSync(path, `${parameter.value}`, { mode: 0o640 })
  } catch (error) {
    throw refused(`cannot change ${path} from ${before} to ${parameter.value}`, path, parameter, error)
  }
}

function refused(what: string, path: string, { field, off }: Parameter, error: unknown): SysctlError {
  const cause = error as NodeJS.ErrnoException
  const reason = reasons[cause.code ?? '']
  const alone = `${field}: ${off} leaves it alone`
  return new SysctlError(`${what}: ${cause.code}${reason === undefined ? '' : ` (${reason})`}; ${alone}`, path, cause)
}

const notHere = 'set it on the host beforehand, or with --init-only in a privileged init container'

/** What the system's errors mean here: a value that is right already is not written, so setting it elsewhere is enough. */
const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'load the kernel module nf_conntrack',
  EROFS: `read-only in this container: ${notHere}`,
  // The maximum and the hash table are read-only, for root too, outside of the initial network namespace.
  EACCES: `not permitted, or not in this network namespace: ${notHere}`,
  EPERM: `not permitted, or not in this network namespace: ${notHere}`,
  EOPNOTSUPP: `not in this network namespace: ${notHere}`,
}

/** How many numbers a list such as `0-3,6` has. Throws RangeError for other text. */
function countOf(list: string): number {
  const ranges = list.trim().split(',')
  return ranges.reduce((sum, range) => {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? []
    if (first === undefined) throw new RangeError(`not a list of CPUs: '${list}'`)
    return sum + Number(last) - Number(first) + 1
  }, 0)
}
