import { writeFileSync } from 'node:fs'
import { isMap, isNode, isScalar, isSeq, LineCounter, type Node, type ParsedNode, parseDocument, stringify } from 'yaml'
import { show } from './api-fields.ts'
import { ConfigError, refuse } from './errors.ts'
import {
  configurationApiVersion,
  configurationKind,
  decodeConfiguration,
  type KubeProxyConfiguration,
  toApiObject,
} from './kube-proxy-configuration.ts'

/** A configuration file's content with defaults, not validated yet. */
export type ConfigurationFile = {
  readonly configuration: KubeProxyConfiguration
  /** What was ignored: unknown fields, and all but the last of fields that are there more than once. */
  readonly warnings: readonly string[]
}

/**
 * Reads a KubeProxyConfiguration in YAML or JSON. `path` is for messages. Throws ConfigError: for text that is neither,
 * for another kind of object, and for values of the wrong type, all of them together.
 */
export function readConfiguration(text: string, path: string): ConfigurationFile {
  const { root, json } = parse(text, path)
  const { apiVersion, kind, ...fields } = json
  if (kind !== configurationKind || apiVersion !== configurationApiVersion) {
    const found = `kind ${show(kind ?? '')} of apiVersion ${show(apiVersion ?? '')}`
    const expected = `kind: ${configurationKind} with apiVersion: ${configurationApiVersion}`
    throw new ConfigError('--config', `${path} has ${found}, where ${expected} belongs`)
  }
  const { configuration, problems, unknownFields } = decodeConfiguration(fields)
  refuse(problems)
  const unknown = unknownFields.map(({ path, meant }) => {
    return `${path} is not a known field and is ignored${meant === undefined ? '' : `; is ${meant} meant?`}`
  })
  const duplicate = duplicates(root, configurationKind).map((path) => `${path} is there twice; the last one counts`)
  return { configuration, warnings: [...unknown, ...duplicate] }
}

/**
 * The configuration as YAML. Reading it gives the same configuration, save for what a file cannot say: that a server is
 * off, or that a period is 0 where 0 stands for the default.
 */
export function toYaml(configuration: KubeProxyConfiguration): string {
  return stringify(toApiObject(configuration), { lineWidth: 0 })
}

/** Writes the configuration as YAML, over what is there. Throws ConfigError. */
export function writeConfiguration(path: string, configuration: KubeProxyConfiguration): void {
  try {
    writeFileSync(path, toYaml(configuration))
  } catch (error) {
    throw new ConfigError('--write-config-to', `${path} cannot be written: ${fileErrorCode(error)}`)
  }
}

/** `ENOENT` and the like. */
export function fileErrorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

function parse(text: string, path: string): { root: Node; json: Readonly<Record<string, unknown>> } {
  const lineCounter = new LineCounter()
  const failure = (message: string, offset: number): ConfigError => {
    const { line, col } = lineCounter.linePos(offset)
    const [firstLine = message] = message.split('\n')
    return new ConfigError('--config', `${path}:${Math.max(line, 1)}:${Math.max(col, 1)}: ${firstLine}`)
  }
  try {
    const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: false, logLevel: 'error' })
    const [error] = document.errors
    if (error?.code === 'MULTIPLE_DOCS') throw failure('there is more than one document', error.pos[0])
    if (error !== undefined) throw failure(error.message, error.pos[0])
    const root: ParsedNode | null = document.contents
    if (!isMap(root)) throw failure('this is not an object', root?.range[0] ?? 0)
    // Through JSON: a tree of plain values, in which no alias leads back.
    return { root, json: JSON.parse(JSON.stringify(document.toJS())) as Record<string, unknown> }
  } catch (error) {
    if (error instanceof ConfigError) throw error
    // Unknown and circular aliases, so many that they would expand without bound, nesting without end.
    throw failure(error instanceof Error ? error.message : String(error), 0)
  }
}

/** The paths of keys that a map has already. */
function duplicates(node: unknown, path: string): readonly string[] {
  if (isSeq(node)) return node.items.flatMap((item, index) => duplicates(item, `${path}[${index}]`))
  if (!isMap(node)) return []
  const seen = new Set<string>()
  return node.items.flatMap(({ key, value }) => {
    const name = isScalar(key) ? String(key.value) : isNode(key) ? key.toString() : String(key)
    const at = `${path}.${name}`
    const isDuplicate = seen.has(name)
    seen.add(name)
    return [...(isDuplicate ? [at] : []), ...duplicates(value, at)]
  })
}
