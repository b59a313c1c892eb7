import http from 'node:http'
import https from 'node:https'
import { checkServerIdentity as checkIdentity } from 'node:tls'
import type { PeerCertificate } from 'node:tls'
import type { Credentials } from './credentials.ts'
import { environmentProxy, hostOf } from './environment-proxy.ts'

/** A connection without a request is closed after this: it may be dead without anybody having been told. */
const unusedMs = 60_000

/**
 * Connections to the server, through a proxy where one is wanted; kept for further requests. A proxy with an https URL
 * is checked against the authorities of Node.js and NODE_EXTRA_CA_CERTS, never the cluster's.
 */
export async function openPool({ server, tls, proxyUrl }: Credentials): Promise<http.Agent> {
  const url = new URL(server)
  const isHttps = url.protocol === 'https:'
  const options = { keepAlive: true, ...(isHttps && tls) }
  const proxy = proxyUrl ?? environmentProxy(url, process.env)
  if (proxy?.startsWith('socks')) {
    const { SocksProxyAgent } = await import('socks-proxy-agent')
    // It would compare the certificate of a server without a name with `localhost`.
    const checkServerIdentity = (_: string, certificate: PeerCertificate): Error | undefined =>
      checkIdentity(tls.servername ?? hostOf(url), certificate)
    const checked = { ...options, checkServerIdentity }
    // Names are resolved by the proxy, as kubectl has it. A timeout here would end a silent watch.
    return new SocksProxyAgent(proxy.replace(/^socks5:/, 'socks5h:'), checked)
  }
  const proxied = {
    ...options,
    timeout: unusedMs,
    ...(proxy !== undefined && { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }),
  }
  return isHttps ? new https.Agent(proxied) : new http.Agent(proxied)
}

/** Closes the connections without a request; the next request makes a new one. */
export function closeUnused(pool: http.Agent): void {
  for (const socket of Object.values(pool.freeSockets).flat()) socket?.destroy()
}

/** Lets requests that are going on end, and keeps no connection afterwards. */
export function retirePool(pool: http.Agent): void {
  pool.maxFreeSockets = 0
  closeUnused(pool)
}
