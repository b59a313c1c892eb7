/** As in Service spec.ipFamilies and EndpointSlice addressType. */
export type Family = 'IPv4' | 'IPv6'

/** An address in canonical text: dotted decimal, or RFC 5952. IPv4-mapped IPv6 addresses are written as IPv4. */
export type IpAddress = string & { readonly brand: 'IpAddress' }

const zero = 0x30
const dot = 0x2e
const colon = 0x3a

/** The groups of the IPv6 address parsed last. Parsing is synchronous, so one buffer serves all. */
const groups = new Uint16Array(8)

/**
 * Reads an address as the Kubernetes API does for stored objects: IPv4 parts may have leading zeros and are decimal all
 * the same. Undefined for anything else, white space and IPv6 zones included. Canonical text comes back as it is.
 */
export function parseIp(text: string): IpAddress | undefined {
  if (text.includes(':')) return parseIpv6(text)
  return parseIpv4(text)
}

export function familyOf(ip: IpAddress): Family {
  return ip.includes(':') ? 'IPv6' : 'IPv4'
}

/** The address in network byte order: 4 or 16 bytes. */
export function ipBytes(ip: IpAddress): Uint8Array {
  if (!ip.includes(':')) {
    const bytes = new Uint8Array(4)
    readIpv4(ip, 0, bytes)
    return bytes
  }
  readIpv6(ip)
  const bytes = new Uint8Array(16)
  groups.forEach((group, index) => {
    bytes[2 * index] = group >> 8
    bytes[2 * index + 1] = group & 0xff
  })
  return bytes
}

/** The address that 4 or 16 bytes in network byte order stand for; a RangeError for other lengths. */
export function ipFromBytes(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) return bytes.join('.') as IpAddress
  if (bytes.length !== 16) throw new RangeError(`an address has 4 or 16 bytes, not ${bytes.length}`)
  for (let index = 0; index < 8; index++) {
    groups[index] = ((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)
  }
  return printGroups()
}

function parseIpv4(text: string): IpAddress | undefined {
  const result = readIpv4(text, 0, ipv4Scratch)
  if (result === notAnAddress) return undefined
  return (result === canonical ? text : ipv4Scratch.join('.')) as IpAddress
}

function parseIpv6(text: string): IpAddress | undefined {
  if (!readIpv6(text)) return undefined
  const printed = printGroups()
  // The text is shared rather than its equal: there are as many of them as endpoints.
  return printed === text ? (text as IpAddress) : printed
}

const ipv4Scratch = new Uint8Array(4)
const notAnAddress = 0
const canonical = 1
const sloppy = 2

/** Reads dotted decimal from `start` to the end of the text into four bytes; says whether it was written canonically. */
function readIpv4(text: string, start: number, bytes: Uint8Array): number {
  let result = canonical
  let part = 0
  let value = 0
  let digits = 0
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === dot) {
      if (digits === 0 || part === 3) return notAnAddress
      bytes[part++] = value
      value = 0
      digits = 0
      continue
    }
    const digit = code - zero
    if (digit < 0 || digit > 9) return notAnAddress
    if (digits > 0 && value === 0) result = sloppy
    value = value * 10 + digit
    if (value > 255) return notAnAddress
    digits++
  }
  if (digits === 0 || part !== 3) return notAnAddress
  bytes[3] = value
  return result
}

/** Reads IPv6 text into `groups`; false when it is none. */
function readIpv6(text: string): boolean {
  let count = 0
  let gap = -1
  let at = 0
  if (text.startsWith('::')) {
    gap = 0
    at = 2
  }
  while (at < text.length) {
    if (count === 8) return false
    const end = groupEnd(text, at)
    if (text.charCodeAt(end) === dot) {
      if (!readEmbeddedIpv4(text, at, count)) return false
      count += 2
      break
    }
    const value = readHex(text, at, end)
    if (value === undefined) return false
    groups[count++] = value
    if (end === text.length) break
    at = end + 1
    if (at === text.length) return false
    if (text.charCodeAt(at) === colon) {
      if (gap >= 0) return false
      gap = count
      at++
    }
  }
  return expandGap(gap, count)
}

function groupEnd(text: string, start: number): number {
  let end = start
  while (end < text.length && text.charCodeAt(end) !== colon && text.charCodeAt(end) !== dot) end++
  return end
}

function readEmbeddedIpv4(text: string, start: number, count: number): boolean {
  if (count > 6 || readIpv4(text, start, ipv4Scratch) === notAnAddress) return false
  const [a = 0, b = 0, c = 0, d = 0] = ipv4Scratch
  groups[count] = (a << 8) | b
  groups[count + 1] = (c << 8) | d
  return true
}

function readHex(text: string, start: number, end: number): number | undefined {
  if (start === end) return undefined
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = hexDigit(text.charCodeAt(at))
    if (digit === undefined) return undefined
    value = value * 16 + digit
    if (value > 0xffff) return undefined
  }
  return value
}

function hexDigit(code: number): number | undefined {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : undefined
}

/** Moves the groups behind a `::` to the end; the gap stands for one group of zeros at least. */
function expandGap(gap: number, count: number): boolean {
  if (gap < 0) return count === 8
  if (count === 8) return false
  groups.copyWithin(8 - (count - gap), gap, count)
  groups.fill(0, gap, 8 - (count - gap))
  return true
}

/** RFC 5952: lower case, no leading zeros, the first longest run of at least two zero groups as `::`. */
function printGroups(): IpAddress {
  if (isIpv4Mapped()) {
    const [, , , , , , high = 0, low = 0] = groups
    return `${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}` as IpAddress
  }
  const { start, length } = longestZeroRun()
  let text = ''
  for (let index = 0; index < 8; index++) {
    if (length > 1 && index === start) {
      text += '::'
      index += length - 1
      continue
    }
    if (text !== '' && !text.endsWith(':')) text += ':'
    text += (groups[index] ?? 0).toString(16)
  }
  return text as IpAddress
}

function isIpv4Mapped(): boolean {
  if (groups[5] !== 0xffff) return false
  return groups[0] === 0 && groups[1] === 0 && groups[2] === 0 && groups[3] === 0 && groups[4] === 0
}

function longestZeroRun(): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let length = 0
  for (let index = 0; index < 8; index++) {
    length = groups[index] === 0 ? length + 1 : 0
    if (length > best.length) best = { start: index - length + 1, length }
  }
  return best
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback(ip: IpAddress): boolean {
  return ip === '::1' || (familyOf(ip) === 'IPv4' && ip.startsWith('127.'))
}
