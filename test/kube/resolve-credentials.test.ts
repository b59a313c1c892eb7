import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { describe, test } from 'node:test'
import { findAccess } from '../../src/kube/cluster-access.ts'
import { CredentialsError } from '../../src/kube/credentials.ts'
import type { Credentials, CredentialsRequest } from '../../src/kube/credentials.ts'
import { findCredentials } from '../../src/kube/find-credentials.ts'
import { plainAuthentication } from '../../src/kube/plain-authentication.ts'
import { resolveCredentials as resolveByLibrary } from '../../src/kube/resolve-credentials.ts'
import { needs, tool } from '../lab/requirements.ts'
import { CertificateOffice } from './certificates.ts'
import { withDirectory } from './fixtures.ts'
import type { Raw } from './fixtures.ts'
import { pluginUser, printCredential, writeKubeconfig, writePlugin } from './kubeconfig-text.ts'

const server = 'https://api.test:6443'
const serviceAccount = 'var/run/secrets/kubernetes.io/serviceaccount'

/** By the library, and where it can be done without, without: there must be no difference. */
async function resolveCredentials(request: CredentialsRequest): Promise<Credentials> {
  const byLibrary = resolveByLibrary(request)
  await byLibrary.catch(() => {})
  if (takesLibrary(request)) return byLibrary
  const [expected, found] = await Promise.allSettled([
    byLibrary,
    findCredentials(request, new AbortController().signal),
  ])
  assert.deepEqual(found, expected)
  return byLibrary
}

function takesLibrary(request: CredentialsRequest): boolean {
  try {
    return plainAuthentication(findAccess(request)) === undefined
  } catch {
    return false
  }
}

