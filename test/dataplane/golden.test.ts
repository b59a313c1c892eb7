/*
 * The whole table for the manifests in `examples`, as text. After a change that is meant to be seen there, run this
 * with UPDATE_GOLDEN=1 and read the difference.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { KubeObject } from '../../src/kube/types.ts'
import { readManifests } from '../../src/kube/manifests.ts'
import { ClusterModel } from '../../src/model/cluster-model.ts'
import { renderTable } from '../../src/nft/render.ts'
import { wantedTable } from '../../src/sync/wanted.ts'
import { runInNamespace } from '../lab/program.ts'
import { needs, root, tool } from '../lab/requirements.ts'
import { NetworkNamespace } from '../../src/netlink/namespace.ts'
import { dataplaneOptions, podsIn, setObject } from '../sync/proxy.ts'

const node = { name: 'node' }
const { objects, problems } = await readManifests(new URL('../../examples', import.meta.url).pathname)

const tables = [
  { family: 'IPv4', pods: '10.244.0.0/16', file: new URL('golden/examples-ip.nft', import.meta.url) },
  { family: 'IPv6', pods: 'fd00:10:244::/48', file: new URL('golden/examples-ip6.nft', import.meta.url) },
] as const

type Golden = (typeof tables)[number]

function textOf({ family, pods }: Golden, objects: readonly KubeObject[]): string {
  const model = new ClusterModel({ family, nodeName: node.name, processStartMs: 0 })
  for (const object of objects) setObject(model, object)
  const { contents, warnings } = wantedTable(model, node, dataplaneOptions({ family, ...podsIn(pods) }))
  assert.deepEqual(warnings, [])
  return renderTable(contents)
}

test('the examples are read without a problem', () => assert.deepEqual(problems, []))

for (const golden of tables) {
  describe(`the ${golden.family} table of the examples`, () => {
    test('is the golden one', () => {
      const text = textOf(golden, objects)
      if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden.file, text)
      assert.equal(text, readFileSync(golden.file, 'utf8'))
    })

    test('is the same in every byte for objects in any order', () => {
      const text = textOf(golden, objects)
      const anyOrder = fc.shuffledSubarray([...objects], { minLength: objects.length })
      fc.assert(
        fc.property(anyOrder, (shuffled) => assert.equal(textOf(golden, shuffled), text)),
        { numRuns: 30 },
      )
    })

    test('is loaded by nft', needs(root, tool('nft')), (t) => {
      const namespace = NetworkNamespace.create()
      t.after(() => namespace.close())
      const { status, stderr } = runInNamespace(namespace, 'nft', ['-c', '-f', '-'], textOf(golden, objects))
      assert.deepEqual([status, stderr], [0, ''])
    })
  })
}
