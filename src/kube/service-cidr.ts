import { readFields, readStrings, within } from './fields.ts'
import type { Fields, Scope } from './fields.ts'
import type { ObjectMeta, ServiceCIDR } from './types.ts'

/** The fields of a networking.k8s.io/v1 ServiceCIDR that we read. */
export function decodeServiceCidr(scope: Scope, raw: Fields, metadata: ObjectMeta): ServiceCIDR {
  const spec = readFields(scope, raw, 'spec') ?? {}
  return { kind: 'ServiceCIDR', metadata, spec: { cidrs: readStrings(within(scope, 'spec'), spec, 'cidrs') } }
}
