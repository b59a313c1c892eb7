import { readFields, readObjects, readString, readStrings, within } from './fields.ts'
import type { Fields, Scope } from './fields.ts'
import type { Node, ObjectMeta } from './types.ts'

/** The fields of a core/v1 Node that we read. */
export function decodeNode(scope: Scope, raw: Fields, metadata: ObjectMeta): Node {
  const spec = readFields(scope, raw, 'spec') ?? {}
  const status = readFields(scope, raw, 'status') ?? {}
  return {
    kind: 'Node',
    metadata,
    spec: {
      podCIDRs: readStrings(within(scope, 'spec'), spec, 'podCIDRs'),
      taints: entries(within(scope, 'spec'), spec, 'taints', ['key']),
    },
    status: { addresses: entries(within(scope, 'status'), status, 'addresses', ['type', 'address']) },
  }
}

/** The entries of an array of objects that have all these strings, cut down to them. */
function entries<Name extends string>(
  scope: Scope,
  fields: Fields,
  field: string,
  names: readonly Name[],
): readonly Record<Name, string>[] {
  return readObjects(scope, fields, field, (inEntry, fields) => {
    const values = names.map((name) => [name, readString(inEntry, fields, name)] as const)
    if (values.some(([, value]) => value === undefined)) return undefined
    return Object.fromEntries(values) as Record<Name, string>
  })
}
