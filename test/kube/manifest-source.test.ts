import assert from 'node:assert/strict'
import { chmod, mkdir, rename, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatProblem } from '../../src/kube/manifest-problem.ts'
import { ManifestSource } from '../../src/kube/manifest-source.ts'
import { readManifests } from '../../src/kube/manifests.ts'
import { objectId } from '../../src/kube/manifest-text.ts'
import type { KubeObject, ObjectEvent } from '../../src/kube/types.ts'
import { serviceText, withDirectory } from './fixtures.ts'

/** How long to wait for what should come within some 20 ms, or 400 ms after a path returns. */
const patienceMs = 3_000
/** Longer than a change takes to be delivered. */
const unhurriedMs = 120

interface Watched {
  readonly source: ManifestSource
  /** `cart:80`, `-cart`; what was not looked at yet. */
  readonly events: string[]
  readonly problems: string[]
  readonly synced: () => number
  /** Waits for these events, and no others. */
  readonly expect: (...events: string[]) => Promise<void>
  readonly expectProblem: (pattern: RegExp) => Promise<void>
}

async function watching(path: string, run: (watched: Watched) => Promise<void>): Promise<void> {
  const events: string[] = []
  const problems: string[] = []
  let syncedCount = 0
  const source = new ManifestSource({
    path,
    onChanges: (changes) => {
      assert.ok(changes.length > 0)
      events.push(...changes.map(showEvent))
    },
    onProblem: (problem) => problems.push(`${problem.severity}: ${formatProblem(problem)}`),
    onSynced: () => syncedCount++,
  })
  const expect = async (...expected: string[]): Promise<void> => {
    await until(() => events.length >= expected.length)
    assert.deepEqual(events.splice(0).sort(), expected.sort())
  }
  const expectProblem = async (pattern: RegExp): Promise<void> => {
    await until(() => problems.length > 0)
    const found = problems.splice(0)
    assert.equal(found.length, 1, found.join('\n'))
    assert.match(found[0] ?? '', pattern)
  }
  try {
    await source.start()
    await run({ source, events, problems, synced: () => syncedCount, expect, expectProblem })
    assert.deepEqual({ events, problems }, { events: [], problems: [] })
  } finally {
    source.close()
  }
}

function showEvent(event: ObjectEvent): string {
  if (event.type === 'deleted') return `-${event.name}`
  return `${event.object.metadata.name}:${portOf(event.object)}`
}

function portOf(object: KubeObject): number | undefined {
  return object.kind === 'Service' ? object.spec.ports?.[0]?.port : undefined
}

async function until(isTrue: () => boolean): Promise<void> {
  const endMs = performance.now() + patienceMs
  while (!isTrue() && performance.now() < endMs) await sleep(2)
}

async function inDirectory(run: (directory: string, file: (name: string) => string) => Promise<void>): Promise<void> {
  await withDirectory(async (root) => {
    const directory = join(root, 'manifests')
    await mkdir(directory)
    await run(directory, (name) => join(directory, name))
  })
}

