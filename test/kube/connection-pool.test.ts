import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerOptions } from 'node:https'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { openPool, retirePool } from '../../src/kube/connection-pool.ts'
import type { Credentials } from '../../src/kube/credentials.ts'
import { exchange } from '../../src/kube/http-exchange.ts'
import { until } from '../cli/until.ts'
import { needs, tool } from '../lab/requirements.ts'
import { CertificateOffice } from './certificates.ts'
import { withListener, withServer } from './loopback-server.ts'
import { connectProxy, socksProxy } from './proxies.ts'
import { failsWith, get, read } from './requests.ts'

type Tls = Partial<Credentials['tls']>

async function ask(server: string, tls: Tls = {}, proxyUrl?: string): Promise<string> {
  const pool = await openPool({
    server,
    tls: { rejectUnauthorized: true, ...tls },
    headers: {},
    files: [],
    ...(proxyUrl !== undefined && { proxyUrl }),
  })
  try {
    return await read(await exchange(get(), { server, pool, headers: {} }))
  } finally {
    pool.destroy()
  }
}

/** The timers of established connections to a port of 127.0.0.1, as proc(5) numbers them: 02 is keep-alive. */
function timersTo(port: number): readonly string[] {
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = readFileSync('/proc/self/net/tcp', 'utf8')
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
  return rows.filter((row) => row[2] === remote && row[3] === '01').map((row) => String(row[5]?.split(':')[0]))
}

/** Answers with the name in the client's certificate. */
function greet(request: IncomingMessage, response: ServerResponse): void {
  const { subject } = (request.socket as Partial<TLSSocket>).getPeerCertificate?.() ?? {}
  response.end(`hello ${String(subject?.CN ?? 'stranger')}`)
}

