import assert from 'node:assert/strict'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { formatProblem } from '../../src/kube/manifest-problem.ts'
import { readManifests } from '../../src/kube/manifests.ts'
import { objectId } from '../../src/kube/manifest-text.ts'
import { rawService, rawSlice, serviceText, withDirectory } from './fixtures.ts'

async function read(path: string): Promise<{ ids: string[]; problems: string[] }> {
  const { objects, problems } = await readManifests(path)
  return { ids: objects.map(objectId), problems: problems.map((one) => `${one.severity}: ${formatProblem(one)}`) }
}

test('a directory gives the objects of its YAML and JSON files, not of hidden files, others and directories', async () => {
  await withDirectory(async (directory) => {
    await writeFile(join(directory, 'b.yaml'), serviceText('cart'))
    await writeFile(join(directory, 'a.yml'), serviceText('till'))
    await writeFile(join(directory, 'c.json'), JSON.stringify(rawSlice()))
    await writeFile(join(directory, '.d.yaml'), serviceText('hidden'))
    await writeFile(join(directory, 'e.yaml~'), serviceText('backup'))
    await mkdir(join(directory, 'f.yaml'))
    await writeFile(join(directory, 'f.yaml', 'g.yaml'), serviceText('below'))
    assert.deepEqual(await read(directory), {
      ids: ['Service shop/till', 'Service shop/cart', 'EndpointSlice shop/cart-1'],
      problems: [],
    })
  })
})

test('a file is read whatever its name, and through a link', async () => {
  await withDirectory(async (directory) => {
    const file = join(directory, 'manifests.txt')
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [rawService(), rawSlice()] }))
    await symlink(file, join(directory, '.link'))
    const ids = ['Service shop/cart', 'EndpointSlice shop/cart-1']
    assert.deepEqual(await read(file), { ids, problems: [] })
    assert.deepEqual(await read(join(directory, '.link')), { ids, problems: [] })
  })
})

test('a file that does not parse is an error with its place; the other files are read', async () => {
  await withDirectory(async (directory) => {
    await writeFile(join(directory, 'a.yaml'), 'kind: "Service\n')
    await writeFile(join(directory, 'b.yaml'), serviceText('cart'))
    const { ids, problems } = await read(directory)
    assert.deepEqual(ids, ['Service shop/cart'])
    assert.equal(problems.length, 1)
    assert.ok(problems[0]?.startsWith(`error: ${join(directory, 'a.yaml')}:`))
  })
})

test('a path that is missing, and a link to nowhere, are errors or nothing, never exceptions', async () => {
  await withDirectory(async (directory) => {
    const missing = join(directory, 'missing')
    assert.deepEqual(await read(missing), { ids: [], problems: [`error: ${missing}: cannot be read: ENOENT`] })
    await symlink(missing, join(directory, 'a.yaml'))
    assert.deepEqual(await read(directory), { ids: [], problems: [] })
  })
})

test('an object in two files is the one in the first; the other is a warning', async () => {
  await withDirectory(async (directory) => {
    const [a, b] = [join(directory, 'a.yaml'), join(directory, 'b.yaml')]
    await writeFile(a, serviceText('cart'))
    await writeFile(b, serviceText('cart'))
    assert.deepEqual(await read(directory), {
      ids: ['Service shop/cart'],
      problems: [`warning: ${b}: Service shop/cart is also in ${a}, which is used`],
    })
  })
})