describe('the content of a directory', () => {
  test('is delivered before start ends, and then called synced', async () => {
    await inDirectory(async (directory, file) => {
      await writeFile(file('a.yaml'), serviceText('cart'))
      await watching(directory, async ({ expect, synced }) => {
        await expect('cart:80')
        assert.equal(synced(), 1)
      })
    })
  })

  test('may be empty, and is synced then', async () => {
    await inDirectory(async (directory) => {
      await watching(directory, async ({ synced }) => {
        assert.equal(synced(), 1)
      })
    })
  })

  test('is followed: files that appear, change, are replaced, renamed and removed', async () => {
    await inDirectory(async (directory, file) => {
      await watching(directory, async ({ expect, events }) => {
        await writeFile(file('a.yaml'), serviceText('cart'))
        await expect('cart:80')
        await writeFile(file('a.yaml'), `${serviceText('cart', 81)}---\n${serviceText('till')}`)
        await expect('cart:81', 'till:80')
        await writeFile(file('.new'), serviceText('cart', 82))
        await rename(file('.new'), file('a.yaml'))
        await expect('cart:82', '-till')
        await rename(file('a.yaml'), file('b.yaml'))
        await sleep(unhurriedMs)
        assert.deepEqual(events, [])
        await unlink(file('b.yaml'))
        await expect('-cart')
      })
    })
  })

  test('that only looks different brings no events', async () => {
    await inDirectory(async (directory, file) => {
      await writeFile(file('a.yaml'), serviceText('cart'))
      await watching(directory, async ({ expect }) => {
        await expect('cart:80')
        await writeFile(file('a.yaml'), `# a comment\n${serviceText('cart')}`)
        await writeFile(file('notes.txt'), serviceText('other'))
        await writeFile(file('.hidden.yaml'), serviceText('other'))
        await chmod(file('a.yaml'), 0o600)
        await sleep(unhurriedMs)
      })
    })
  })

  test('is delivered within some 20 ms of a write', async () => {
    await inDirectory(async (directory, file) => {
      await watching(directory, async ({ expect }) => {
        const delays: number[] = []
        for (let port = 1; port <= 9; port++) {
          const startMs = performance.now()
          await writeFile(file('a.yaml'), serviceText('cart', port))
          await expect(`cart:${port}`)
          delays.push(performance.now() - startMs)
        }
        const medianMs = delays.sort((a, b) => a - b)[4] ?? Number.NaN
        assert.ok(medianMs < 60, `the median of ${delays.join(', ')} is below 60 ms on a busy machine`)
      })
    })
  })

  test('is seen to change in place, with size and time as before', async () => {
    await inDirectory(async (directory, file) => {
      await writeFile(file('a.yaml'), serviceText('cart', 80))
      await watching(directory, async ({ expect }) => {
        await expect('cart:80')
        for (const port of [81, 82, 83, 84]) {
          await writeFile(file('a.yaml'), serviceText('cart', port))
          await expect(`cart:${port}`)
        }
      })
    })
  })

  test('of a mounted ConfigMap is followed when the link to its data is swapped', async () => {
    await inDirectory(async (directory, file) => {
      for (const [version, port] of [
        ['..v1', 80],
        ['..v2', 81],
      ] as const) {
        await mkdir(file(version))
        await writeFile(join(file(version), 'a.yaml'), serviceText('cart', port))
      }
      await symlink('..v1', file('..data'))
      await symlink('..data/a.yaml', file('a.yaml'))
      await watching(directory, async ({ expect }) => {
        await expect('cart:80')
        await symlink('..v2', file('..data_tmp'))
        await rename(file('..data_tmp'), file('..data'))
        await expect('cart:81')
      })
    })
  })
})

describe('a file that does not parse', () => {
  test('keeps what it last said, and is reported once per error', async () => {
    await inDirectory(async (directory, file) => {
      await writeFile(file('a.yaml'), serviceText('cart'))
      await watching(directory, async ({ expect, expectProblem, problems }) => {
        await expect('cart:80')
        await writeFile(file('a.yaml'), 'kind: "Service\n')
        await expectProblem(/^error: .*\/a\.yaml:\d+:\d+: /)
        await writeFile(file('a.yaml'), 'kind: "Service\n')
        await sleep(unhurriedMs)
        assert.deepEqual(problems, [])
        await writeFile(file('a.yaml'), 'kind: Service\nkind: Service\n')
        await expectProblem(/^error: .*\/a\.yaml:2:1: /)
        await writeFile(file('a.yaml'), serviceText('cart', 81))
        await expect('cart:81')
        await writeFile(file('a.yaml'), 'kind: Service\nkind: Service\n')
        await expectProblem(/^error: .*\/a\.yaml:2:1: /)
      })
    })
  })

  test('does not stop the other files', async () => {
    await inDirectory(async (directory, file) => {
      await writeFile(file('a.yaml'), 'kind: "Service\n')
      await writeFile(file('b.yaml'), serviceText('cart'))
      await watching(directory, async ({ expect, expectProblem, synced }) => {
        await expect('cart:80')
        await expectProblem(/a\.yaml:/)
        assert.equal(synced(), 1)
      })
    })
  })

  test('and is all there is, is not the end of all Services: there is no sync before it parses', async () => {
    await inDirectory(async (directory, file) => {
      await writeFile(file('a.yaml'), 'kind: "Service\n')
      await watching(directory, async ({ expect, expectProblem, synced }) => {
        await expectProblem(/a\.yaml:/)
        assert.equal(synced(), 0)
        await writeFile(file('a.yaml'), serviceText('cart'))
        await expect('cart:80')
        assert.equal(synced(), 1)
      })
    })
  })
})

