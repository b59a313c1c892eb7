import type { NetlinkError } from '../netlink/errors.ts'
import type { Operation } from './transaction.ts'

/** A transaction that the kernel refused; nothing of it took effect. `cause` is the NetlinkError. */
export class TransactionError extends Error {
  readonly code = 'ERR_TRANSACTION'
  /** The operation that failed, or undefined when the transaction as a whole was refused. */
  readonly operation: Operation | undefined
  /** The failing operation in nft(8)'s words; of many elements, the one that was refused. */
  readonly nftLine: string
  /** The errno by name, for example `ENOENT`. */
  readonly errno: string

  constructor(operation: Operation | undefined, nftLine: string, cause: NetlinkError) {
    const reason = cause.kernelMessage === undefined ? '' : ` (${cause.kernelMessage})`
    super(`${nftLine}: ${cause.errno}${reason}`, { cause })
    this.name = 'TransactionError'
    this.operation = operation
    this.nftLine = nftLine
    this.errno = cause.errno
  }
}
