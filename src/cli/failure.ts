import { StartError } from '../agent/start-error.ts'
import { SysctlError } from '../agent/sysctls.ts'
import { ConfigError } from '../config/errors.ts'
import { CredentialsError } from '../kube/credentials.ts'
import { NetlinkError } from '../netlink/errors.ts'
import { TransactionError } from '../nft/errors.ts'

/** Something that the person at the keyboard can mend; `message` says how. */
export class UsageError extends Error {
  readonly code = 'ERR_USAGE'

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'UsageError'
  }
}

/** Exit code for input and surroundings that must be mended before anything can work. */
export const usageExitCode = 2

/** The one line for an expected failure; undefined for a defect of this program, which shall crash with its stack. */
export function failureLine(error: unknown): string | undefined {
  if (isToMend(error)) return error.message
  if (error instanceof TransactionError && error.cause instanceof NetlinkError)
    return kernelLine(error.cause) ?? error.message
  if (error instanceof NetlinkError) return kernelLine(error) ?? error.message
  return undefined
}

/** Input or surroundings that somebody has to mend; the message says how. */
function isToMend(error: unknown): error is Error {
  return [UsageError, ConfigError, StartError, SysctlError, CredentialsError].some((kind) => error instanceof kind)
}

export function exitCodeOf(error: unknown): number {
  const isKernelsFault = error instanceof TransactionError || error instanceof NetlinkError
  return isKernelsFault && kernelLine(error instanceof TransactionError ? error.cause : error) === undefined
    ? 1
    : usageExitCode
}

/** What to do when the kernel refuses us altogether. */
function kernelLine(error: unknown): string | undefined {
  if (!(error instanceof NetlinkError)) return undefined
  switch (error.errno) {
    case 'EPERM':
    case 'EACCES':
      return 'not permitted: run it as root, or with the capability NET_ADMIN'
    case 'EPROTONOSUPPORT':
    case 'EAFNOSUPPORT':
      return 'this kernel has no nf_tables: load the module (modprobe nf_tables) or use a kernel with CONFIG_NF_TABLES'
    default:
      return undefined
  }
}