test('warnings about objects and kinds are given when they are new', async () => {
  await inDirectory(async (directory, file) => {
    const bad = serviceText('cart', 70_000)
    await writeFile(file('a.yaml'), bad)
    await watching(directory, async ({ expect, expectProblem, problems }) => {
      await expect('cart:undefined')
      await expectProblem(/^warning: .*a\.yaml: Service shop\/cart: spec\.ports\[0\]\.port: 70000/)
      await writeFile(file('a.yaml'), `${bad}---\n${serviceText('till')}`)
      await expect('till:80')
      assert.deepEqual(problems, [])
      await writeFile(file('a.yaml'), `${bad}---\n${serviceText('till')}---\napiVersion: v1\nkind: Secret\n`)
      await expectProblem(/v1 Secret is not read/)
    })
  })
})

test('an object in two files is taken over when the first file goes', async () => {
  await inDirectory(async (directory, file) => {
    await writeFile(file('a.yaml'), serviceText('cart', 80))
    await writeFile(file('b.yaml'), serviceText('cart', 81))
    await watching(directory, async ({ expect, expectProblem }) => {
      await expect('cart:80')
      await expectProblem(/^warning: .*b\.yaml: Service shop\/cart is also in .*a\.yaml, which is used$/)
      await unlink(file('a.yaml'))
      await expect('cart:81')
    })
  })
})

describe('a file that becomes empty', () => {
  test('keeps what it last said if it is filled again soon', async () => {
    await inDirectory(async (directory, file) => {
      await writeFile(file('a.yaml'), serviceText('cart'))
      await watching(directory, async ({ expect, events }) => {
        await expect('cart:80')
        await truncate(file('a.yaml'))
        await sleep(unhurriedMs)
        assert.deepEqual(events, [])
        await writeFile(file('a.yaml'), serviceText('cart', 81))
        await expect('cart:81')
        await sleep(300)
        assert.deepEqual(events, [])
      })
    })
  })

  test('has no objects after it stayed empty for 250 ms', async () => {
    await inDirectory(async (directory, file) => {
      await writeFile(file('a.yaml'), serviceText('cart'))
      await watching(directory, async ({ expect }) => {
        await expect('cart:80')
        const startMs = performance.now()
        await truncate(file('a.yaml'))
        await expect('-cart')
        assert.ok(performance.now() - startMs >= 250)
        await writeFile(file('a.yaml'), serviceText('cart'))
        await expect('cart:80')
        await truncate(file('a.yaml'))
        await sleep(unhurriedMs)
      })
    })
  })
})

describe('a path that vanishes', () => {
  test('keeps what it last said, is reported once, and is read again when it is back', async () => {
    await inDirectory(async (directory, file) => {
      await writeFile(file('a.yaml'), serviceText('cart'))
      await watching(directory, async ({ expect, expectProblem, events, problems }) => {
        await expect('cart:80')
        for (const port of [81, 82]) {
          await rename(directory, `${directory}.old`)
          await expectProblem(/^error: .*\/manifests: cannot be read: ENOENT$/)
          await sleep(unhurriedMs)
          assert.deepEqual({ events, problems }, { events: [], problems: [] })
          await mkdir(directory)
          await sleep(unhurriedMs)
          await writeFile(file('a.yaml'), serviceText('cart', port))
          await expect(`cart:${port}`)
          await rm(`${directory}.old`, { recursive: true })
        }
        await writeFile(file('b.yaml'), serviceText('till'))
        await expect('till:80')
      })
    })
  })

  test('and is removed with all files, keeps them too', async () => {
    await inDirectory(async (directory, file) => {
      await writeFile(file('a.yaml'), serviceText('cart'))
      await watching(directory, async ({ expect, expectProblem }) => {
        await expect('cart:80')
        await rm(directory, { recursive: true })
        await expectProblem(/ENOENT/)
        await mkdir(directory)
        await writeFile(file('b.yaml'), serviceText('till'))
        await expect('-cart', 'till:80')
      })
    })
  })

  test('and is replaced at once, is read when it has settled', async () => {
    await inDirectory(async (directory, file) => {
      await writeFile(file('a.yaml'), serviceText('cart'))
      await watching(directory, async ({ expect, events }) => {
        await expect('cart:80')
        await mkdir(`${directory}.new`)
        await rename(directory, `${directory}.old`)
        await rename(`${directory}.new`, directory)
        await sleep(unhurriedMs)
        assert.deepEqual(events, [])
        await writeFile(file('a.yaml'), serviceText('cart', 81))
        await expect('cart:81')
        await writeFile(file('a.yaml'), serviceText('cart', 82))
        await expect('cart:82')
      })
    })
  })

  test('may be missing from the start: there is no sync before it appears', async () => {
    await withDirectory(async (root) => {
      const directory = join(root, 'later')
      await watching(directory, async ({ expect, expectProblem, synced }) => {
        await expectProblem(/^error: .*\/later: cannot be read: ENOENT$/)
        assert.equal(synced(), 0)
        await mkdir(directory)
        await writeFile(join(directory, 'a.yaml'), serviceText('cart'))
        await expect('cart:80')
        assert.equal(synced(), 1)
      })
    })
  })
})

