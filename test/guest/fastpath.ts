/*
 * The fast path on a kernel that has flow tables: this one, or else one that is booted for it. The cases are in cases/;
 * they run in one process there, and each is a test here.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { runInNamespace } from '../lab/program.ts'
import { needs, type Requirement, root, tool } from '../lab/requirements.ts'
import { runInGuest } from './guest.ts'
import { findKernel } from './kernel-image.ts'
import { type CaseResult, resultMark } from './reporter.ts'

const timeoutMs = 8 * 60_000
/** Of Debian 12. */
const kernelVersion = process.env.GUEST_KERNEL ?? '6.1'

const isHere = root() === undefined && tool('nft')() === undefined && hasFlowtables()

const guestKernel: Requirement = () =>
  findKernel(kernelVersion) === undefined ? 'a kernel with flow tables (test/guest/fetch-kernel.sh)' : undefined

const requirements = isHere
  ? needs(root)
  : needs(root, tool('nft'), tool('qemu-system-x86_64'), tool('busybox'), guestKernel)

test('the fast path on a kernel with flow tables', { ...requirements, timeout: timeoutMs }, async (context) => {
  build()
  const output = new PassThrough()
  const status = run(output).finally(() => output.end())
  const noise: string[] = []
  let cases = 0
  for await (const line of createInterface(output)) {
    if (!line.startsWith(resultMark)) {
      noise.push(line)
      continue
    }
    cases++
    const { path, ms, failure } = JSON.parse(line.slice(resultMark.length)) as CaseResult
    await context.test(`${path.join(': ')} (${ms} ms there)`, () => {
      if (failure !== undefined) throw Object.assign(new Error('failed there'), { stack: failure })
    })
  }
  const said = noise.slice(-50).join('\n')
  assert.equal(await status, 0, said)
  assert.ok(cases > 0, `no cases: ${said}`)
})

/** As JavaScript it starts in half the time, which an emulated processor needs. */
function build(): void {
  const program = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url))
  const { status, stdout } = spawnSync(program, ['-p', path('tsconfig.json')], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
  copyFileSync(path('../../package.json'), path('dist/package.json'))
}

/** Resolves with the exit status of the cases. */
async function run(output: PassThrough): Promise<number> {
  const args = [
    '--test',
    '--test-isolation=none',
    '--test-force-exit',
    '--test-timeout=180000',
    `--test-reporter=file://${path('dist/test/guest/reporter.js')}`,
    `${path('dist/test/guest/cases')}/*.js`,
  ]
  if (isHere) {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) stream.pipe(output, { end: false })
    await once(child, 'close')
    return child.exitCode ?? -1
  }
  const kernel = findKernel(kernelVersion)
  assert.ok(kernel)
  const command = `IS_GUEST=1 '${process.execPath}' ${args.map((arg) => `'${arg}'`).join(' ')}`
  return runInGuest({ kernel, command, output, timeoutMs })
}

function path(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}

function hasFlowtables(): boolean {
  const namespace = NetworkNamespace.create()
  try {
    const table = 'table inet probe { flowtable probe { hook ingress priority 10; } }'
    return runInNamespace(namespace, 'nft', ['-f', '-'], table).status === 0
  } finally {
    namespace.close()
  }
}
