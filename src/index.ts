/*
 * The library: what `flowproxy run` is made of. A proxier is told of Services, EndpointSlices, its Node and ServiceCIDRs
 * by whoever knows them, in the API's own JSON cut down to the fields of the types here, and keeps the kernel in step.
 */
export { cleanupLeftovers, type Leftover } from './agent/cleanup-leftovers.ts'
export {
  createDualStackProxier,
  createProxier,
  type DualStackProxierOptions,
  type ObjectReference,
  Proxier,
  type ProxierOptions,
} from './agent/proxier.ts'
export { type DataplaneConfig, dataplaneConfig, type DataplaneFlags } from './config/dataplane-flags.ts'
export { decodeObject, type DecodedObject } from './kube/decode.ts'
export type { EndpointSlice, Node, ObjectEvent, Service, ServiceCIDR, Warning } from './kube/types.ts'
export type { Family } from './model/ip.ts'
export type { SyncReport } from './sync/syncer.ts'
