/* Kubernetes objects as the tests send them to an API server, and where they live there. */

/** What identifies an object. */
export type ObjectReference = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

/** An object as it is created. */
export type KubernetesObject = ObjectReference & {
  readonly metadata: {
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

/** The path to which an object's kind is posted. */
export function collectionPath({ apiVersion, kind, metadata: { namespace } }: ObjectReference): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const scope = namespace === undefined ? '' : `/namespaces/${namespace}`
  // True for every kind in use here; Ingress and the like would need a table.
  return `${root}${scope}/${kind.toLowerCase()}s`
}

/** The path of one object. */
export function objectPath(reference: ObjectReference): string {
  return `${collectionPath(reference)}/${reference.metadata.name}`
}
