import { LineCounter, parseAllDocuments } from 'yaml'
import { decodeObjects } from './decode.ts'
import type { DecodedObject } from './decode.ts'
import type { ManifestProblem } from './manifest-problem.ts'
import { isWatched } from './selectors.ts'
import { describeObject, formatWarning } from './types.ts'
import type { KubeObject } from './types.ts'

/** `Kind namespace/name`: unique among all objects. */
export type ObjectId = `${string} ${string}/${string}`

/** What one manifest says. */
export interface Manifest {
  /** False when the text is neither YAML nor JSON; then there are no objects and one error. */
  readonly isParsed: boolean
  /** The objects that the selectors let through. */
  readonly objects: ReadonlyMap<ObjectId, KubeObject>
  readonly problems: readonly ManifestProblem[]
}

/** The objects in the text of a manifest: JSON, or YAML of one or more documents. `file` is for the problems only. */
export function parseManifest(text: string, file: string): Manifest {
  const parsed = looksLikeJson(text) ? (parseJson(text) ?? parseYaml(text)) : parseYaml(text)
  if (!parsed.isParsed) {
    const { line, column, message } = parsed
    return { isParsed: false, objects: new Map(), problems: [{ severity: 'error', file, line, column, message }] }
  }
  const messages: string[] = []
  const decoded = parsed.documents.filter((document) => document !== null).flatMap(decodeObjects)
  messages.push(...describeUnknownKinds(decoded))
  const objects = collect(decoded, messages)
  return { isParsed: true, objects, problems: messages.map((message) => ({ severity: 'warning', file, message })) }
}

export function objectId(object: KubeObject): ObjectId {
  return `${object.kind} ${object.metadata.namespace}/${object.metadata.name}`
}

type Parsed =
  | { readonly isParsed: true; readonly documents: readonly unknown[] }
  | { readonly isParsed: false; readonly line: number; readonly column: number; readonly message: string }

function looksLikeJson(text: string): boolean {
  return /^\s*[[{]/.test(text)
}

/** JSON.parse is far faster than the YAML parser, which then only serves to say where an error is. */
function parseJson(text: string): Parsed | undefined {
  try {
    return { isParsed: true, documents: [JSON.parse(text)] }
  } catch {
    return undefined
  }
}

function parseYaml(text: string): Parsed {
  const lineCounter = new LineCounter()
  const documents: unknown[] = []
  for (const document of parseAllDocuments(text, { lineCounter, prettyErrors: false, logLevel: 'silent' })) {
    const error = document.errors[0]
    if (error !== undefined) return parseFailure(lineCounter, error.pos[0], error.message)
    try {
      // Through JSON: the result is a tree of plain values, and its strings do not keep the whole text in memory.
      documents.push(JSON.parse(JSON.stringify(document.toJS())))
    } catch (error) {
      // Aliases: unknown ones, circular ones, and so many that they would expand without bound.
      return parseFailure(lineCounter, document.range?.[0] ?? 0, error instanceof Error ? error.message : String(error))
    }
  }
  return { isParsed: true, documents }
}

function parseFailure(lineCounter: LineCounter, offset: number, message: string): Parsed {
  const { line, col } = lineCounter.linePos(offset)
  const [firstLine = message] = message.split('\n')
  return { isParsed: false, line: Math.max(line, 1), column: Math.max(col, 1), message: firstLine }
}

/** Manifests may hold any kinds: one message for each that we do not read, not one per object. */
function describeUnknownKinds(decoded: readonly DecodedObject[]): readonly string[] {
  const unknown = decoded.filter((one) => one.unknownKind !== undefined)
  const byKind = Map.groupBy(unknown, (one) => one.unknownKind)
  return [...byKind.values()].flatMap((group) => {
    const others = group.length > 1 ? ` (and ${group.length - 1} more)` : ''
    return (group[0]?.warnings ?? []).map((warning) => `${formatWarning(warning)}${others}`)
  })
}

function collect(decoded: readonly DecodedObject[], messages: string[]): ReadonlyMap<ObjectId, KubeObject> {
  const objects = new Map<ObjectId, KubeObject>()
  for (const { object, warnings, unknownKind } of decoded) {
    if (unknownKind === undefined) messages.push(...warnings.map(formatWarning))
    if (object === undefined || !isWatched(object)) continue
    const id = objectId(object)
    if (objects.has(id)) {
      messages.push(`${describeObject(object.kind, object.metadata)} is here more than once; the first one is used`)
    } else {
      objects.set(id, object)
    }
  }
  return objects
}
