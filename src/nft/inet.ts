/** Internet addresses as bytes and as the text that nft(8) prints (RFC 5952 for IPv6). */

import { inetNtop } from '../netlink/inet.ts'

export type InetFamily = 'ip' | 'ip6'

export function familyBytes(family: InetFamily): 4 | 16 {
  return family === 'ip' ? 4 : 16
}

/** The text of a 4- or 16-byte address; one that embeds an IPv4 address ends with it, as inet_ntop(3) of glibc prints it. */
export function inetText(address: Uint8Array): string {
  const isCompatible = address.length === 16 && address.findIndex((byte) => byte !== 0) >= 12
  const hasHighPart = address[12] !== 0 || address[13] !== 0
  return isCompatible && hasHighPart ? `::${address.subarray(12).join('.')}` : inetNtop(address)
}

/** `10.0.0.0/8`, or the address alone when the prefix is as long as the address. */
export function prefixText(address: Uint8Array, prefixLength: number): string {
  return prefixLength === address.length * 8 ? inetText(address) : `${inetText(address)}/${prefixLength}`
}

/** The mask of a prefix: `prefixLength` one bits in `byteCount` bytes. */
export function prefixMask(prefixLength: number, byteCount: number): Uint8Array {
  return Uint8Array.from({ length: byteCount }, (_, i) => 0xff00 >> Math.min(8, Math.max(0, prefixLength - i * 8)))
}

/** The prefix length of a mask of leading ones, or undefined if it is no such mask. */
export function maskPrefixLength(mask: Uint8Array): number | undefined {
  const bits = Array.from(mask, (byte) => byte.toString(2).padStart(8, '0')).join('')
  return /^1*0*$/.test(bits) ? bits.lastIndexOf('1') + 1 : undefined
}

/** The last address of a prefix. */
export function lastAddress(address: Uint8Array, prefixLength: number): Uint8Array {
  const mask = prefixMask(prefixLength, address.length)
  return address.map((byte, index) => byte | ~(mask[index] ?? 0))
}

/** The address after the last one of a prefix; undefined when there is none (the prefix ends with the address space). */
export function addressAfter(address: Uint8Array, prefixLength: number): Uint8Array | undefined {
  const next = Uint8Array.from(address)
  for (let bit = prefixLength - 1; bit >= 0; bit--) {
    const byte = bit >> 3
    const mask = 0x80 >> (bit & 7)
    next[byte] = (next[byte] ?? 0) ^ mask
    if (((next[byte] ?? 0) & mask) !== 0) return next
  }
  return undefined
}
