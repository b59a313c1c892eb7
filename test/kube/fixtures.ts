import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** JSON as a person or an API server would write it. */
export type Raw = Record<string, unknown>

/** Service shop/cart with cluster IP 172.30.0.41 and TCP port 80, named http. */
export function rawService(spec: Raw = {}, metadata: Raw = {}): Raw {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'shop', name: 'cart', ...metadata },
    spec: { clusterIP: '172.30.0.41', ports: [{ name: 'http', port: 80 }], ...spec },
  }
}

/** Slice shop/cart-1 of Service cart with one endpoint, 10.180.0.1, and port http, TCP 8080. */
export function rawSlice(parts: Raw = {}, metadata: Raw = {}): Raw {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', name: 'cart-1', labels: { 'kubernetes.io/service-name': 'cart' }, ...metadata },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints: [{ addresses: ['10.180.0.1'], conditions: { ready: true } }],
    ...parts,
  }
}

/** A manifest with one Service of this name and this port. */
export function serviceText(name: string, port = 80): string {
  return `apiVersion: v1
kind: Service
metadata:
  namespace: shop
  name: ${name}
spec:
  clusterIP: 172.30.0.41
  ports:
    - name: http
      port: ${port}
`
}

/** Runs with an empty directory that is removed afterwards. */
export async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'flowproxy-'))
  try {
    await run(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
