import type { Kind } from '../../src/kube/types.ts'

/** A resource that can be listed and watched. */
export type Resource = { readonly kind: Kind; readonly group: string; readonly plural: string }

export const resources = [
  { kind: 'Service', group: '', plural: 'services' },
  { kind: 'Node', group: '', plural: 'nodes' },
  { kind: 'EndpointSlice', group: 'discovery.k8s.io', plural: 'endpointslices' },
  { kind: 'ServiceCIDR', group: 'networking.k8s.io', plural: 'servicecidrs' },
] as const satisfies readonly Resource[]

/** Groups other than the core, each in version v1; in the last one events can be created. */
export const groups = ['discovery.k8s.io', 'networking.k8s.io', 'events.k8s.io'] as const