describe('a connection with TLS', needs(tool('openssl')), () => {
  const directory = mkdtempSync(join(tmpdir(), 'flowproxy-'))
  after(() => rmSync(directory, { recursive: true }))
  const office = new CertificateOffice(directory)
  const authority = office.authority('authority')
  const server = office.issue(authority, 'server', 'IP:127.0.0.1')
  const named = office.issue(authority, 'named', 'DNS:api.test')
  const client = office.issue(authority, 'client', 'DNS:client')

  async function askOver(options: ServerOptions, tls: Tls): Promise<string> {
    let answer = ''
    const run = async ({ port }: { readonly port: number }): Promise<void> => {
      answer = await ask(`https://127.0.0.1:${port}`, tls)
    }
    await withServer(greet, run, options)
    return answer
  }

  test('is made to a server of the authority', async () => {
    assert.equal(await askOver(server, { ca: authority.cert }), 'hello stranger')
  })

  test('is not made to a server of another authority, unless nothing is checked', async () => {
    const problem = /127.0.0.1:\d+\/.*: the server's certificate is not signed by an authority in certificate-authority/
    const other = office.authority('other')
    await failsWith(askOver(server, { ca: other.cert }), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', problem)
    await failsWith(askOver(other, { ca: authority.cert }), 'DEPTH_ZERO_SELF_SIGNED_CERT', problem)
    assert.equal(await askOver(server, { ca: other.cert, rejectUnauthorized: false }), 'hello stranger')
  })

  test('is not made to a server of another name, unless tls-server-name says so', async () => {
    const problem = /the server's certificate is for DNS:api.test: .* tls-server-name must be one of them$/
    await failsWith(askOver(named, { ca: authority.cert }), 'ERR_TLS_CERT_ALTNAME_INVALID', problem)
    assert.equal(await askOver(named, { ca: authority.cert, servername: 'api.test' }), 'hello stranger')
  })

  test('is not made to a server whose certificate has expired', async () => {
    const expired = office.issue(authority, 'expired', 'IP:127.0.0.1', -1)
    await failsWith(askOver(expired, { ca: authority.cert }), 'CERT_HAS_EXPIRED', /has expired/)
  })

  test('is not made to a server that speaks plain HTTP', () =>
    withListener(
      net.createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
      ({ port }) =>
        failsWith(
          ask(`https://127.0.0.1:${port}`),
          'EPROTO',
          /: TLS: wrong version number: does the server speak plain http\?$/,
        ),
    ))

  describe('shows a client certificate', () => {
    const options = { ...server, ca: authority.cert, requestCert: true, rejectUnauthorized: true }

    test('to a server that asks for one', async () => {
      const tls = { ca: authority.cert, cert: client.cert, key: client.key }
      assert.equal(await askOver(options, tls), 'hello client')
    })

    test('or is told that one is wanted', () =>
      failsWith(
        askOver(options, { ca: authority.cert }),
        'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
        /the server does not take the client certificate/,
      ))

    test('or is told that it is the wrong one', async () => {
      const stranger = office.issue(office.authority('strange'), 'stranger', 'DNS:stranger')
      const tls = { ca: authority.cert, cert: stranger.cert, key: stranger.key }
      await assert.rejects(askOver(options, tls), { name: 'KubeApiError', status: 0 })
    })
  })

  describe('through a proxy', () => {
    for (const { title, proxy, scheme } of [
      { title: 'is made by CONNECT', proxy: connectProxy(), scheme: 'http' },
      { title: 'is made by SOCKS 5', proxy: socksProxy(), scheme: 'socks5' },
    ]) {
      test(`${title}, which resolves the server's name`, () =>
        withListener(proxy.server, ({ port: proxyPort }) =>
          withServer(
            greet,
            async ({ port }) => {
              const tls = { ca: authority.cert, cert: client.cert, key: client.key }
              const answer = await ask(`https://api.test:${port}`, tls, `${scheme}://127.0.0.1:${proxyPort}`)
              assert.equal(answer, 'hello client')
              assert.deepEqual(proxy.asked, [`api.test:${port}`])
            },
            { ...named, ca: authority.cert, requestCert: true },
          ),
        ))
    }

    for (const { title, proxy, scheme } of [
      { title: 'CONNECT', proxy: connectProxy, scheme: 'http' },
      { title: 'SOCKS 5', proxy: socksProxy, scheme: 'socks5' },
    ]) {
      test(`checks the server's address, by ${title}`, () =>
        withListener(proxy().server, async ({ port: proxyPort }) => {
          const proxyUrl = `${scheme}://127.0.0.1:${proxyPort}`
          const tls = { ca: authority.cert }
          await withServer(
            greet,
            async ({ port }) => {
              assert.equal(await ask(`https://127.0.0.1:${port}`, tls, proxyUrl), 'hello stranger')
            },
            server,
          )
          const ofOther = ({ port }: { readonly port: number }): Promise<void> =>
            failsWith(
              ask(`https://127.0.0.1:${port}`, tls, proxyUrl),
              'ERR_TLS_CERT_ALTNAME_INVALID',
              /is for DNS:api.test/,
            )
          await withServer(greet, ofOther, named)
        }))

      test(`is probed while it is silent, by ${title}`, () =>
        withListener(proxy().server, ({ port: proxyPort }) =>
          withServer(
            (_, response) => void response.write('one'),
            async ({ port }) => {
              const target = `https://127.0.0.1:${port}`
              const proxyUrl = `${scheme}://127.0.0.1:${proxyPort}`
              const tls = { ca: authority.cert, rejectUnauthorized: true }
              const pool = await openPool({ server: target, tls, headers: {}, files: [], proxyUrl })
              await exchange(get(), { server: target, pool, headers: {} })
              assert.deepEqual(timersTo(proxyPort), ['02'])
              pool.destroy()
            },
            server,
          ),
        ))
    }
  })
})

describe('a connection through a proxy', () => {
  const authorization = `Basic ${Buffer.from('me:hush').toString('base64')}`

  test('shows the user of the proxy’s URL', () => {
    const { server, asked } = connectProxy(authorization)
    return withListener(server, async ({ port }) => {
      const refused = ask('https://api.test:6443', {}, `http://me:hush@127.0.0.1:${port}`)
      await assert.rejects(refused)
      assert.deepEqual(asked, ['api.test:6443'])
    })
  })

  test('that refuses tells so without the password', () =>
    withListener(connectProxy(authorization).server, async ({ port }) => {
      const refused = ask('https://api.test:6443', {}, `http://me:hush-2@127.0.0.1:${port}`)
      await failsWith(refused, 'ERR_PROXY_TUNNEL', /: the proxy does not connect to the server: it answers 407$/)
    }))

  test('that is not there tells its address without the password', () =>
    assert.rejects(ask('https://api.test:6443', {}, 'http://me:hush@127.0.0.1:1'), (error: Error) => {
      assert.match(error.message, /ECONNREFUSED 127.0.0.1:1/)
      assert.doesNotMatch(error.message, /hush/)
      return true
    }))

  test('works for plain HTTP too', () => {
    const { server, asked } = connectProxy()
    return withListener(server, ({ port: proxyPort }) =>
      withServer(greet, async ({ port }) => {
        assert.equal(await ask(`http://127.0.0.1:${port}`, {}, `http://127.0.0.1:${proxyPort}`), 'hello stranger')
        assert.deepEqual(asked, [`127.0.0.1:${port}`])
      }),
    )
  })
})

describe('a pool that is retired', () => {
  test('closes what nobody uses, lets the rest end, and keeps nothing', () =>
    withServer(
      (request, response) => {
        if (request.url === '/slow') setTimeout(() => response.end('late'), 100)
        else response.end('soon')
      },
      async ({ port, openConnections }) => {
        const server = `http://127.0.0.1:${port}`
        const pool = await openPool({ server, tls: { rejectUnauthorized: true }, headers: {}, files: [] })
        const target = { server, pool, headers: {} }
        const slow = exchange(get('/slow'), target)
        assert.equal(await read(await exchange(get('/'), target)), 'soon')
        assert.equal(openConnections(), 2)
        retirePool(pool)
        await until(
          () => (openConnections() === 1 ? true : undefined),
          () => 'the unused connection to end',
        )
        assert.equal(await read(await slow), 'late')
        await until(
          () => (openConnections() === 0 ? true : undefined),
          () => 'the last connection to end',
        )
      },
    ))
})
