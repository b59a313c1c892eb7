import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigWatcher } from '../../src/config/config-watcher.ts'
import { ConfigError } from '../../src/config/errors.ts'

/*
 * Files are written by writeFileSync: were this thread free between truncating and writing, the watcher could see an empty
 * file for longer than the short pause that it is given here.
 */
/** How long to wait for what should come within some 40 ms. */
const patienceMs = 3_000
const quietMs = 20
/** Longer than a change takes to be told. */
const unhurriedMs = 120

type Watched = {
  /** Waits for this content to come, and nothing else. */
  readonly expect: (text: string) => Promise<void>
  readonly expectProblem: (pattern: RegExp) => Promise<void>
  /** Whether all stays as it is for longer than a change would take. */
  readonly expectNothing: () => Promise<void>
  readonly close: () => void
}

/** Watches with `one` in force; content that begins with "bad" cannot be used. */
async function watching(
  path: string,
  run: (watched: Watched) => Promise<void>,
  periods: { quietMs?: number; pollMs?: number } = {},
): Promise<void> {
  const changes: string[] = []
  const problems: string[] = []
  const parse = (text: string): string => {
    if (text.startsWith('bad')) throw new ConfigError('field', `${text} is bad`)
    return text
  }
  const watcher = new ConfigWatcher({
    path,
    text: 'one',
    parse,
    onChange: (value) => changes.push(value),
    onProblem: (message) => problems.push(message),
    quietMs,
    pollMs: 60_000,
    ...periods,
  })
  const told = (): object => ({ changes: changes.splice(0), problems: problems.splice(0) })
  try {
    watcher.start()
    await run({
      expect: async (text) => {
        await until(() => changes.length + problems.length > 0)
        assert.deepEqual(told(), { changes: [text], problems: [] })
      },
      expectProblem: async (pattern) => {
        await until(() => changes.length + problems.length > 0)
        assert.equal(problems.length, 1)
        assert.match(problems.splice(0).join(), pattern)
      },
      expectNothing: async () => {
        await sleep(unhurriedMs)
        assert.deepEqual(told(), { changes: [], problems: [] })
      },
      close: () => watcher.close(),
    })
    assert.deepEqual(told(), { changes: [], problems: [] })
  } finally {
    watcher.close()
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  const endMs = performance.now() + patienceMs
  while (!isTrue() && performance.now() < endMs) await sleep(2)
}

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'flowproxy-config-'))
  try {
    await run(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}

/** A directory with a file in which is `one`. */
async function withFile(run: (file: string, directory: string) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const file = join(directory, 'config.conf')
    writeFileSync(file, 'one')
    await run(file, directory)
  })
}

