import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setOomScore } from '../../src/agent/oom-score.ts'

async function scoreFile(context: TestContext, content: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'flowproxy-test-'))
  context.after(() => rm(directory, { recursive: true }))
  const file = join(directory, 'oom_score_adj')
  await writeFile(file, content)
  return file
}

test('the score is written', async (context) => {
  const file = await scoreFile(context, '0\n')
  await setOomScore(-999, file)
  assert.equal(await readFile(file, 'utf8'), '-999')
})

test('a score that is right already is not written, which may not be permitted', async (context) => {
  const file = await scoreFile(context, '-999\n')
  await utimes(file, 0, 0)
  await setOomScore(-999, file)
  assert.equal((await stat(file)).mtimeMs, 0)
})

test('a score that cannot be written is an error after a second attempt', async () => {
  await assert.rejects(setOomScore(-999, '/nowhere/oom_score_adj'), { code: 'ENOENT' })
})

test('this process’s own score is where it is looked for', async () => {
  const own = Number(await readFile('/proc/self/oom_score_adj', 'utf8'))
  await setOomScore(own)
})
