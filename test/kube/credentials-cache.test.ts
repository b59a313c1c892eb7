import assert from 'node:assert/strict'
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { CredentialsCache } from '../../src/kube/credentials-cache.ts'
import { CredentialsError } from '../../src/kube/credentials.ts'
import { resolveCredentials } from '../../src/kube/resolve-credentials.ts'
import { withDirectory } from './fixtures.ts'
import type { Raw } from './fixtures.ts'
import { pluginUser, writeKubeconfig, writePlugin } from './kubeconfig-text.ts'

interface Place {
  readonly cache: CredentialsCache
  readonly directory: string
  readonly problems: string[]
  /** The token in use, by the Authorization header. */
  readonly token: () => Promise<string | undefined>
  /** Moves the clock of the cache. */
  readonly advance: (ms: number) => void
}

async function withCache(user: Raw, run: (place: Place) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const kubeconfig = await writeKubeconfig(directory, { server: 'https://api.test' }, user)
    const problems: string[] = []
    let nowMs = 0
    const cache = new CredentialsCache({
      request: { kubeconfig, master: '' },
      onProblem: ({ message }) => problems.push(message),
      now: () => nowMs,
      find: resolveCredentials,
    })
    const token = async (): Promise<string | undefined> => (await cache.current()).headers['Authorization']
    const advance = (ms: number): void => void (nowMs += ms)
    try {
      await run({ cache, directory, problems, token, advance })
    } finally {
      cache.close()
    }
  })
}

/** A plugin that answers with the number of times it was called. */
async function writeCounter(directory: string, more = ''): Promise<void> {
  const count = `echo >> ${directory}/calls; N=$(wc -l < ${directory}/calls)`
  await writePlugin(directory, `${count}\necho '{"status":{"token":"'$N'"${more}}}'`)
}

describe('credentials', () => {
  test('that many ask for at once are found out once', () =>
    withCache(pluginUser('./plugin.sh'), async ({ directory, token }) => {
      await writeCounter(directory)
      assert.deepEqual(await Promise.all([token(), token(), token()]), ['Bearer 1', 'Bearer 1', 'Bearer 1'])
      assert.equal(await token(), 'Bearer 1')
    }))

  test('are read again when the link to a token leads elsewhere', () =>
    withCache({ tokenFile: 'data/token' }, async ({ directory, token }) => {
      for (const version of ['1', '2']) {
        await mkdir(join(directory, version))
        await writeFile(join(directory, version, 'token'), `t${version}`)
      }
      await symlink('1', join(directory, 'data'))
      assert.equal(await token(), 'Bearer t1')
      await symlink('2', join(directory, 'data.new'))
      await rename(join(directory, 'data.new'), join(directory, 'data'))
      assert.equal(await token(), 'Bearer t2')
    }))

  test('stay while a file is missing, which is told once, and are read when it is back', () =>
    withCache({ tokenFile: 'token' }, async ({ directory, token, problems, advance }) => {
      const path = join(directory, 'token')
      await writeFile(path, 'old')
      await token()
      await rm(path)
      for (let n = 0; n < 3; n++) {
        assert.equal(await token(), 'Bearer old')
        advance(5_000)
      }
      assert.deepEqual(problems, [
        `kubeconfig ${directory}/kubeconfig: user proxy: tokenFile ${path}: ENOENT: no such file or directory`,
      ])
      await writeFile(path, 'new')
      assert.equal(await token(), 'Bearer new')
    }))

  test('that have never been there are an error, and looked for again after a while', () =>
    withCache({ tokenFile: 'token' }, async ({ directory, token, problems, advance }) => {
      const isMissing = (error: unknown): boolean => error instanceof CredentialsError && /ENOENT/.test(error.message)
      await assert.rejects(token(), isMissing)
      await writeFile(join(directory, 'token'), 'new')
      advance(4_999)
      await assert.rejects(token(), isMissing)
      advance(1)
      assert.equal(await token(), 'Bearer new')
      assert.deepEqual(problems, [])
    }))

  test('are replaced when they are refused, but not more often than every five seconds', () =>
    withCache(pluginUser('./plugin.sh'), async ({ cache, directory, advance }) => {
      await writeCounter(directory)
      const first = await cache.current()
      const [second, same] = await Promise.all([cache.insteadOf(first), cache.insteadOf(first)])
      assert.equal(second?.headers['Authorization'], 'Bearer 2')
      assert.equal(same, second)
      assert.equal(await cache.insteadOf(first), second)
      advance(4_999)
      assert.equal(await cache.insteadOf(second), undefined)
      advance(1)
      assert.equal((await cache.insteadOf(second))?.headers['Authorization'], 'Bearer 3')
    }))

  test('are replaced when they have expired', () =>
    withCache(pluginUser('./plugin.sh'), async ({ directory, token, advance }) => {
      await writeCounter(directory, ',"expirationTimestamp":"2020-01-01T00:00:00Z"')
      assert.equal(await token(), 'Bearer 1')
      advance(5_000)
      assert.equal(await token(), 'Bearer 2')
    }))
})
