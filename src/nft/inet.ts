/** Internet addresses as bytes and as the text that nft(8) prints (RFC 5952 for IPv6). */

export type InetFamily = 'ip' | 'ip6'

export function familyBytes(family: InetFamily): 4 | 16 {
  return family === 'ip' ? 4 : 16
}

/** The text of a 4- or 16-byte address; one that embeds an IPv4 address ends with it, as inet_ntop(3) of glibc prints it. */
export function inetText(address: Uint8Array): string {
  if (address.length === 4) return address.join('.')
  const groups = Array.from({ length: 8 }, (_, i) => ((address[i * 2] ?? 0) << 8) | (address[i * 2 + 1] ?? 0))
  const zeros = longestZeroRun(groups)
  const isMapped = zeros.length === 5 && groups[5] === 0xffff
  if (zeros.start === 0 && (zeros.length === 6 || isMapped)) {
    return `${isMapped ? '::ffff:' : '::'}${address.subarray(12).join('.')}`
  }
  const hex = groups.map((group) => group.toString(16))
  if (zeros.length < 2) return hex.join(':')
  return `${hex.slice(0, zeros.start).join(':')}::${hex.slice(zeros.start + zeros.length).join(':')}`
}

/** The first of the longest runs of zero groups. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
    start += length
  }
  return best
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
