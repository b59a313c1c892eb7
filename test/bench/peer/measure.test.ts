import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { PausesResult, PausesTrial } from '../../../bench/peer/pauses.ts'
import type { Trial, TrialResult } from '../../../bench/peer/trial.ts'
import { NetworkNamespace } from '../../../src/netlink/namespace.ts'
import { goToolchain, goTool } from '../../lab/go-tools.ts'
import { needs, root, tool } from '../../lab/requirements.ts'

const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))
const flowproxy = [process.execPath, main, 'run']
const size = { services: 20, endpoints: 2 }
const small: Omit<Trial, 'command'> = {
  ...size,
  startPatienceMs: 60_000,
  starts: 1,
  idleMs: 50,
  newServices: 1,
  endpointChanges: 2,
  rollingEndpoints: 50,
}

async function run(script: string, argument: object): Promise<unknown> {
  const namespace = NetworkNamespace.create()
  const file = fileURLToPath(new URL(`../../../bench/peer/${script}`, import.meta.url))
  const child = namespace.run(() => {
    return spawn(process.execPath, [file, JSON.stringify(argument)], { stdio: ['ignore', 'pipe', 'inherit'] })
  })
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
  namespace.close()
  assert.equal(child.exitCode, 0)
  return JSON.parse(output)
}

async function trial(values: Partial<Trial>): Promise<TrialResult> {
  return (await run('measure.ts', { ...small, command: flowproxy, ...values })) as TrialResult
}

function assertComplete(result: TrialResult): void {
  assert.ok(result.outcome === 'measured', JSON.stringify(result))
  for (const starts of [result.coldStarts, result.restarts]) {
    const [start] = starts
    assert.ok(start !== undefined && start.readyMs > 0 && start.cpuMs > 0 && start.peakBytes > 1e7)
  }
  assert.equal(result.endpointChanges.latenciesMs.length, 2)
  assert.equal(result.newServices.latenciesMs.length, 1)
  assert.equal(result.rollingUpdate.endpoints, 50)
  assert.ok((result.rollingUpdate.totalMs ?? 0) > 0)
  assert.ok(result.steadyBytes > 1e7)
}

describe('a trial', { ...needs(root, tool('nft')), concurrency: 2 }, () => {
  test('measures every part of flowproxy', async () => {
    const result = await trial({})
    assertComplete(result)
  })

  test('tells a start that takes too long', async () => {
    const result = await trial({
      command: [process.execPath, '-e', 'setTimeout(() => {}, 60_000)', '--'],
      startPatienceMs: 300,
    })
    assert.ok(result.outcome === 'timed out' && result.afterMs === 300 && result.peakBytes > 1e7)
  })

  test('tells the log of a proxy that ended', async () => {
    const result = await trial({ command: [process.execPath, '-e', 'console.log("cannot go on")', '--'] })
    assert.ok(result.outcome === 'failed')
    assert.match(result.reason, /ended by itself.*cannot go on$/s)
  })

  test('of pauses has those of the process, and where a start computed', async () => {
    const argument: PausesTrial = {
      ...size,
      node: process.execPath,
      program: flowproxy.slice(1),
      replacedEndpoints: 5,
      restMs: 100,
    }
    const { pauses, profile } = (await run('measure-pauses.ts', argument)) as PausesResult
    assert.ok(pauses.longestBlockMs > 1)
    assert.ok((pauses.collections['minor']?.count ?? 0) > 0)
    assert.ok(profile.some(({ part, selfMs }) => part === 'kube' && selfMs > 0))
  })
})

describe('the same trial', needs(root, tool('nft'), ...goToolchain), () => {
  test('measures every part of kube-proxy', async () => {
    const result = await trial({ command: [await goTool('kube-proxy')] })
    assertComplete(result)
    assert.ok(result.outcome === 'measured' && result.objects.chains > size.services, 'a chain for each Service')
  })
})
