import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ManifestProblem } from './manifest-problem.ts'
import { byteOrder } from './object-claims.ts'

/** Where the manifests of a path are: all of a directory, or one file of it. */
export interface ManifestPlace {
  readonly directory: string
  /** Changes when another directory takes the place of this one. */
  readonly identity: string
  /** The one file that the path names, if it names a file. */
  readonly onlyFile?: string
}

/** The place that `path` names; the reason when there is none. */
export async function locateManifests(path: string): Promise<ManifestPlace | ManifestProblem> {
  try {
    const isDirectory = (await stat(path)).isDirectory()
    const directory = isDirectory ? path : dirname(path)
    const { dev, ino } = await stat(directory, { bigint: true })
    const identity = `${dev}:${ino}`
    return isDirectory ? { directory, identity } : { directory, identity, onlyFile: basename(path) }
  } catch (error) {
    return fileProblem(path, error)
  }
}

/** The manifest files of a place, as full paths in byte order; the reason when the directory cannot be read. */
export async function listManifests(place: ManifestPlace): Promise<readonly string[] | ManifestProblem> {
  if (place.onlyFile !== undefined) return [join(place.directory, place.onlyFile)]
  try {
    const names = await readdir(place.directory)
    return names
      .filter(isManifestName)
      .sort(byteOrder)
      .map((name) => join(place.directory, name))
  } catch (error) {
    return fileProblem(place.directory, error)
  }
}

/** Whether a file of a directory is taken for a manifest: not hidden, and named as YAML or JSON. */
export function isManifestName(name: string): boolean {
  return !name.startsWith('.') && /\.(?:ya?ml|json)$/.test(name)
}

/** A file's text, and a signature that changes with every rewrite of the file. */
export type ManifestFile =
  | { readonly state: 'read'; readonly signature: string; readonly text: string }
  | { readonly state: 'unchanged' }
  | { readonly state: 'gone' }
  | { readonly state: 'unreadable'; readonly problem: ManifestProblem }

/** Reads a file unless it still has the signature `known`; a directory counts as gone, whatever its name. */
export async function readManifestFile(file: string, known?: string): Promise<ManifestFile> {
  try {
    const { dev, ino, size, mtimeNs, ...stats } = await stat(file, { bigint: true })
    const signature = `${dev}:${ino}:${size}:${mtimeNs}`
    if (signature === known) return { state: 'unchanged' }
    if ((Number(stats.mode) & 0o170_000) === 0o040_000) return { state: 'gone' }
    return { state: 'read', signature, text: await readFile(file, 'utf8') }
  } catch (error) {
    return isMissing(error) ? { state: 'gone' } : { state: 'unreadable', problem: fileProblem(file, error) }
  }
}

export function isProblem(value: object): value is ManifestProblem {
  return 'severity' in value
}

function fileProblem(file: string, error: unknown): ManifestProblem {
  const message = error instanceof Error && 'code' in error ? `cannot be read: ${String(error.code)}` : String(error)
  return { severity: 'error', file, message }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}
