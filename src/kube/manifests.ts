import { isProblem, listManifests, locateManifests, readManifestFile } from './manifest-listing.ts'
import type { ManifestProblem } from './manifest-problem.ts'
import { parseManifest } from './manifest-text.ts'
import { ObjectClaims } from './object-claims.ts'
import type { KubeObject } from './types.ts'

/** All objects of a file or a directory, and what is wrong there. */
export interface Manifests {
  readonly objects: readonly KubeObject[]
  readonly problems: readonly ManifestProblem[]
}

/**
 * Reads the manifests at `path` once: a file, or the `*.yaml`, `*.yml` and `*.json` files of a directory (not below it,
 * no hidden ones). Never rejects: what cannot be read or parsed is a problem of severity `error`.
 */
export async function readManifests(path: string): Promise<Manifests> {
  const place = await locateManifests(path)
  if (isProblem(place)) return { objects: [], problems: [place] }
  const files = await listManifests(place)
  if (isProblem(files)) return { objects: [], problems: [files] }
  const claims = new ObjectClaims()
  const problems: ManifestProblem[] = []
  for (const file of files) {
    const read = await readManifestFile(file)
    if (read.state === 'unreadable') problems.push(read.problem)
    if (read.state !== 'read') continue
    const manifest = parseManifest(read.text, file)
    problems.push(...manifest.problems)
    claims.replace(file, manifest.objects)
  }
  const merged = claims.takeEvents()
  const objects = merged.events.flatMap((event) => (event.type === 'set' ? [event.object] : []))
  return { objects, problems: [...problems, ...merged.problems] }
}