describe('a single file', () => {
  test('is followed when it is rewritten, replaced, gone and back; its neighbours are not', async () => {
    await inDirectory(async (directory, file) => {
      await writeFile(file('manifests'), serviceText('cart'))
      await watching(file('manifests'), async ({ expect, expectProblem, synced }) => {
        await expect('cart:80')
        assert.equal(synced(), 1)
        await writeFile(file('manifests'), serviceText('cart', 81))
        await expect('cart:81')
        await writeFile(file('next'), serviceText('cart', 82))
        await rename(file('next'), file('manifests'))
        await expect('cart:82')
        await writeFile(file('other.yaml'), serviceText('other'))
        await unlink(file('manifests'))
        await expectProblem(new RegExp(`^error: .*/${basename(directory)}/manifests: cannot be read: ENOENT$`))
        await writeFile(file('manifests'), serviceText('cart', 83))
        await expect('cart:83')
      })
    })
  })
})

describe('closing', () => {
  test('ends all deliveries', async () => {
    await inDirectory(async (directory, file) => {
      await watching(directory, async ({ source }) => {
        await writeFile(file('a.yaml'), serviceText('cart'))
        source.close()
        await writeFile(file('b.yaml'), serviceText('till'))
        await sleep(unhurriedMs)
      })
    })
  })

  test('is what an abort does, before the start too', async () => {
    await inDirectory(async (directory, file) => {
      await writeFile(file('a.yaml'), serviceText('cart'))
      const seen: unknown[] = []
      const note = (one: unknown): void => void seen.push(one)
      const path = directory
      const aborted = new ManifestSource({ path, onChanges: note, onProblem: note, signal: AbortSignal.abort() })
      await aborted.start()
      assert.deepEqual(seen, [])
      const controller = new AbortController()
      const source = new ManifestSource({ path, onChanges: note, onProblem: note, signal: controller.signal })
      await source.start()
      assert.equal(seen.length, 1)
      controller.abort()
      await writeFile(file('b.yaml'), serviceText('till'))
      await sleep(unhurriedMs)
      assert.equal(seen.length, 1)
    })
  })
})

test('the events of a long history, applied, give what a fresh read gives', async () => {
  await inDirectory(async (directory, file) => {
    const applied = new Map<string, KubeObject>()
    const source = new ManifestSource({
      path: directory,
      onChanges: (events) => {
        for (const event of events) {
          if (event.type === 'set') applied.set(objectId(event.object), event.object)
          else assert.ok(applied.delete(`${event.kind} ${event.namespace}/${event.name}`))
        }
      },
      onProblem: () => {},
    })
    await source.start()
    try {
      // A fixed sequence that looks random: files and Services come, change, overlap and go.
      for (let step = 0; step < 60; step++) {
        const name = file(`${'abc'[step % 3]}.yaml`)
        const services = ['cart', 'till', 'desk'].filter((_, index) => ((step * 7) >> index) % 2 === 1)
        const text = services.map((service) => serviceText(service, 80 + (step % 5))).join('---\n')
        if (step % 11 === 10) await rm(name, { force: true })
        else await writeFile(name, text === '' ? '# none\n' : text)
        if (step % 4 === 0) await sleep(step % 13)
      }
      const { objects } = await readManifests(directory)
      const expected = new Map(objects.map((object) => [objectId(object), object]))
      await sleep(unhurriedMs)
      assert.deepEqual(applied, expected)
    } finally {
      source.close()
    }
  })
})