describe('a configuration file that is followed', () => {
  test('is told anew when it is written in place', () =>
    withFile((file) =>
      watching(file, async ({ expect }) => {
        writeFileSync(file, 'two')
        await expect('two')
        writeFileSync(file, 'three')
        await expect('three')
        writeFileSync(file, 'one')
        await expect('one')
      }),
    ))

  test('is told anew when another one takes its name', () =>
    withFile((file, directory) =>
      watching(file, async ({ expect }) => {
        for (const text of ['two', 'three']) {
          writeFileSync(join(directory, 'next'), text)
          await rename(join(directory, 'next'), file)
          await expect(text)
        }
      }),
    ))

  test('is told anew when a mounted ConfigMap is renewed', () =>
    withDirectory(async (directory) => {
      const revision = async (name: string, text: string): Promise<void> => {
        await mkdir(join(directory, name))
        writeFileSync(join(directory, name, 'config.conf'), text)
        await symlink(name, join(directory, '..data_tmp'))
        await rename(join(directory, '..data_tmp'), join(directory, '..data'))
      }
      await revision('..1', 'one')
      await symlink('..data/config.conf', join(directory, 'config.conf'))
      await watching(join(directory, 'config.conf'), async ({ expect }) => {
        await revision('..2', 'two')
        await rm(join(directory, '..1'), { recursive: true })
        await expect('two')
        await revision('..3', 'three')
        await expect('three')
        writeFileSync(join(directory, '..3', 'config.conf'), 'four')
        await expect('four')
      })
    }))

  test('is told anew when the file that a link leads to is written', () =>
    withFile((file) =>
      withDirectory(async (directory) => {
        const link = join(directory, 'link.conf')
        await symlink(file, link)
        await watching(link, async ({ expect }) => {
          writeFileSync(file, 'two')
          await expect('two')
        })
      }),
    ))

  test('is told anew when it was written between being read and being followed', () =>
    withFile(async (file) => {
      writeFileSync(file, 'two')
      await watching(file, async ({ expect }) => expect('two'))
    }))

  test('is found changed without a notification, when a directory on the way is another one', () =>
    withDirectory(async (directory) => {
      for (const text of ['one', 'two']) {
        await mkdir(join(directory, text))
        await mkdir(join(directory, text, 'in'))
        writeFileSync(join(directory, text, 'in', 'config.conf'), text)
      }
      await symlink('one', join(directory, 'now'))
      const follow = async ({ expect }: Watched): Promise<void> => {
        await symlink('two', join(directory, 'next'))
        await rename(join(directory, 'next'), join(directory, 'now'))
        await expect('two')
        writeFileSync(join(directory, 'two', 'in', 'config.conf'), 'three')
        await expect('three')
      }
      await watching(join(directory, 'now', 'in', 'config.conf'), follow, { pollMs: 20 })
    }))

  test('is not told anew when it is touched, or neighbours change', () =>
    withFile((file, directory) =>
      watching(file, async ({ expectNothing }) => {
        writeFileSync(file, 'one')
        writeFileSync(join(directory, 'other.conf'), 'two')
        await expectNothing()
      }),
    ))

  test('is not read while it is being written', () =>
    withFile((file) => {
      const write = async ({ expect }: Watched): Promise<void> => {
        for (let step = 0; step < 50; step++) {
          writeFileSync(file, `bad ${step}`)
          await sleep(10)
        }
        writeFileSync(file, 'two')
        await expect('two')
      }
      return watching(file, write, { quietMs: 200 })
    }))

  test('that cannot be used is reported once, and the old one stays', () =>
    withFile((file) =>
      watching(file, async ({ expect, expectProblem, expectNothing }) => {
        writeFileSync(file, 'bad 1')
        await expectProblem(/^field: bad 1 is bad; the configuration stays as it is$/)
        writeFileSync(file, 'bad 1')
        await expectNothing()
        writeFileSync(file, 'bad 2')
        await expectProblem(/bad 2/)
        writeFileSync(file, 'one')
        await expectNothing()
        writeFileSync(file, 'two')
        await expect('two')
      }),
    ))

  test('that vanishes is reported once; what it says when it is back counts', () =>
    withFile((file, directory) =>
      watching(file, async ({ expect, expectProblem, expectNothing }) => {
        await rm(file)
        await expectProblem(/config\.conf cannot be read: ENOENT; the configuration stays as it is$/)
        writeFileSync(join(directory, 'other.conf'), 'two')
        await expectNothing()
        writeFileSync(file, 'one')
        await expectNothing()
        await rm(file)
        await expectProblem(/ENOENT/)
        writeFileSync(file, 'two')
        await expect('two')
      }),
    ))

  test('that vanishes with its directory is found when both are back', () =>
    withDirectory(async (root) => {
      const directory = join(root, 'etc')
      const file = join(directory, 'config.conf')
      await mkdir(directory)
      writeFileSync(file, 'one')
      const follow = async ({ expect, expectProblem }: Watched): Promise<void> => {
        await rm(directory, { recursive: true })
        await expectProblem(/ENOENT/)
        await mkdir(directory)
        writeFileSync(file, 'two')
        await expect('two')
        writeFileSync(file, 'three')
        await expect('three')
      }
      await watching(file, follow, { pollMs: 20 })
    }))

  test('is not told of any more once it is closed', () =>
    withFile((file) =>
      watching(file, async ({ close, expectNothing }) => {
        writeFileSync(file, 'two')
        close()
        writeFileSync(file, 'three')
        await expectNothing()
      }),
    ))
})
