import { NetlinkError } from '../netlink/errors.ts'
import type { Codec } from '../netlink/layout.ts'
import { NETLINK_NETFILTER, NetlinkSocket } from '../netlink/socket.ts'
import { NFNL_SUBSYS_NFTABLES, NFT_MSG } from './constants.ts'
import { type Batch, encodeBatch } from './encode.ts'
import { forEachElement } from './elements.ts'
import { TransactionError } from './errors.ts'
import { emptyBody, familyHeader, generationBody, type GenerationMessage } from './messages.ts'
import { operationText } from './render-operation.ts'
import type { Operation } from './transaction.ts'

/** What a committed transaction took. */
export type CommitReport = {
  readonly operations: number
  readonly bytes: number
  /** Time to make the bytes, and time inside the kernel until the transaction was in force. */
  readonly encodeMs: number
  readonly kernelMs: number
}

/**
 * A connection to nf_tables of the network namespace that the calling thread is in when it is made.
 * Transactions are committed one after the other.
 */
export class NftConnection {
  readonly #socket = new NetlinkSocket(NETLINK_NETFILTER)

  /** Commits the operations atomically. Throws TransactionError: then the kernel has changed nothing. */
  async commit(operations: readonly Operation[]): Promise<CommitReport> {
    if (operations.length === 0) return { operations: 0, bytes: 0, encodeMs: 0, kernelMs: 0 }
    const start = performance.now()
    const batch = encodeBatch(operations, () => this.#socket.nextSeq())
    const encoded = performance.now()
    if (batch.ackSeq === undefined)
      return { operations: operations.length, bytes: 0, encodeMs: encoded - start, kernelMs: 0 }
    const operationName = (seq: number): string => batch.part(seq)?.operation.verb ?? 'batch'
    const refusals = await this.#socket.transact(batch.bytes, batch.ackSeq, operationName).catch((error: unknown) => {
      throw error instanceof NetlinkError ? new TransactionError(undefined, 'transaction', error) : error
    })
    const [first] = refusals
    if (first !== undefined) throw transactionError(batch, first)
    return {
      operations: operations.length,
      bytes: batch.bytes.length,
      encodeMs: encoded - start,
      kernelMs: performance.now() - encoded,
    }
  }

  /** The ruleset generation: it grows with every transaction of anybody. Throws NetlinkError (EPERM without CAP_NET_ADMIN). */
  async generation(): Promise<GenerationMessage> {
    const request = { header: familyHeader(0), attributes: {} }
    return this.#socket.get('NFT_MSG_GETGEN', messageType(NFT_MSG.GETGEN), emptyBody, request, ({ payload }) => {
      return generationBody.read(payload, 0, payload.length).attributes
    })
  }

  /** Dumps all objects that a GET message asks for, decoded by `reply`. Throws NetlinkError. */
  async dump<T, R>(message: keyof typeof NFT_MSG, codec: Codec<T>, request: T, reply: Codec<R>): Promise<R[]> {
    return this.#socket.dump(`NFT_MSG_${message}`, messageType(NFT_MSG[message]), codec, request, ({ payload }) =>
      reply.read(payload, 0, payload.length),
    )
  }

  close(): void {
    this.#socket.close()
  }
}

function messageType(type: number): number {
  return (NFNL_SUBSYS_NFTABLES << 8) | type
}

/** Names the operation, and of an operation on elements the very one, by where in which message the kernel stopped. */
function transactionError(batch: Batch, refusal: NetlinkError): TransactionError {
  const part = batch.part(refusal.seq ?? 0)
  if (part === undefined) return new TransactionError(undefined, 'transaction', refusal)
  const { operation, elements } = part
  if (operation.object !== 'element' || elements === undefined) {
    return new TransactionError(operation, operationText(operation), refusal)
  }
  const carried = operation.elements.subarray(elements.start, elements.end)
  const refused = elementAt(carried, (refusal.offset ?? -1) - elements.messageOffset) ?? carried
  return new TransactionError(operation, operationText({ ...operation, elements: refused }), refusal)
}

/** The one encoded element that covers `offset`. */
function elementAt(bytes: Uint8Array, offset: number): Uint8Array | undefined {
  let found: Uint8Array | undefined
  forEachElement(bytes, (start, end) => {
    if (offset >= start && offset < end) found = bytes.subarray(start, end)
  })
  return found
}
