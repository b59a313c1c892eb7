import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { linkByName } from '../../src/netlink/link.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../src/netlink/socket.ts'
import type { ProgramResult } from '../lab/program.ts'
import { needs, root } from '../lab/requirements.ts'
import { flowproxy, start } from './flowproxy.ts'

describe('flowproxy demo', needs(root), () => {
  const namespace = NetworkNamespace.create()
  const mountsBefore = namespaceMounts()
  let temporary: string
  /** No program can be found and started, and temporary files can be counted. */
  let env: NodeJS.ProcessEnv

  before(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'flowproxy-demo-test-'))
    await mkdir(join(temporary, 'tmp'))
    await mkdir(join(temporary, 'path'))
    env = { PATH: join(temporary, 'path'), TMPDIR: join(temporary, 'tmp') }
  })

  after(async () => {
    namespace.close()
    await rm(temporary, { recursive: true })
  })

  async function assertNothingLeft(): Promise<void> {
    assert.deepEqual(await readdir(join(temporary, 'tmp')), [])
    assert.deepEqual(namespaceMounts(), mountsBefore)
    const route = namespace.run(() => new NetlinkSocket(NETLINK_ROUTE))
    try {
      for (const link of ['eth0', 'veth-client', 'veth-backend-1']) {
        assert.equal(await linkByName(route, link), undefined, link)
      }
    } finally {
      route.close()
    }
  }

  describe('run to its end, with no other program on its PATH,', () => {
    let result: ProgramResult
    let ms: number

    before(async () => {
      const startedAt = performance.now()
      result = await flowproxy(['demo'], { namespace, env })
      ms = performance.now() - startedAt
    })

    test('succeeds within 20 s', () => {
      assert.deepEqual([result.status, result.stderr], [0, ''])
      assert.ok(ms < 20_000, `took ${Math.round(ms)} ms`)
    })

    const sections: RegExp[] = [
      /^-- A cluster of six hosts \(\d+ ms\)$/m,
      /^-- The Services in examples\/, read and programmed into the kernel/m,
      /^ {3}IPv4: 3 Services with 7 endpoints are \d+ map elements, committed in one transaction/m,
      /^ {3}IPv6: 2 Services with 7 endpoints are \d+ map elements, committed in one transaction/m,
      /^ {3}No Service has a chain of its own: they share pick-tcp-2, pick-tcp-3, pick-udp-2/m,
      /^-- 300 connections from the client pod to each Service, and who answered$/m,
      /^ {3}shop\/web +10\.96\.0\.10:80\/tcp +backend-1 \d+ {2}backend-2 \d+ {2}backend-3 \d+$/m,
      /^ {3}shop\/web +\[fd00:10:96::10\]:80\/tcp +backend-1 \d+ {2}backend-2 \d+ {2}backend-3 \d+$/m,
      /^ {3}kube-system\/dns +10\.96\.0\.53:53\/udp +backend-1 \d+ {2}backend-2 \d+$/m,
      /^-- Whom the backends see$/m,
      /^ {3}client +is seen as 10\.244\.1\.2 /m,
      /^ {3}outside +is seen as 192\.168\.0\.2 /m,
      /^ {3}backend-1 +is seen as 192\.168\.0\.2 /m,
      /^-- Addresses that lead nowhere say so$/m,
      /^ {3}10\.96\.0\.99:443\/tcp +refused after /m,
      /^ {3}10\.96\.0\.10:81\/tcp +refused after /m,
      /^ {3}10\.96\.200\.1:80\/tcp +timeout after /m,
      /^-- Scaling shop\/web by editing its manifest$/m,
      /^ {3}3 -> 2 endpoints: .* 4 elements sent\. Then: backend-1 \d+ {2}backend-2 \d+$/m,
      /^ {3}2 -> 3 endpoints: .* 4 elements sent\. Then: backend-1 \d+ {2}backend-2 \d+ {2}backend-3 \d+$/m,
      /^ {3}A connection that was open all the time: still answers$/m,
      /^Done in \d+\.\d s\. The namespaces are gone, and the rules with them\.$/m,
    ]
    test('prints its sections, with every connection where it belongs', () => {
      for (const section of sections) assert.match(result.stdout, section)
      for (const [line] of result.stdout.matchAll(/^.*\bbackend-\d \d+.*$/gm)) {
        const counts = [...line.matchAll(/\bbackend-\d (\d+)/g)].map(([, count]) => Number(count))
        assert.equal(
          counts.reduce((sum, count) => sum + count),
          300,
          line,
        )
      }
    })

    test('leaves no directory, mount or link behind', assertNothingLeft)
  })

  const moment = 'read and programmed into the kernel'
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    test(`interrupted by ${signal} it leaves nothing behind either`, async () => {
      const child = start(['demo'], { namespace, env })
      let output = ''
      child.stdout.on('data', (chunk: Buffer) => {
        const isBefore = !output.includes(moment)
        output += chunk.toString()
        if (isBefore && output.includes(moment)) child.kill(signal)
      })
      assert.deepEqual(await once(child, 'close'), [status, null])
      assert.doesNotMatch(output, /^Done in/m)
      await assertNothingLeft()
    })
  }
})

/** A namespace outlives its processes only where it is mounted, and these are all such mounts. */
function namespaceMounts(): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return mounts.filter((line) => line.includes(' - nsfs ')).map((line) => line.split(' ')[4] ?? '')
}
