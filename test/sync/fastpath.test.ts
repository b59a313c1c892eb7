import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { fastpathTable } from '../../src/dataplane/fastpath.ts'
import { fastpathTableRef } from '../../src/dataplane/names.ts'
import { NetlinkError } from '../../src/netlink/errors.ts'
import type { Operation } from '../../src/nft/transaction.ts'
import { Fastpath, type FastpathNote, type FastpathOptions } from '../../src/sync/fastpath.ts'
import { SyncLoop } from '../../src/sync/sync-loop.ts'
import { service, slice, sliceEndpoint } from '../model/fixtures.ts'
import { MemoryKernel } from './fastpath-kernel.ts'
import { ManualClock } from './manual-clock.ts'
import { createProxy } from './proxy.ts'

const tableKey = 'inet kube-proxy-fastpath'

describe('the fast path', () => {
  const running: { stop: AbortController; ended: Promise<void> }[] = []

  afterEach(async () => {
    for (const { stop, ended } of running.splice(0)) {
      stop.abort()
      await ended
    }
  })

  function machine(...names: readonly string[]) {
    const kernel = new MemoryKernel()
    kernel.add(...names)
    return { kernel, clock: new ManualClock(), notes: [] as FastpathNote[] }
  }

  type Machine = ReturnType<typeof machine>

  function start({ kernel, clock, notes }: Machine, options: Partial<FastpathOptions> = {}) {
    const fastpath = new Fastpath({
      isEnabled: true,
      patterns: [],
      hasTunnelOffload: false,
      kernel,
      clock,
      onNote: (note) => notes.push(note),
      wantedTable: ({ interfaces, capabilities: { hasCounters } }) =>
        fastpathTable({ threshold: 20, selection: 'label', interfaces, devices: [], noOffload: [], hasCounters }),
      ...options,
    })
    const stop = new AbortController()
    const ended = fastpath.start(stop.signal)
    running.push({ stop, ended })
    return { fastpath, stop, ended }
  }

  /** The members of the flowtable, and the interfaces that the rule asks for. */
  function found({ kernel }: Machine): { devices: readonly string[]; interfaces: readonly string[] } {
    const table = kernel.tables.get(tableKey)
    const interfaces = (table?.elements.get('interfaces') ?? []).map(({ key }) => nameOf(key))
    return { devices: [...(table?.flowtables[0]?.devices ?? [])].sort(), interfaces: interfaces.sort() }
  }

  const messages = ({ notes }: Machine): readonly string[] => notes.map(({ message }) => message)

  test('makes its table with all interfaces but loopback', async () => {
    const here = machine('eth0', 'veth1')
    const { fastpath } = start(here)
    await here.clock.goTo(0)
    assert.deepEqual(found(here), { devices: ['eth0', 'veth1'], interfaces: ['eth0', 'veth1'] })
    assert.equal(fastpath.status.state, 'active')
    assert.deepEqual(messages(here), ['the fast path is active between 2 interfaces'])
  })

  test('leaves no trace of its probes', async () => {
    const here = machine('eth0')
    start(here)
    await here.clock.goTo(0)
    assert.deepEqual([...here.kernel.tables.keys()], [tableKey])
  })

  describe('where the kernel has no flow tables', () => {
    const withoutFlowtables = ({ object }: Operation): string | undefined =>
      object === 'flowtable' ? 'ENOENT' : undefined

    test('says so once and leaves the kernel alone', async () => {
      const here = machine('eth0')
      here.kernel.refuses = withoutFlowtables
      const { fastpath, ended } = start(here)
      await here.clock.goTo(1_000)
      here.kernel.add('eth1')
      await here.clock.goTo(200_000)
      await ended
      assert.deepEqual(messages(here), [
        'this kernel has no flow tables, so all connections go through the rules: ' +
          'add flowtable inet kube-proxy-fastpath-probe probe: ENOENT',
      ])
      assert.equal(fastpath.status.state, 'unsupported')
      assert.equal(here.kernel.tables.size, 0)
    })
  })

  test('goes without counters and labels where the kernel has none', async () => {
    const here = machine('eth0')
    here.kernel.refuses = (operation) => {
      if (operation.object === 'flowtable' && 'flowtable' in operation && operation.flowtable.hasCounters)
        return 'EINVAL'
      return operation.object === 'rule' && 'rule' in operation && operation.rule.chain === 'labels'
        ? 'EOPNOTSUPP'
        : undefined
    }
    const { fastpath } = start(here)
    const { hasFlowtables, hasCounters, hasLabels } = await fastpath.probe()
    assert.deepEqual(
      { hasFlowtables, hasCounters, hasLabels },
      {
        hasFlowtables: true,
        hasCounters: false,
        hasLabels: false,
      },
    )
    await here.clock.goTo(0)
    assert.equal(here.kernel.tables.get(tableKey)?.flowtables[0]?.hasCounters, undefined)
  })

  test('follows links that come and go, several in one look', async () => {
    const here = machine('eth0')
    start(here)
    await here.clock.goTo(5_000)
    const before = here.kernel.committed.length
    here.kernel.add('veth1', 'veth2')
    await here.clock.goTo(5_100)
    here.kernel.add('veth3')
    await here.clock.goTo(5_200)
    assert.deepEqual(here.kernel.committed.slice(before), [
      [`add flowtable ${tableKey} kube-proxy-flowtable { devices = { "veth1", "veth2", "veth3" }; }`],
      [`add element ${tableKey} interfaces { "veth1", "veth2", "veth3" }`],
    ])
    here.kernel.remove('veth2')
    await here.clock.goTo(6_400)
    assert.deepEqual(found(here), { devices: ['eth0', 'veth1', 'veth3'], interfaces: ['eth0', 'veth1', 'veth3'] })
  })

  test('looks at most once a second', async () => {
    const here = machine('eth0')
    const { fastpath } = start(here)
    await here.clock.goTo(5_000)
    const before = fastpath.status.syncs
    for (let ms = 5_000; ms < 10_000; ms += 100) {
      here.kernel.add(`veth${ms}`)
      await here.clock.goTo(ms)
    }
    assert.ok(fastpath.status.syncs - before <= 5, `${fastpath.status.syncs - before} looks`)
    await here.clock.goTo(12_000)
    assert.equal(found(here).devices.length, 51)
  })

  test('gives an interface up before its device goes, and takes one on after its device came', async () => {
    const here = machine('eth0', 'old')
    here.kernel.keepsNames = true
    start(here)
    await here.clock.goTo(1_000)
    here.kernel.remove('old')
    here.kernel.add('new')
    const before = here.kernel.committed.length
    await here.clock.goTo(2_000)
    assert.deepEqual(here.kernel.committed.slice(before), [
      [`delete element ${tableKey} interfaces { "old" }`],
      [`delete flowtable ${tableKey} kube-proxy-flowtable { devices = { "old" }; }`],
      [`add flowtable ${tableKey} kube-proxy-flowtable { devices = { "new" }; }`],
      [`add element ${tableKey} interfaces { "new" }`],
    ])
  })

  test('adds 300 devices in batches of 128 at most', async () => {
    const here = machine(...Array.from({ length: 300 }, (_, index) => `veth${index}`))
    start(here)
    const sizes: number[] = []
    here.kernel.refuses = (operation) => {
      if (operation.object === 'flowtable-devices') sizes.push(operation.devices.length)
      return undefined
    }
    await here.clock.goTo(0)
    assert.deepEqual(sizes, [128, 128, 44])
    assert.equal(found(here).devices.length, 300)
  })

  test('does without a device that vanishes while it is added', async () => {
    const here = machine('eth0', 'veth1', 'veth2')
    here.kernel.onCommit = () => void here.kernel.names.delete('veth1')
    const { fastpath } = start(here)
    await here.clock.goTo(0)
    assert.deepEqual(found(here), { devices: ['eth0', 'veth2'], interfaces: ['eth0', 'veth2'] })
    assert.equal(fastpath.status.state, 'active')
    assert.equal(here.notes.filter(({ level }) => level !== 'info').length, 0)
  })

  test('finds a device that the kernel refuses among 200, says so once, and does without it', async () => {
    const here = machine(...Array.from({ length: 200 }, (_, index) => `veth${index}`))
    here.kernel.refuses = (operation) =>
      operation.object === 'flowtable-devices' && operation.devices.includes('veth77') ? 'EOPNOTSUPP' : undefined
    const { fastpath } = start(here)
    await here.clock.goTo(180_000)
    assert.equal(found(here).devices.length, 199)
    assert.equal(found(here).interfaces.includes('veth77'), false)
    assert.deepEqual(
      here.notes.filter(({ level }) => level === 'warn').map(({ message }) => message),
      ['device veth77 takes no part in the fast path: EOPNOTSUPP'],
    )
    assert.match(fastpath.status.leftOut.get('veth77') ?? '', /EOPNOTSUPP/)
    assert.equal(fastpath.status.devicesMissing, 0)
  })

  test('a restart changes nothing where nothing changed, and the flowtable stays', async () => {
    const here = machine('eth0', 'veth1')
    const first = start(here)
    await here.clock.goTo(1_000)
    first.stop.abort()
    await here.clock.goTo(2_000)
    const before = here.kernel.committed.length
    start(here)
    await here.clock.goTo(3_000)
    const since = here.kernel.committed.slice(before).filter((lines) => !lines.join().includes('-probe'))
    assert.equal(since.length, 1, 'one transaction, which makes the table around the flowtable')
    assert.deepEqual(
      since.flat().filter((line) => line.startsWith('delete') && line.includes('flowtable inet')),
      [],
    )
    assert.deepEqual(found(here), { devices: ['eth0', 'veth1'], interfaces: ['eth0', 'veth1'] })
  })

  test('makes the table again after somebody flushed the ruleset', async () => {
    const here = machine('eth0')
    start(here)
    await here.clock.goTo(1_000)
    here.kernel.tables.clear()
    await here.clock.goTo(62_000)
    assert.deepEqual(found(here), { devices: ['eth0'], interfaces: ['eth0'] })
  })

  test('makes the table again when somebody removes it while devices are added, and blames no device', async () => {
    const here = machine('eth0', 'eth1')
    const { fastpath } = start(here)
    await here.clock.goTo(1_000)
    let isSpoilt = false
    here.kernel.add('eth2', 'eth3')
    here.kernel.refuses = ({ object }) => {
      if (object !== 'flowtable-devices' || isSpoilt) return undefined
      isSpoilt = true
      here.kernel.tables.clear()
      return 'ENOENT'
    }
    await here.clock.goTo(20_000)
    assert.equal(isSpoilt, true)
    assert.deepEqual(found(here).interfaces, ['eth0', 'eth1', 'eth2', 'eth3'])
    assert.equal(fastpath.status.leftOut.size, 0)
  })

  test('makes rules again that somebody removed, with the slow comparison', async () => {
    const here = machine('eth0')
    start(here)
    await here.clock.goTo(1_000)
    const table = here.kernel.tables.get(tableKey)!
    here.kernel.tables.set(tableKey, { ...table, rules: [] })
    await here.clock.goTo(122_000)
    assert.deepEqual(here.kernel.tables.get(tableKey)?.rules.length, table.rules.length)
  })

  test('keeps its hands off a table that somebody else made, and says what to do', async () => {
    const here = machine('eth0')
    await here.kernel.commit([
      { verb: 'add', object: 'table', table: { family: fastpathTableRef.family, name: fastpathTableRef.name } },
    ])
    const { fastpath } = start(here)
    await here.clock.goTo(30_000)
    assert.equal(fastpath.status.state, 'blocked')
    assert.deepEqual(messages(here), [
      'the fast path has a problem, Services do without it: ' +
        'the table inet kube-proxy-fastpath was made by somebody else; remove it, or set the threshold to 0',
    ])
    assert.equal(here.kernel.tables.get(tableKey)?.flowtables.length, 0)
  })

  test("reports another component's flowtable on the same devices, once", async () => {
    const here = machine('eth0', 'veth1')
    const others = { family: 'ip', name: 'calico' } as const
    await here.kernel.commit([
      { verb: 'add', object: 'table', table: others },
      { verb: 'add', object: 'flowtable', table: others, flowtable: { name: 'fast', priority: 0, devices: ['veth*'] } },
    ])
    const { fastpath } = start(here)
    await here.clock.goTo(130_000)
    assert.deepEqual(fastpath.status.otherFlowtables, ['flowtable ip calico fast'])
    assert.equal(here.notes.filter(({ level }) => level === 'warn').length, 1)
  })

  test('warns of a pattern that matches no link, once', async () => {
    const here = machine('eth0', 'veth1')
    const { fastpath } = start(here, { patterns: ['eth*', 'ens*'] })
    await here.clock.goTo(130_000)
    assert.deepEqual(fastpath.status.interfaces, ['eth0'])
    assert.deepEqual(
      here.notes.filter(({ level }) => level === 'warn').map(({ message }) => message),
      ["the fast path's interface pattern ens* matches no link"],
    )
  })

  describe('turned off', () => {
    test('removes the table of an earlier run in one transaction, and is done', async () => {
      const here = machine('eth0')
      const first = start(here)
      await here.clock.goTo(1_000)
      first.stop.abort()
      await here.clock.goTo(2_000)
      const before = here.kernel.committed.length
      const { fastpath, ended } = start(here, { isEnabled: false })
      await here.clock.goTo(3_000)
      await ended
      assert.equal(here.kernel.tables.size, 0)
      const [lines, ...more] = here.kernel.committed.slice(before)
      assert.equal(more.length, 0)
      assert.equal(lines?.[0], `flush table ${tableKey}`)
      assert.deepEqual(lines?.slice(-2), [
        `delete flowtable ${tableKey} kube-proxy-flowtable`,
        `delete table ${tableKey}`,
      ])
      assert.equal(fastpath.status.state, 'off')
    })

    test('leaves the table of somebody else alone', async () => {
      const here = machine('eth0')
      await here.kernel.commit([
        { verb: 'add', object: 'table', table: { family: fastpathTableRef.family, name: fastpathTableRef.name } },
      ])
      await start(here, { isEnabled: false }).ended
      assert.equal(here.kernel.tables.size, 1)
      assert.deepEqual(messages(here), [])
    })
  })

  test('makes the flowtable anew when it has to, at most once a minute', async () => {
    const here = machine('eth0')
    const { fastpath } = start(here)
    await here.clock.goTo(1_000)
    for (const ms of [2_000, 4_000, 30_000]) {
      fastpath.requireRecreation()
      await here.clock.goTo(ms)
    }
    assert.equal(fastpath.status.recreations, 1)
    assert.deepEqual(found(here), { devices: ['eth0'], interfaces: ['eth0'] })
    await here.clock.goTo(130_000)
    assert.equal(fastpath.status.recreations, 2)
  })

  test('looks again, without a word, when links change faster than they can be listed', async () => {
    const here = machine('eth0')
    const { fastpath } = start(here)
    await here.clock.goTo(1_000)
    const { links } = here.kernel
    let interruptions = 3
    Object.assign(here.kernel, {
      links: () => (interruptions-- > 0 ? Promise.reject(new NetlinkError('RTM_GETLINK', 'EINTR')) : links()),
    })
    here.kernel.add('veth1')
    await here.clock.goTo(6_000)
    assert.deepEqual(found(here).interfaces, ['eth0', 'veth1'])
    assert.equal(fastpath.status.syncErrors, 0)
  })

  describe('that fails in every transaction', () => {
    for (const errno of ['ENOENT', 'EBUSY', 'EOPNOTSUPP', 'EFBIG', 'ENOMEM', 'EPERM']) {
      test(`with ${errno} lets Services be programmed all the while, and recovers`, async () => {
        const here = machine(...Array.from({ length: 200 }, (_, index) => `veth${index}`))
        const { fastpath } = start(here)
        await fastpath.probe()
        here.kernel.refuses = () => errno
        const proxy = createProxy()
        const loop = new SyncLoop({
          run: () => proxy.syncer.sync().then(() => true),
          minIntervalMs: 0,
          retryIntervalMs: 1_000,
          maxIntervalMs: 3_600_000,
          clock: here.clock,
        })
        const stop = new AbortController()
        const ended = loop.start(stop.signal)
        running.push({ stop, ended })
        for (let round = 1; round <= 5; round++) {
          proxy.set(service(), slice({ endpoints: [sliceEndpoint(`10.180.0.${round}`)] }))
          loop.request()
          await here.clock.goTo(round * 20_000)
          assert.ok(proxy.transactions.length >= round, `sync ${round}`)
          assert.match(proxy.transactions.flat().join('\n'), new RegExp(String.raw`10\.180\.0\.${round} `))
        }
        assert.equal(fastpath.status.state, 'failing')
        assert.ok(here.kernel.refused > 0)
        assert.equal(here.notes.filter(({ level }) => level === 'error').length, 1, messages(here).join('\n'))
        here.kernel.refuses = () => undefined
        await here.clock.goTo(200_000)
        assert.equal(fastpath.status.state, 'active')
        assert.equal(found(here).interfaces.length, 200)
      })
    }
  })
})

function nameOf(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1').replace(/\0+$/, '')
}