describe('credentials', needs(tool('openssl')), () => {
  test('a token of the kubeconfig becomes a bearer token', () =>
    withDirectory(async (directory) => {
      const kubeconfig = await writeKubeconfig(directory, { server }, { token: 'secret-1' })
      const credentials = await resolveCredentials({ kubeconfig, master: '' })
      assert.equal(credentials.server, server)
      assert.deepEqual(credentials.headers, { Authorization: 'Bearer secret-1' })
      assert.equal(credentials.tls.rejectUnauthorized, true)
      assert.deepEqual(
        credentials.files.map(({ path }) => path),
        [kubeconfig],
      )
    }))

  test('tokenFile wins over token, relative to the kubeconfig, without its line break', () =>
    withDirectory(async (directory) => {
      await writeFile(join(directory, 'token'), 'from-file\n')
      const kubeconfig = await writeKubeconfig(directory, { server }, { token: 'inline', tokenFile: 'token' })
      const credentials = await resolveCredentials({ kubeconfig: relative('.', kubeconfig), master: '' })
      assert.deepEqual(credentials.headers, { Authorization: 'Bearer from-file' })
      assert.deepEqual(
        credentials.files.map(({ path }) => path),
        [kubeconfig, join(directory, 'token')],
      )
    }))

  test('username and password become basic authentication', () =>
    withDirectory(async (directory) => {
      const kubeconfig = await writeKubeconfig(directory, { server }, { username: 'me', password: 'pä:ss' })
      const { headers } = await resolveCredentials({ kubeconfig, master: '' })
      assert.deepEqual(headers, { Authorization: `Basic ${Buffer.from('me:pä:ss').toString('base64')}` })
    }))

  test('somebody else is acted for when the kubeconfig says so', () =>
    withDirectory(async (directory) => {
      const kubeconfig = await writeKubeconfig(directory, { server }, { token: 't', as: 'other' })
      const { headers } = await resolveCredentials({ kubeconfig, master: '' })
      assert.deepEqual(headers, { 'Impersonate-User': 'other', Authorization: 'Bearer t' })
    }))

  test('certificates come from files or from the kubeconfig, which wins', () =>
    withDirectory(async (directory) => {
      const office = new CertificateOffice(directory)
      const authority = office.authority('authority')
      const client = office.issue(authority, 'client', 'DNS:client')
      const base64 = (text: string): string => Buffer.from(text).toString('base64')
      const kubeconfig = await writeKubeconfig(
        directory,
        { server, 'certificate-authority': 'authority.crt', 'tls-server-name': 'kubernetes' },
        { 'client-certificate': 'missing', 'client-certificate-data': base64(client.cert), 'client-key': 'client.key' },
      )
      const credentials = await resolveCredentials({ kubeconfig, master: '' })
      assert.deepEqual(credentials.tls, {
        ca: authority.cert,
        cert: client.cert,
        key: client.key,
        servername: 'kubernetes',
        rejectUnauthorized: true,
      })
      assert.deepEqual(
        credentials.files.map(({ path }) => path),
        [kubeconfig, authority.certPath, client.keyPath],
      )
    }))

  test('a cluster without a user has its authority checked all the same', () =>
    withDirectory(async (directory) => {
      const { cert } = new CertificateOffice(directory).authority('authority')
      const contexts = [{ name: 'used', context: { cluster: 'production' } }]
      const cluster = { server, 'certificate-authority': 'authority.crt' }
      const kubeconfig = await writeKubeconfig(directory, cluster, {}, { contexts })
      const credentials = await resolveCredentials({ kubeconfig, master: '' })
      assert.equal(credentials.tls.ca, cert)
      assert.deepEqual(credentials.headers, {})
    }))

  test('without an authority of its own the server is checked against those of the machine', () =>
    withDirectory(async (directory) => {
      const kubeconfig = await writeKubeconfig(directory, { server }, { token: 't' })
      const credentials = await resolveCredentials({ kubeconfig, master: '' })
      const isEmpty = credentials.tls.ca === undefined
      assert.ok(isEmpty || credentials.tls.ca?.startsWith('-----BEGIN CERTIFICATE-----'))
    }))

  describe('the server', () => {
    const cases: readonly { title: string; cluster: Raw; master: string; url: string }[] = [
      { title: 'is the kubeconfig’s', cluster: { server: 'https://a.test:1/' }, master: '', url: 'https://a.test:1' },
      {
        title: 'may have a path',
        cluster: { server: 'https://a.test/k8s/c-1/' },
        master: '',
        url: 'https://a.test/k8s/c-1',
      },
      { title: 'may speak plain HTTP', cluster: { server: 'http://a.test:1' }, master: '', url: 'http://a.test:1' },
      { title: 'is the master, if given', cluster: { server }, master: 'https://b.test', url: 'https://b.test' },
      { title: 'without a scheme speaks HTTP', cluster: { server: 'a.test:1' }, master: '', url: 'http://a.test:1' },
      {
        title: 'without a scheme speaks TLS when the kubeconfig says how',
        cluster: { server: 'a.test:1', 'insecure-skip-tls-verify': true },
        master: '',
        url: 'https://a.test:1',
      },
    ]
    for (const { title, cluster, master, url } of cases) {
      test(title, () =>
        withDirectory(async (directory) => {
          const kubeconfig = await writeKubeconfig(directory, cluster, { token: 't' })
          const credentials = await resolveCredentials({ kubeconfig, master })
          assert.equal(credentials.server, url)
          assert.equal(credentials.tls.rejectUnauthorized, cluster['insecure-skip-tls-verify'] !== true)
        }),
      )
    }

    test('is the master alone, without credentials, when there is no kubeconfig', async () => {
      const credentials = await resolveCredentials({ kubeconfig: '', master: '127.0.0.1:8080' })
      assert.deepEqual(credentials, {
        server: 'http://127.0.0.1:8080',
        tls: { rejectUnauthorized: true },
        headers: {},
        files: [],
      })
    })
  })

  describe('of an exec plugin', () => {
    test('its token is used, and forgotten when it expires', () =>
      withDirectory(async (directory) => {
        await writePlugin(
          directory,
          printCredential('{"token":"from-plugin","expirationTimestamp":"2030-01-02T03:04:05Z"}'),
        )
        const kubeconfig = await writeKubeconfig(directory, { server }, pluginUser('./plugin.sh'))
        const credentials = await resolveCredentials({ kubeconfig, master: '' })
        assert.deepEqual(credentials.headers, { Authorization: 'Bearer from-plugin' })
        assert.equal(credentials.expiresAtMs, Date.UTC(2030, 0, 2, 3, 4, 5))
      }))

    test('its certificate is used', () =>
      withDirectory(async (directory) => {
        const office = new CertificateOffice(directory)
        const client = office.issue(office.authority('authority'), 'client', 'DNS:client')
        const status = { clientCertificateData: client.cert, clientKeyData: client.key }
        await writePlugin(directory, printCredential(JSON.stringify(status)))
        const kubeconfig = await writeKubeconfig(directory, { server }, pluginUser('./plugin.sh'))
        const { tls } = await resolveCredentials({ kubeconfig, master: '' })
        assert.equal(tls.cert, client.cert)
        assert.equal(tls.key, client.key)
      }))

    test('it is told what is asked of it, and by whom', () =>
      withDirectory(async (directory) => {
        const { cert } = new CertificateOffice(directory).authority('authority')
        await writePlugin(
          directory,
          `echo "$KUBERNETES_EXEC_INFO" > ${directory}/asked; echo "$1 $COLOUR" >> ${directory}/asked\n${printCredential('{"token":"t"}')}`,
        )
        const cluster = {
          server,
          'certificate-authority': 'authority.crt',
          extensions: [{ name: 'client.authentication.k8s.io/exec', extension: { audience: 'x' } }],
        }
        const exec = { args: ['--login'], env: [{ name: 'COLOUR', value: 'red' }], provideClusterInfo: true }
        const kubeconfig = await writeKubeconfig(directory, cluster, pluginUser('./plugin.sh', exec))
        await resolveCredentials({ kubeconfig, master: '' })
        const [asked = '', called] = (await readFile(join(directory, 'asked'), 'utf8')).split('\n')
        assert.deepEqual(JSON.parse(asked), {
          apiVersion: 'client.authentication.k8s.io/v1',
          kind: 'ExecCredential',
          spec: {
            interactive: false,
            cluster: {
              server,
              'certificate-authority-data': Buffer.from(cert).toString('base64'),
              config: { audience: 'x' },
            },
          },
        })
        assert.equal(called, '--login red')
      }))
  })

  describe('in a pod', () => {
    const inPod = async (environment: NodeJS.ProcessEnv, run: () => Promise<void>): Promise<void> => {
      const before = process.env
      process.env = { ...before, KUBERNETES_SERVICE_HOST: '', KUBERNETES_SERVICE_PORT: '', ...environment }
      try {
        await run()
      } finally {
        process.env = before
      }
    }
    const pod = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '8080' }

    test('they are the service account’s, and the server has TLS on any port', () =>
      withDirectory(async (rootDirectory) => {
        const directory = join(rootDirectory, serviceAccount)
        await mkdir(directory, { recursive: true })
        const { cert } = new CertificateOffice(directory).authority('ca')
        await writeFile(join(directory, 'token'), 'of-pod')
        await inPod(pod, async () => {
          const credentials = await resolveCredentials({ kubeconfig: '', master: '', rootDirectory })
          assert.equal(credentials.server, 'https://[fd00::1]:8080')
          assert.equal(credentials.tls.ca, cert)
          assert.deepEqual(credentials.headers, { Authorization: 'Bearer of-pod' })
          assert.deepEqual(
            credentials.files.map(({ path }) => path),
            [join(directory, 'token'), join(directory, 'ca.crt')],
          )
        })
      }))

    test('a missing token is named', () =>
      inPod(pod, () =>
        withDirectory((rootDirectory) =>
          refuses(
            { kubeconfig: '', master: '', rootDirectory },
            `in-cluster configuration: ${rootDirectory}/${serviceAccount}/token: ENOENT: no such file or directory`,
          ),
        ),
      ))

    test('outside of a pod the missing variable is named', () =>
      inPod({}, () => refuses({ kubeconfig: '', master: '' }, /the environment has no KUBERNETES_SERVICE_HOST/)))
  })

  describe('are refused with file and field', () => {
    for (const { path, reason } of [
      { path: '/nowhere/kubeconfig', reason: 'ENOENT: no such file or directory' },
      { path: '/dev/null/kubeconfig', reason: 'ENOTDIR: not a directory' },
      { path: '/', reason: 'EISDIR: illegal operation on a directory' },
    ]) {
      test(`when the kubeconfig is ${path}`, () =>
        refuses({ kubeconfig: path, master: '' }, `kubeconfig ${path}: ${reason}`))
    }

    const texts: readonly { title: string; text: string; problem: string }[] = [
      { title: 'is not YAML', text: 'users:\n - token: {hush\n', problem: ':3:1: is not YAML' },
      { title: 'refers to an anchor that is not there', text: 'password: *hush', problem: ': is not YAML' },
      { title: 'is empty', text: '', problem: ': is not a kubeconfig' },
      { title: 'is only text', text: 'hush', problem: ': is not a kubeconfig' },
      { title: 'has no current context', text: 'users: []', problem: ': current-context is missing' },
      { title: 'has an unknown context', text: 'current-context: x', problem: ': context x is missing' },
      {
        title: 'has a context without a cluster',
        text: '{current-context: x, contexts: [{name: x, context: {user: y}}]}',
        problem: ': context x: cluster is missing',
      },
      {
        title: 'has an unknown cluster',
        text: '{current-context: x, contexts: [{name: x, context: {cluster: y}}]}',
        problem: ': cluster y is missing',
      },
    ]
    for (const { title, text, problem } of texts) {
      test(`when the kubeconfig ${title}`, () =>
        withDirectory(async (directory) => {
          const kubeconfig = join(directory, 'kubeconfig')
          await writeFile(kubeconfig, text)
          await refuses({ kubeconfig, master: '' }, `kubeconfig ${kubeconfig}${problem}`)
        }))
    }

    const entries: readonly { title: string; cluster: Raw; user: Raw; rest?: Raw; script?: string; problem: string }[] =
      [
        {
          title: 'the user is unknown',
          cluster: { server },
          user: {},
          rest: { users: [] },
          problem: 'user proxy is missing',
        },
        {
          title: 'the server is missing',
          cluster: { a: 1 },
          user: {},
          problem: 'cluster production: server is missing',
        },
        {
          title: 'the server is no URL',
          cluster: { server: 'ftp://a' },
          user: {},
          problem: 'cluster production: server: is not an http or https URL',
        },
        {
          title: 'the proxy is no URL',
          cluster: { server, 'proxy-url': 'gopher://a' },
          user: {},
          problem: 'cluster production: proxy-url is not an http, https or socks5 URL',
        },
        {
          title: 'an authority cannot be read',
          cluster: { server, 'certificate-authority': '/nowhere/ca.crt' },
          user: {},
          problem: 'cluster production: certificate-authority /nowhere/ca.crt: ENOENT: no such file or directory',
        },
        {
          title: 'an authority is no certificate',
          cluster: { server, 'certificate-authority': 'kubeconfig' },
          user: {},
          problem: 'cluster production: certificate-authority is not a certificate in PEM',
        },
        {
          title: 'a token file cannot be read',
          cluster: { server },
          user: { tokenFile: '/nowhere/token' },
          problem: 'user proxy: tokenFile /nowhere/token: ENOENT: no such file or directory',
        },
        {
          title: 'a client certificate has no key',
          cluster: { server },
          user: { 'client-certificate': 'client.crt' },
          problem: 'user proxy: client-key is missing',
        },
        {
          title: 'a client certificate has the key of another',
          cluster: { server },
          user: { 'client-certificate': 'client.crt', 'client-key': 'authority.key' },
          problem: 'user proxy: client-key does not belong to client-certificate',
        },
        {
          title: 'a client key is none',
          cluster: { server },
          user: { 'client-certificate': 'client.crt', 'client-key': 'authority.crt' },
          problem: 'user proxy: client-key is not a private key in PEM',
        },
        {
          title: 'groups are to be acted for',
          cluster: { server },
          user: { 'as-groups': ['hush'] },
          problem: 'user proxy: as-groups is not supported',
        },
        {
          title: 'an exec plugin is not there',
          cluster: { server },
          user: pluginUser('/nowhere/plugin'),
          problem: 'user proxy: exec plugin /nowhere/plugin: ENOENT: no such file or directory',
        },
        {
          title: 'an exec plugin fails',
          cluster: { server },
          user: pluginUser('./plugin.sh'),
          script: 'echo; echo log in first >&2; echo more >&2; exit 3',
          problem: 'user proxy: exec plugin DIR/plugin.sh: log in first',
        },
        {
          title: 'an exec plugin fails silently',
          cluster: { server },
          user: pluginUser('./plugin.sh'),
          script: 'exit 1',
          problem: 'user proxy: exec plugin DIR/plugin.sh: failed without a message',
        },
        {
          title: 'an exec plugin prints no JSON',
          cluster: { server },
          user: pluginUser('./plugin.sh'),
          script: 'echo hush',
          problem: 'user proxy: exec plugin DIR/plugin.sh: its output is not JSON',
        },
        {
          title: 'an exec plugin prints something else',
          cluster: { server },
          user: pluginUser('./plugin.sh'),
          script: `echo '{"hush":1}'`,
          problem: 'user proxy: exec plugin DIR/plugin.sh: its output is not an ExecCredential with a status',
        },
        {
          title: 'an identity token is garbage',
          cluster: { server },
          user: { 'auth-provider': { name: 'oidc', config: { 'id-token': 'hush.hush.hush' } } },
          problem: 'user proxy: auth-provider oidc: something is not JSON',
        },
      ]
    for (const { title, cluster, user, rest, script, problem } of entries) {
      test(`when ${title}`, () =>
        withDirectory(async (directory) => {
          const office = new CertificateOffice(directory)
          office.issue(office.authority('authority'), 'client', 'DNS:client')
          if (script !== undefined) await writePlugin(directory, script)
          const kubeconfig = await writeKubeconfig(directory, cluster, user, rest)
          const message = `kubeconfig ${kubeconfig}: ${problem.replace('DIR', directory)}`
          await refuses({ kubeconfig, master: '' }, message)
        }))
    }
  })
})

async function refuses(request: CredentialsRequest, message: string | RegExp): Promise<void> {
  await assert.rejects(resolveCredentials(request), (error) => {
    assert.ok(error instanceof CredentialsError)
    if (typeof message === 'string') assert.equal(error.message, message)
    else assert.match(error.message, message)
    assert.doesNotMatch(error.message, /hush/)
    return true
  })
}
