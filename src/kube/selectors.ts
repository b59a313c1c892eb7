import { headlessLabel, proxyNameLabel } from './types.ts'
import type { KubeObject } from './types.ts'

/** The label and field selectors of the list and watch requests, per kind; `isWatched` is the same test done by us. */
export const selectors = {
  Service: { labelSelector: `!${proxyNameLabel}`, fieldSelector: 'spec.clusterIP!=None' },
  EndpointSlice: { labelSelector: `!${headlessLabel}` },
} as const

/** Whether an API server that applies `selectors` would show us the object. */
export function isWatched(object: KubeObject): boolean {
  if (object.kind === 'Service') return !hasLabel(object, proxyNameLabel) && object.spec.clusterIP !== 'None'
  if (object.kind === 'EndpointSlice') return !hasLabel(object, headlessLabel)
  return true
}

/** A selector `!label` looks at the presence of the label only, not at its value. */
function hasLabel(object: KubeObject, label: string): boolean {
  return object.metadata.labels?.[label] !== undefined
}
