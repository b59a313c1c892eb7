import { type IpAddress, parseIp } from '../model/ip.ts'

/** Where a server listens. */
export type SocketAddress = { readonly ip: IpAddress; readonly port: number }

/** Reads `IP:port`, an IPv6 address in brackets; undefined for anything else. */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  const [, bracketed, plain, digits = ''] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? []
  const ip = parseIp(bracketed ?? plain ?? '')
  const port = Number(digits)
  return ip === undefined || port < 1 || port > 65_535 ? undefined : { ip, port }
}

/** An address without a port gets this one; anything else stays what it is. */
export function withPort(address: string, port: number): string {
  if (parseIp(address) === undefined) return address
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

export function isIpv6Text(address: string): boolean {
  return address.includes(':') && parseIp(address) !== undefined
}
