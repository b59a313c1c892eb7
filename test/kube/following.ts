import assert from 'node:assert/strict'
import { apiResources } from '../../src/kube/api-resource.ts'
import { Reflector } from '../../src/kube/reflector.ts'
import { isWatched } from '../../src/kube/selectors.ts'
import type { ObjectEvent } from '../../src/kube/types.ts'
import { ManualClock } from '../sync/manual-clock.ts'
import { rawService } from './fixtures.ts'
import type { Raw } from './fixtures.ts'
import { plainHttpApi } from './plain-http-api.ts'
import { ScriptedApiServer, until } from './scripted-api-server.ts'
import type { ScriptedRequest } from './scripted-api-server.ts'

/** What the reflector waits for beside the end of a pause: silence in a list, and a watch that turns out well. */
const limitsMs = [60_000, 5_000]

/** A reflector of Services with a server that the test speaks for, and a clock that the test moves. */
export interface Following {
  readonly server: ScriptedApiServer
  readonly reflector: Reflector
  readonly clock: ManualClock
  /** Pauses after failures, in their order. */
  readonly pausesMs: number[]
  readonly synced: () => number
  /** Takes all events so far, which have to be these: `cart@7` set in version 7, `-cart` deleted. */
  readonly expect: (...events: string[]) => Promise<void>
  /** Takes all problems so far, which have to be these. */
  readonly expectProblems: (...patterns: RegExp[]) => Promise<void>
  /** Waits for the next pause after a failure and lets it pass. */
  readonly passPause: () => Promise<void>
  /** The server is gone, or here again at the same port. */
  readonly stopServer: () => Promise<void>
  readonly startServer: () => Promise<ScriptedApiServer>
}

/** Runs a test; events and problems that it does not expect fail it. */
export async function following(run: (following: Following) => Promise<void>): Promise<void> {
  const events: string[] = []
  const problems: string[] = []
  const pausesMs: number[] = []
  let syncedCount = 0
  let passedPauses = 0
  let server = await ScriptedApiServer.start()
  const { port } = server
  const clock = new ManualClock()
  const reflector = new Reflector({
    api: plainHttpApi(port, clock),
    resource: apiResources('node-1').Service,
    isWanted: isWatched,
    clock: {
      now: clock.now,
      schedule: (delayMs, run) => {
        if (!limitsMs.includes(delayMs)) pausesMs.push(delayMs)
        return clock.schedule(delayMs, run)
      },
    },
    random: () => 0,
    onChanges: (changes) => {
      assert.ok(changes.length > 0)
      events.push(...changes.map(showEvent))
    },
    onSynced: () => syncedCount++,
    onProblem: ({ severity, message }) => problems.push(`${severity}: ${message}`),
  })
  const ended = reflector.start()
  try {
    await run({
      server,
      reflector,
      clock,
      pausesMs,
      synced: () => syncedCount,
      expect: async (...expected) => {
        await until(() => events.length >= expected.length)
        assert.deepEqual(events.splice(0), expected)
      },
      expectProblems: async (...patterns) => {
        await until(() => problems.length >= patterns.length)
        const found = problems.splice(0)
        assert.equal(found.length, patterns.length, found.join('\n'))
        for (const [index, pattern] of patterns.entries()) assert.match(found[index] ?? '', pattern)
      },
      passPause: async () => {
        await until(() => pausesMs.length > passedPauses)
        await clock.goTo(clock.now() + (pausesMs[passedPauses++] ?? Number.NaN))
      },
      stopServer: () => server.close(),
      startServer: async () => (server = await ScriptedApiServer.start(port)),
    })
    assert.deepEqual({ events, problems }, { events: [], problems: [] })
  } finally {
    reflector.close()
    await server.close()
    await ended
  }
  await until(() => clock.scheduled === 0)
  assert.equal(clock.scheduled, 0, 'timers are left')
}

/** As `following`, after a streamed list of these objects at version 10, which has become a watch. */
export async function watching(
  objects: readonly Raw[],
  run: (following: Following, watch: ScriptedRequest) => Promise<void>,
): Promise<void> {
  await following(async (following) => {
    const watch = (await following.server.next()).accept()
    for (const object of objects) watch.event('ADDED', object)
    watch.endOfList('10')
    await following.expect(...objects.map(showRaw))
    await until(() => following.synced() === 1)
    await run(following, watch)
  })
}

/** Service shop/`name` in this version. */
export function service(name: string, resourceVersion: string, spec: Raw = {}, metadata: Raw = {}): Raw {
  return rawService(spec, { name, resourceVersion, ...metadata })
}

/** `cart@7` or `-cart`. */
export function showEvent(event: ObjectEvent): string {
  if (event.type === 'deleted') return `-${event.name}`
  return `${event.object.metadata.name}@${event.object.metadata.resourceVersion}`
}

function showRaw(raw: Raw): string {
  const { name, resourceVersion } = raw['metadata'] as { name: string; resourceVersion: string }
  return `${name}@${resourceVersion}`
}
