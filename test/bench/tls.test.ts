import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { createInterface } from 'node:readline'
import { json } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { IncomingMessage } from 'node:http'
import type { RawList } from './running-server.ts'

const program = fileURLToPath(new URL('../../bench/apiserver/main.ts', import.meta.url))

test('the program serves TLS with a certificate that can be trusted by its file', async () => {
  const args = [program, '--services', '2', '--endpoints', '1', '--listen', '127.0.0.1:0', '--tls']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    const { url, certFile } = JSON.parse(line) as { url: string; certFile: string }
    const sent = request(`${url}/api/v1/services`, { ca: readFileSync(certFile), agent: false }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    assert.equal(((await json(response)) as RawList).items.length, 2)
  } finally {
    child.kill()
    await once(child, 'close')
  }
  assert.equal(child.exitCode, 0)
})
