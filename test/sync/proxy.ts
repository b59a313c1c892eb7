import type { DataplaneOptions } from '../../src/dataplane/options.ts'
import { type KubeObject, type ServiceCIDR, zoneLabel } from '../../src/kube/types.ts'
import type { Cidr } from '../../src/model/cidr.ts'
import { ClusterModel } from '../../src/model/cluster-model.ts'
import type { Family } from '../../src/model/ip.ts'
import { decodeElements } from '../../src/nft/elements.ts'
import { elementText } from '../../src/nft/render-element.ts'
import { operationText } from '../../src/nft/render-operation.ts'
import type { Operation } from '../../src/nft/transaction.ts'
import { Syncer, type SyncerOptions, type SyncReport } from '../../src/sync/syncer.ts'
import { nodeName } from '../model/fixtures.ts'
import { ManualClock } from './manual-clock.ts'

export type ProxyParts = {
  readonly family?: Family
  readonly dataplane?: Partial<DataplaneOptions>
  /** By default everything is accepted. */
  readonly commit?: SyncerOptions['commit']
  /** By default nothing is there. */
  readonly readElements?: SyncerOptions['readElements']
}

/** The pipeline of one family on Node `node-1`, from API objects to transactions. */
export type Proxy = {
  readonly model: ClusterModel
  readonly syncer: Syncer
  readonly clock: ManualClock
  /** Every transaction that was tried, as lines of nft. */
  readonly transactions: string[][]
  readonly set: (...objects: readonly KubeObject[]) => void
  readonly delete: (...objects: readonly KubeObject[]) => void
  /** Tells objects, then syncs. */
  readonly sync: (...objects: readonly KubeObject[]) => Promise<SyncReport>
  /** The lines of the last transaction. */
  readonly lastLines: () => readonly string[]
}

/** Options for the table of one family, with which nobody counts as a local pod. */
export function dataplaneOptions(parts: Partial<DataplaneOptions> = {}): DataplaneOptions {
  return { family: 'IPv4', masqueradeMark: 0x4000, masqueradeAll: false, nodePortAddresses: 'all', ...parts }
}

/** Sources in this range are pods. */
export function podsIn(cidr: string): Pick<DataplaneOptions, 'localDetector'> {
  return { localDetector: { kind: 'cidr', cidr: cidr as Cidr } }
}

export const accepted = { operations: 0, bytes: 0, encodeMs: 0, kernelMs: 0 }

export function createProxy(parts: ProxyParts = {}): Proxy {
  const { family = 'IPv4', dataplane, commit = async () => accepted, readElements = async () => [] } = parts
  const model = new ClusterModel({ family, nodeName, processStartMs: 0 })
  const clock = new ManualClock()
  const transactions: string[][] = []
  const syncer = new Syncer({
    dataplane: dataplaneOptions({ family, ...dataplane }),
    model,
    node: { name: nodeName },
    clock,
    readElements,
    commit(operations) {
      transactions.push(operations.flatMap(operationLines))
      return commit(operations)
    },
  })
  const set = (...objects: readonly KubeObject[]): void => {
    for (const object of objects) {
      if (object.kind === 'Node') syncer.setNode({ name: nodeName, zone: object.metadata.labels?.[zoneLabel] })
      else setObject(model, object)
    }
  }
  return {
    model,
    syncer,
    clock,
    transactions,
    set,
    delete(...objects) {
      for (const object of objects) deleteObject(model, object)
    },
    sync(...objects) {
      set(...objects)
      return syncer.sync()
    },
    lastLines: () => transactions.at(-1) ?? [],
  }
}

export function serviceCidr(name: string, ...cidrs: readonly string[]): ServiceCIDR {
  return { kind: 'ServiceCIDR', metadata: { namespace: '', name }, spec: { cidrs } }
}

/** Tells the model of an object; it knows nothing of Nodes. */
export function setObject(model: ClusterModel, object: KubeObject): void {
  switch (object.kind) {
    case 'Service':
      return void model.setService(object)
    case 'EndpointSlice':
      return void model.setEndpointSlice(object)
    case 'ServiceCIDR':
      return void model.setServiceCidr(object)
    case 'Node':
      return
  }
}

function deleteObject(model: ClusterModel, { kind, metadata: { namespace, name } }: KubeObject): void {
  switch (kind) {
    case 'Service':
      return void model.deleteService(namespace, name)
    case 'EndpointSlice':
      return void model.deleteEndpointSlice(namespace, name)
    case 'ServiceCIDR':
      return void model.deleteServiceCidr(name)
    case 'Node':
      return
  }
}

/** `add service-ips 172.30.0.41 . tcp . 80 ...`: one line for each element; other operations as they are. */
function operationLines(operation: Operation): string[] {
  if (operation.object !== 'element') return [operationText(operation)]
  const { verb, set, elements } = operation
  return decodeElements(elements).map((element) => `${verb} ${set.name} ${elementText(set, element)}`)
}
