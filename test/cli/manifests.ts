/** Manifests as a test writes them: JSON, which is YAML too. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** An object of a manifest. */
export type Manifest = Readonly<Record<string, unknown>>

/** A directory of manifests that a test changes; it is gone when the test is over. */
export class ManifestDirectory {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async create(
    test: { readonly after: (remove: () => Promise<void>) => void },
    files: Readonly<Record<string, string | readonly Manifest[]>>,
  ): Promise<ManifestDirectory> {
    const directory = new ManifestDirectory(await mkdtemp(join(tmpdir(), 'flowproxy-test-')))
    test.after(() => rm(directory.path, { recursive: true, force: true }))
    for (const [name, contents] of Object.entries(files)) await directory.write(name, contents)
    return directory
  }

  file(name: string): string {
    return join(this.path, name)
  }

  /** Makes the directory, empty, again. */
  async restore(): Promise<void> {
    await mkdir(this.path)
  }

  write(name: string, contents: string | readonly Manifest[]): Promise<void> {
    return writeFile(this.file(name), typeof contents === 'string' ? contents : manifestText(contents))
  }
}

export function manifestText(objects: readonly Manifest[]): string {
  return objects.map((object) => JSON.stringify(object, undefined, 2)).join('\n---\n')
}

/** Service shop/<name> with this cluster IP and TCP port 80, named http. */
export function service(name: string, clusterIP: string, spec: Manifest = {}): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'shop', name, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { clusterIP, ports: [{ name: 'http', port: 80 }], ...spec },
  }
}

/** The slice of a Service, with these endpoints at TCP port 8080. */
export function slice(name: string, addresses: readonly string[], parts: Manifest = {}): Manifest {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: addresses[0]?.includes(':') === true ? 'IPv6' : 'IPv4',
    ports: [{ name: 'http', port: 8080 }],
    endpoints: addresses.map((address) => ({ addresses: [address] })),
    ...parts,
  }
}

/** A Service with its endpoints. */
export function served(name: string, clusterIP: string, addresses: readonly string[]): readonly Manifest[] {
  return [service(name, clusterIP), slice(name, addresses)]
}
