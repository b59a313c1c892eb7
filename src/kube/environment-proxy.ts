import { BlockList, isIP, isIPv6 } from 'node:net'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The proxy that HTTPS_PROXY or HTTP_PROXY name for a server, unless NO_PROXY excepts it; the names may be in lower case.
 * NO_PROXY has hosts, domains, addresses and CIDRs, any but a CIDR with a port if wanted, or `*`. Loopback needs none.
 */
export function environmentProxy(server: URL, env: Environment): string | undefined {
  const name = server.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const proxy = env[name] || env[name.toLowerCase()]
  if (!proxy || isExcepted(server, env['NO_PROXY'] || env['no_proxy'] || '')) return undefined
  return proxy.includes('://') ? proxy : `http://${proxy}`
}

function isExcepted(server: URL, noProxy: string): boolean {
  const host = hostOf(server).toLowerCase()
  if (host === 'localhost' || holds('127.0.0.0/8', host) || host === '::1') return true
  const port = server.port || (server.protocol === 'https:' ? '443' : '80')
  return noProxy
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry === '*' || holds(entry, host) || isHost(withoutPort(entry, port), host))
}

/** The host without the brackets of an IPv6 address. */
export function hostOf(server: URL): string {
  return server.hostname.replace(/^\[(.*)\]$/, '$1')
}

function isHost(entry: string | undefined, host: string): boolean {
  if (!entry) return false
  if (isIP(entry)) return entry === host
  const domain = entry.replace(/^\*?\./, '')
  return (entry === domain && host === domain) || host.endsWith(`.${domain}`)
}

/** The entry's host; undefined when it is about another port. */
function withoutPort(entry: string, port: string): string | undefined {
  if (isIP(entry)) return entry
  const [, host, wantedPort] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? []
  return wantedPort === undefined || wantedPort === port ? host?.replace(/^\[(.*)\]$/, '$1') : undefined
}

function holds(cidr: string, host: string): boolean {
  const [address = '', bits] = cidr.split('/')
  if (bits === undefined || !isIP(address) || !isIP(host) || isIPv6(address) !== isIPv6(host)) return false
  const list = new BlockList()
  try {
    list.addSubnet(address, Number(bits), isIPv6(address) ? 'ipv6' : 'ipv4')
  } catch {
    return false
  }
  return list.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}
