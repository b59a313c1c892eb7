import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, rename, writeFile } from 'node:fs/promises'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { KubeClient } from '../../src/kube/client.ts'
import type { KubeClientOptions } from '../../src/kube/client.ts'
import { CredentialsError } from '../../src/kube/credentials.ts'
import { needs, tool } from '../lab/requirements.ts'
import { CertificateOffice } from './certificates.ts'
import { withDirectory } from './fixtures.ts'
import type { Raw } from './fixtures.ts'
import { pluginUser, printCredential, writeKubeconfig, writePlugin } from './kubeconfig-text.ts'
import { withServer } from './loopback-server.ts'
import type { Loopback } from './loopback-server.ts'
import { failsWith, get, read } from './requests.ts'

/** Each client starts a process that needs half a second of a processor. */
const suite = { concurrency: 2 }

interface Place {
  readonly client: KubeClient
  readonly directory: string
  readonly server: Loopback
}

async function withClient(
  options: Partial<KubeClientOptions>,
  run: (client: KubeClient) => Promise<void>,
): Promise<void> {
  const onProblem = (problem: Error): void => assert.fail(problem)
  const usual = { kubeconfig: '', master: '', version: '1.2.3', qps: -1, burst: 1, onProblem }
  const client = new KubeClient({ ...usual, ...options })
  try {
    await run(client)
  } finally {
    client.close()
  }
}

/** A client that is this user on this server. */
async function withUser(
  user: Raw,
  handle: RequestListener,
  run: (place: Place) => Promise<void>,
  options: Partial<KubeClientOptions> = {},
): Promise<void> {
  await withDirectory((directory) =>
    withServer(handle, async (server) => {
      const kubeconfig = await writeKubeconfig(directory, { server: `http://127.0.0.1:${server.port}` }, user)
      await withClient({ kubeconfig, ...options }, (client) => run({ client, directory, server }))
    }),
  )
}

/** Answers with the token that it is shown, and refuses all but those that begin with `good`. */
function guard(request: IncomingMessage, response: ServerResponse): void {
  const token = request.headers.authorization?.replace('Bearer ', '') ?? ''
  response.statusCode = token.startsWith('good') ? 200 : 401
  response.end(token)
}

