/*
 * One measurement in a process of its own, so that memory is its own too. Standard output is one JSON object.
 *
 *   node bench/measure.ts cold 45000 1        objects in memory to the kernel's acknowledgement
 *   node bench/measure.ts mixed 10000 10      the same for a cluster with all kinds of Services
 *   node bench/measure.ts incremental 45000 1 the same, then one endpoint added and removed again and again
 */
import { ClusterModels } from '../src/agent/cluster-models.ts'
import { dataplaneOptions } from '../src/agent/dataplane-options.ts'
import { dataplaneConfig } from '../src/config/dataplane-flags.ts'
import type { ObjectEvent } from '../src/kube/types.ts'
import { NetworkNamespace } from '../src/netlink/namespace.ts'
import { NftConnection } from '../src/nft/connection.ts'
import { readTable } from '../src/nft/dump.ts'
import { systemClock } from '../src/sync/clock.ts'
import { Syncer, type SyncReport } from '../src/sync/syncer.ts'
import { benchNodeName, clusterObjects, mixedObjects, slice } from './cluster.ts'

/** Changes measured one after the other. */
const changeCount = 60

export type ColdResult = {
  readonly totalMs: number
  readonly planMs: number
  readonly encodeMs: number
  readonly kernelMs: number
  readonly batchBytes: number
  readonly chains: number
  readonly elements: number
  readonly peakMemoryBytes: number
  readonly steadyMemoryBytes: number
}

export type IncrementalResult = { readonly changesMs: readonly number[]; readonly elementsPerChange: number }

const [mode, services, endpoints] = process.argv.slice(2)
const size = { services: Number(services), endpoints: Number(endpoints) }
const objects = mode === 'mixed' ? mixedObjects(size) : clusterObjects(size)
globalThis.gc?.()

const namespace = NetworkNamespace.create()
const connection = namespace.run(() => new NftConnection())
const models = new ClusterModels({ families: ['IPv4'], nodeName: benchNodeName, processStartMs: Date.now() })
const [model] = models.models
if (model === undefined) throw new Error('no model')
const syncer = new Syncer({
  dataplane: dataplaneOptions('IPv4', dataplaneConfig({ clusterCidr: '100.64.0.0/10' }), models.facts()),
  model,
  node: models.node,
  commit: (operations) => connection.commit(operations),
  readElements: async () => [],
  clock: systemClock,
})

const events = objects.map((object): ObjectEvent => ({ type: 'set', object }))
const start = performance.now()
models.apply(events)
const report = await syncer.sync()
const totalMs = performance.now() - start
process.stdout.write(JSON.stringify(mode === 'incremental' ? await incrementalResult() : await coldResult(report)))
connection.close()

async function coldResult({ planMs, commit, elementsAdded }: SyncReport): Promise<ColdResult> {
  const peakMemoryBytes = process.resourceUsage().maxRSS * 1024
  objects.length = 0
  events.length = 0
  globalThis.gc?.()
  const steadyMemoryBytes = process.memoryUsage().rss
  const table = await readTable(connection, { family: 'ip', name: 'kube-proxy' })
  return {
    totalMs,
    planMs,
    encodeMs: commit.encodeMs,
    kernelMs: commit.kernelMs,
    batchBytes: commit.bytes,
    chains: table?.chains.length ?? 0,
    elements: elementsAdded,
    peakMemoryBytes,
    steadyMemoryBytes,
  }
}

/** Adds an endpoint to a Service and takes it away again, for one Service after the other. */
async function incrementalResult(): Promise<IncrementalResult> {
  const changesMs: number[] = []
  let elementsPerChange = 0
  for (let change = 0; change < changeCount; change++) {
    const count = size.endpoints + (change % 2 === 0 ? 1 : 0)
    const object = slice((change >> 1) * 7, count, `${change + 2}`, size.endpoints)
    const begin = performance.now()
    models.apply([{ type: 'set', object }])
    const { elementsAdded, elementsRemoved } = await syncer.sync()
    changesMs.push(performance.now() - begin)
    elementsPerChange = Math.max(elementsPerChange, elementsAdded + elementsRemoved)
  }
  return { changesMs, elementsPerChange }
}
