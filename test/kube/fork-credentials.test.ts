import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { CredentialsError } from '../../src/kube/credentials.ts'
import { forkCredentials } from '../../src/kube/fork-credentials.ts'
import { until } from '../cli/until.ts'
import { withDirectory } from './fixtures.ts'
import { pluginUser, writeKubeconfig, writePlugin } from './kubeconfig-text.ts'

const server = 'https://api.test'
const patient = new AbortController().signal

describe('a process of its own', () => {
  test('finds out credentials', () =>
    withDirectory(async (directory) => {
      const kubeconfig = await writeKubeconfig(directory, { server, 'insecure-skip-tls-verify': true }, { token: 't' })
      const { headers, tls } = await forkCredentials({ kubeconfig, master: '' }, patient)
      assert.deepEqual(headers, { Authorization: 'Bearer t' })
      assert.equal(tls.rejectUnauthorized, false)
    }))

  test('tells why there are none', () =>
    assert.rejects(forkCredentials({ kubeconfig: '/nowhere', master: '' }, patient), (error) => {
      assert.ok(error instanceof CredentialsError)
      assert.equal(error.message, 'kubeconfig /nowhere: ENOENT: no such file or directory')
      return true
    }))

  test('that cannot run is told of', async () => {
    const before = process.env['NODE_OPTIONS']
    process.env['NODE_OPTIONS'] = '--require=/nowhere/at-all.cjs'
    const asked = forkCredentials({ kubeconfig: '/nowhere', master: '' }, patient)
    if (before === undefined) delete process.env['NODE_OPTIONS']
    else process.env['NODE_OPTIONS'] = before
    await assert.rejects(asked, { name: 'CredentialsError', message: 'credentials process ended with exit code 1' })
  })

  test('ends with its exec plugin when nobody wants to know any more', () =>
    withDirectory(async (directory) => {
      const pidPath = join(directory, 'pid')
      await writePlugin(directory, `echo $$ > ${pidPath}\nexec sleep 60`)
      const kubeconfig = await writeKubeconfig(directory, { server }, pluginUser('./plugin.sh'))
      const controller = new AbortController()
      const refused = assert.rejects(forkCredentials({ kubeconfig, master: '' }, controller.signal), CredentialsError)
      const pid = await until(
        async () => Number(await readFile(pidPath, 'utf8').catch(() => '')) || undefined,
        () => 'the plugin to start',
      )
      controller.abort()
      await refused
      await until(
        () => (isRunning(pid) ? undefined : true),
        () => 'the plugin to end',
      )
    }))

  test('is not started for nobody', async () => {
    const asked = forkCredentials({ kubeconfig: '/nowhere', master: '' }, AbortSignal.abort())
    await assert.rejects(asked, /not needed any more/)
  })
})

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
