/* IP addresses as the kernel holds them: 4 bytes (IPv4) or 16 bytes (IPv6) in network order. */
import { isIPv4, isIPv6 } from 'node:net'
import { DecodeError } from './errors.ts'
import type { Codec } from './layout.ts'

export const AF_INET = 2
export const AF_INET6 = 10

/** The 4 or 16 bytes of an address in text form, as inet_pton(3). Throws RangeError for other text, zone IDs included. */
export function inetPton(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number)
  if (!isIPv6(text) || text.includes('%')) throw new RangeError(`not an IP address: '${text}'`)
  const result = new Uint8Array(16)
  const gap = text.indexOf('::')
  if (gap === -1) result.set(groupBytes(text))
  else {
    const tail = groupBytes(text.slice(gap + 2))
    result.set(groupBytes(text.slice(0, gap)))
    result.set(tail, 16 - tail.length)
  }
  return result
}

/** The canonical text (RFC 5952) of an address of 4 or 16 bytes, as inet_ntop(3). */
export function inetNtop(address: Uint8Array): string {
  if (address.length === 4) return address.join('.')
  const groups = Array.from({ length: 8 }, (_, i) => (address[2 * i]! << 8) | address[2 * i + 1]!)
  if (groups[5] === 0xffff && groups.every((group, i) => i >= 5 || group === 0)) {
    return `::ffff:${address.subarray(12).join('.')}`
  }
  const hex = groups.map((group) => group.toString(16))
  const zeros = longestZeroRun(groups)
  if (zeros.length < 2) return hex.join(':')
  return `${hex.slice(0, zeros.start).join(':')}::${hex.slice(zeros.start + zeros.length).join(':')}`
}

/** The kernel's number for the family of an address of 4 or 16 bytes. */
export function addressFamily(address: Uint8Array): typeof AF_INET | typeof AF_INET6 {
  return address.length === 4 ? AF_INET : AF_INET6
}

/** An address followed by its prefix length (`10.244.0.0/16`), in two parts. Throws RangeError for other text. */
export function parsePrefix(text: string): { readonly address: Uint8Array; readonly prefixLength: number } {
  const slash = text.indexOf('/')
  const address = inetPton(slash === -1 ? text : text.slice(0, slash))
  const digits = text.slice(slash + 1)
  if (slash === -1 || !/^\d{1,3}$/.test(digits) || Number(digits) > address.length * 8) {
    throw new RangeError(`not an address with a prefix length: '${text}'`)
  }
  return { address, prefixLength: Number(digits) }
}

/** An attribute that holds one address; its length tells the family. */
export const inetAddress: Codec<string> = {
  write: (writer, value) => writer.bytes(inetPton(value)),
  read(buffer, start, end) {
    if (end - start !== 4 && end - start !== 16) throw new DecodeError('an address of 4 or 16 bytes', buffer, start)
    return inetNtop(buffer.subarray(start, end))
  },
}

/** The bytes of groups between colons, of which the last may be an IPv4 address (`ffff:10.0.0.1`). */
function groupBytes(text: string): readonly number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

/** The first of the longest runs of zero groups. */
function longestZeroRun(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let longest = { start: 0, length: 0 }
  let length = 0
  for (const [i, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0
    if (length > longest.length) longest = { start: i + 1 - length, length }
  }
  return longest
}
