/** The bytes of keys and values: parts in network order, each padded to four bytes. */
import type { Protocol } from '../model/service-port.ts'
import { hostBytes, IPPROTO } from '../nft/datatypes.ts'

/** The parts one after the other, padded. */
export function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += (part.length + 3) & ~3
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += (part.length + 3) & ~3
  }
  return bytes
}

export function portBytes(port: number): Uint8Array {
  return Uint8Array.of(port >>> 8, port)
}

export function protocolByte(protocol: Protocol): Uint8Array {
  return Uint8Array.of(IPPROTO[protocol])
}

/** A slot number, in host order as `numgen` yields it. */
export function slotBytes(slot: number): Uint8Array {
  return hostBytes(slot)
}