describe('the client', suite, () => {
  test('says who it is and what it reads', () =>
    withUser(
      { token: 't' },
      ({ headers }, response) => response.end(JSON.stringify(headers)),
      async ({ client, server }) => {
        const { connection, ...headers } = JSON.parse(await read(await client.send(get()))) as Raw
        assert.equal(connection, 'keep-alive')
        assert.deepEqual(headers, {
          host: `127.0.0.1:${server.port}`,
          'user-agent': `flowproxy/1.2.3 (linux/${process.arch})`,
          accept: 'application/json',
          'accept-encoding': 'identity',
          authorization: 'Bearer t',
        })
      },
    ))

  test('waits for its turn beyond the burst, except with a watch, until it is aborted', () =>
    withUser(
      {},
      (_, response) => response.end('{}'),
      async ({ client }) => {
        await client.start()
        const begin = performance.now()
        const arrivals = ['/1', '/2', '/3', '/4?watch=true'].map(async (path) => {
          await read(await client.send(get(path)))
          return performance.now() - begin
        })
        const [first = 0, second = 0, third = 0, watch = 0] = await Promise.all(arrivals)
        assert.ok(third >= 490, `the third arrived after ${third} ms`)
        for (const ms of [first, second, watch]) assert.ok(ms < third - 100, `one arrived after ${ms} ms`)

        const reason = new Error('enough')
        const controller = new AbortController()
        await read(await client.send(get()))
        const waiting = client.send(get('/', { signal: controller.signal }))
        controller.abort(reason)
        await assert.rejects(waiting, reason)
      },
      { qps: 2, burst: 2 },
    ))

  test('ends all requests when it is closed', () =>
    withUser(
      {},
      (request, response) => void (request.url === '/body' && response.write('one')),
      async ({ client }) => {
        const response = await client.send(get('/body'))
        const asked = client.send(get())
        setTimeout(() => client.close(), 20)
        await failsWith(asked, 'ECANCELED', /is closed/)
        await failsWith(read(response), 'ECANCELED', /is closed/)
        await failsWith(client.send(get()), 'ECANCELED', /is closed/)
      },
    ))

  test('cannot send without credentials, which start tells beforehand', () =>
    withClient({ kubeconfig: '/nowhere/kubeconfig' }, async (client) => {
      await assert.rejects(client.start(), CredentialsError)
      await failsWith(client.send(get()), 'ERR_CREDENTIALS', /^kubeconfig \/nowhere\/kubeconfig: ENOENT/)
    }))

  test('repeats a request with a new token when the API server refuses the old one', () =>
    withUser(pluginUser('./plugin.sh'), guard, async ({ client, directory }) => {
      await writePlugin(directory, printCredential('{"token":"expired"}'))
      await client.start()
      await writePlugin(directory, printCredential('{"token":"good"}'))
      const response = await client.send(get())
      assert.equal(response.status, 200)
      assert.equal(await read(response), 'good')
    }))

  test('passes the refusal on when there is no other token, and does not look for one each time', () =>
    withUser(pluginUser('./plugin.sh'), guard, async ({ client, directory }) => {
      await writePlugin(directory, `echo >> ${directory}/calls\n${printCredential('{"token":"bad"}')}`)
      for (let n = 0; n < 4; n++) {
        const response = await client.send(get())
        assert.equal(response.status, 401)
        assert.equal(await read(response), 'bad')
      }
      assert.equal(await readFile(join(directory, 'calls'), 'utf8'), '\n\n')
    }))

  test('shows a new token over the connection that there is', () =>
    withUser({ tokenFile: 'token' }, guard, async ({ client, directory, server }) => {
      await writeFile(join(directory, 'token'), 'good-1')
      assert.equal(await read(await client.send(get())), 'good-1')
      await writeFile(join(directory, 'token'), 'good-2')
      assert.equal(await read(await client.send(get())), 'good-2')
      assert.equal(server.connections(), 1)
    }))

  test('shows a new client certificate over a new connection', needs(tool('openssl')), () =>
    withDirectory(async (directory) => {
      const office = new CertificateOffice(directory)
      const authority = office.authority('authority')
      office.issue(authority, 'client', 'DNS:client')
      const tls = { ...office.issue(authority, 'server', 'IP:127.0.0.1'), ca: authority.cert, requestCert: true }
      const greet = (request: IncomingMessage, response: ServerResponse): void => {
        response.end((request.socket as TLSSocket).getPeerCertificate().subject.CN)
      }
      const run = async ({ port }: Loopback): Promise<void> => {
        const cluster = { server: `https://127.0.0.1:${port}`, 'certificate-authority': 'authority.crt' }
        const user = { 'client-certificate': 'client.crt', 'client-key': 'client.key' }
        await withClient({ kubeconfig: await writeKubeconfig(directory, cluster, user) }, async (client) => {
          assert.equal(await read(await client.send(get())), 'client')
          const renewed = office.issue(authority, 'renewed', 'DNS:client')
          await rename(renewed.certPath, join(directory, 'client.crt'))
          await rename(renewed.keyPath, join(directory, 'client.key'))
          assert.equal(await read(await client.send(get())), 'renewed')
        })
      }
      await withServer(greet, run, tls)
    }),
  )

  for (const [title, user] of Object.entries({ token: { token: 'good' }, 'exec plugin': pluginUser('./plugin.sh') })) {
    test(`does not load the library for a ${title}, and prints nothing`, () =>
      withUser(user, guard, async ({ directory }) => {
        await writePlugin(directory, printCredential('{"token":"good"}'))
        const program = fileURLToPath(new URL('./loaded-modules.ts', import.meta.url))
        const args = [program, join(directory, 'kubeconfig')]
        const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
        const { body, urls } = JSON.parse(stdout) as { readonly body: string; readonly urls: readonly string[] }
        assert.equal(body, 'good')
        assert.equal(stderr, '')
        const packages = new Set(urls.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []))
        assert.deepEqual([...packages], ['yaml'])
      }))
  }
})
