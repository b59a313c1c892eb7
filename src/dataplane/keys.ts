/** The bytes of keys and values: parts in network order, each padded to four bytes. */
import type { Protocol } from '../model/service-port.ts'
import { IPPROTO } from '../nft/datatypes.ts'

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
  const bytes = new Uint8Array(2)
  bytes[0] = port >>> 8
  bytes[1] = port
  return bytes
}

export function protocolByte(protocol: Protocol): Uint8Array {
  return protocolBytes[protocol]
}

const protocolBytes = {
  tcp: Uint8Array.of(IPPROTO.tcp),
  udp: Uint8Array.of(IPPROTO.udp),
  sctp: Uint8Array.of(IPPROTO.sctp),
} as const satisfies Record<Protocol, Uint8Array>

/** The key of one slot of a frontend: `ip . port . slot`, or `port . slot` of a node port. Made in one piece: there are many. */
export function slotKey(ip: Uint8Array | undefined, port: number, slot: number): Uint8Array {
  const start = ip?.length ?? 0
  const key = new Uint8Array(start + 8)
  if (ip !== undefined) key.set(ip)
  key[start] = port >>> 8
  key[start + 1] = port
  // in host order, as `numgen` yields it
  key[start + 4] = slot
  key[start + 5] = slot >>> 8
  key[start + 6] = slot >>> 16
  return key
}

/** `ip . port`, the value of such a slot. */
export function endpointValue(ip: Uint8Array, port: number): Uint8Array {
  const value = new Uint8Array(ip.length + 4)
  value.set(ip)
  value[ip.length] = port >>> 8
  value[ip.length + 1] = port
  return value
}
