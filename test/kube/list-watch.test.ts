import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiResources } from '../../src/kube/api-resource.ts'
import { ListWatch } from '../../src/kube/list-watch.ts'
import type { ObjectEvent } from '../../src/kube/types.ts'
import { ManualClock } from '../sync/manual-clock.ts'
import { service } from './following.ts'
import { plainHttpApi } from './plain-http-api.ts'
import { ScriptedApiServer } from './scripted-api-server.ts'

/** More than are deleted at once. */
const objectCount = 2_500

interface Vanishing {
  /** Events of each call since all objects vanished. */
  readonly batches: number[]
  readonly isListed: () => boolean
}

/** Lists many objects, then lists again and finds none of them; `onBatch` is called after each delivery of deletions. */
async function allVanish(onBatch: (listWatch: ListWatch) => void): Promise<Vanishing> {
  const server = await ScriptedApiServer.start()
  const clock = new ManualClock()
  const batches: number[] = []
  let isListed = false
  const onChanges = (events: readonly ObjectEvent[]): void => {
    if (events[0]?.type !== 'deleted') return
    batches.push(events.length)
    onBatch(listWatch)
  }
  const listWatch = new ListWatch({
    api: plainHttpApi(server.port, clock),
    resource: apiResources('node-1').Service,
    isWanted: () => true,
    clock,
    random: () => 0,
    onChanges,
    onWarning: assert.fail,
    onListed: () => (isListed = listWatch.objects === 0),
    onWell: () => {},
  })
  try {
    const first = listWatch.next()
    const streamed = (await server.next()).accept()
    for (let index = 0; index < objectCount; index++) streamed.event('ADDED', service(`s${index}`, '7'))
    streamed.endOfList('8').end()
    await first
    assert.equal(listWatch.objects, objectCount)
    listWatch.listAgain()
    const second = listWatch.next().catch(() => {})
    const again = await server.next()
    again.accept().endOfList('9').end()
    await second
  } finally {
    listWatch.close()
    await server.close()
  }
  return { batches, isListed: () => isListed }
}

test('very many deletions are delivered in parts, and other work is done in between', async () => {
  let turns = 0
  const turnsBefore: number[] = []
  const { batches, isListed } = await allVanish(() => {
    turnsBefore.push(turns)
    setImmediate(() => turns++)
  })
  assert.deepEqual(batches, [1_000, 1_000, 500])
  assert.deepEqual(turnsBefore, [0, 1, 2])
  assert.equal(isListed(), true)
})

test('nothing is delivered any more when it is closed in between', async () => {
  const { batches, isListed } = await allVanish((listWatch) => listWatch.close())
  assert.deepEqual(batches, [1_000])
  assert.equal(isListed(), false)
})
