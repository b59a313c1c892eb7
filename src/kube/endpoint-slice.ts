import {
  readBoolean,
  readFields,
  readObjects,
  readInteger,
  readList,
  readString,
  show,
  warn,
  within,
} from './fields.ts'
import type { Fields, Scope } from './fields.ts'
import { createPool } from './pool.ts'
import { decodePortName, decodeProtocol, ipFamilyNames } from './service.ts'
import type {
  EndpointConditions,
  EndpointHints,
  EndpointSlice,
  EndpointSlicePort,
  HintTarget,
  ObjectMeta,
  SliceEndpoint,
} from './types.ts'

/** Endpoints are the bulk of what a proxy holds, and these parts of them repeat from one to the next. */
const nodeNames = createPool<string>(20_000)
const conditionSets = createPool<EndpointConditions>(100)
const hintSets = createPool<EndpointHints>(20_000)

/** The fields of a discovery.k8s.io/v1 EndpointSlice that we read; undefined, with a warning, for other address types. */
export function decodeEndpointSlice(scope: Scope, raw: Fields, metadata: ObjectMeta): EndpointSlice | undefined {
  const addressType = ipFamilyNames.find((family) => family === raw['addressType'])
  if (addressType === undefined) {
    warn(
      scope,
      'addressType',
      raw['addressType'] == null ? 'is missing' : `${show(raw['addressType'])} is not supported`,
    )
    return undefined
  }
  return {
    kind: 'EndpointSlice',
    metadata,
    addressType,
    ports: decodePorts(scope, raw),
    endpoints: decodeEndpoints(scope, raw),
  }
}

/** A port without a number stays, as a slice may have one; it is the model that finds no use for it. */
function decodePorts(scope: Scope, raw: Fields): readonly EndpointSlicePort[] {
  return readObjects(scope, raw, 'ports', (inPort, fields) => {
    const warningsBefore = scope.warnings.length
    const name = decodePortName(inPort, fields)
    const protocol = decodeProtocol(inPort, fields)
    const port = readInteger(inPort, fields, 'port', 0, 65_535)
    return scope.warnings.length > warningsBefore ? undefined : { name, protocol, port }
  })
}

function decodeEndpoints(scope: Scope, raw: Fields): readonly SliceEndpoint[] {
  return readObjects(scope, raw, 'endpoints', (inEndpoint, fields) => {
    const address = decodeAddress(inEndpoint, fields)
    if (address === undefined) return undefined
    const nodeName = readString(inEndpoint, fields, 'nodeName')
    return {
      addresses: [address],
      conditions: decodeConditions(inEndpoint, fields),
      nodeName: nodeName === undefined ? undefined : nodeNames(nodeName, nodeName),
      hints: decodeHints(inEndpoint, fields),
    }
  })
}

function decodeAddress(scope: Scope, fields: Fields): string | undefined {
  const addresses = readList(scope, fields, 'addresses')
  if (typeof addresses[0] === 'string') return addresses[0]
  if (addresses.length > 0) warn(scope, 'addresses[0]', `${show(addresses[0])} is not a string`)
  else warn(scope, 'addresses', 'has no entry')
  return undefined
}

function decodeConditions(scope: Scope, fields: Fields): EndpointConditions | undefined {
  const raw = readFields(scope, fields, 'conditions')
  if (raw === undefined) return undefined
  const inConditions = within(scope, 'conditions')
  const ready = readBoolean(inConditions, raw, 'ready')
  const serving = readBoolean(inConditions, raw, 'serving')
  const terminating = readBoolean(inConditions, raw, 'terminating')
  return conditionSets(`${ready} ${serving} ${terminating}`, { ready, serving, terminating })
}

function decodeHints(scope: Scope, fields: Fields): EndpointHints | undefined {
  const raw = readFields(scope, fields, 'hints')
  if (raw === undefined) return undefined
  const inHints = within(scope, 'hints')
  const hints = { forZones: decodeTargets(inHints, raw, 'forZones'), forNodes: decodeTargets(inHints, raw, 'forNodes') }
  return hintSets(JSON.stringify(hints), hints)
}

function decodeTargets(scope: Scope, fields: Fields, field: string): readonly HintTarget[] | undefined {
  if (fields[field] === undefined || fields[field] === null) return undefined
  return readObjects(scope, fields, field, (inTarget, fields) => {
    const name = readString(inTarget, fields, 'name')
    return name === undefined ? undefined : { name }
  })
}
