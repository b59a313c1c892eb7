import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { atOnce, inSlices } from '../../src/sync/time-slices.ts'

describe('work in slices', () => {
  /** Steps of which each takes 4 ms of the passed time; `pauses` counts the turns that others got until the end. */
  async function run(stepCount: number): Promise<{ result: string; pauses: number }> {
    let [nowMs, pauses, isOver] = [0, 0, false]
    const countTurns = (): void => {
      if (isOver) return
      pauses++
      setImmediate(countTurns)
    }
    setImmediate(countTurns)
    const result = await inSlices(
      steps(stepCount, () => (nowMs += 4)),
      { now: () => nowMs },
    )
    isOver = true
    return { result, pauses }
  }

  test('lets others have their turn after every 10 ms', async () => {
    // 12 ms are over after three steps.
    assert.deepEqual(await run(12), { result: 'done', pauses: 4 })
  })

  test('does little work without a pause', async () => {
    assert.deepEqual(await run(2), { result: 'done', pauses: 0 })
  })

  test('ends with the error of a step', async () => {
    const failing = steps(3, () => {
      throw new RangeError('broken')
    })
    await assert.rejects(inSlices(failing, { now: () => 0 }), /broken/)
  })

  test('can be done at once', () => {
    let count = 0
    assert.equal(atOnce(steps(5, () => count++)), 'done')
    assert.equal(count, 5)
  })
})

function* steps(count: number, step: () => unknown): Generator<void, string> {
  for (let done = 0; done < count; done++) {
    step()
    yield
  }
  return 'done'
}
