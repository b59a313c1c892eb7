import type { Warning } from './types.ts'

/** A JSON object of unknown content. */
export type Fields = Readonly<Record<string, unknown>>

/** Where a decoder stands in an object, and where it puts what it finds wrong. */
export interface Scope {
  readonly object: string
  /** The field path so far, empty at the top. */
  readonly path: string
  readonly warnings: Warning[]
}

/** The scope of a field below. */
export function within(scope: Scope, path: string): Scope {
  return { object: scope.object, path: fieldPath(scope, path), warnings: scope.warnings }
}

export function warn(scope: Scope, field: string, message: string): void {
  scope.warnings.push({ object: scope.object, field: fieldPath(scope, field), message })
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The readers below return undefined for an absent or null field silently, and for one of the wrong type with a warning. */
export function readString(scope: Scope, fields: Fields, name: string): string | undefined {
  const value = fields[name]
  if (typeof value === 'string') return value
  return absent(scope, name, value, 'a string')
}

export function readBoolean(scope: Scope, fields: Fields, name: string): boolean | undefined {
  const value = fields[name]
  if (typeof value === 'boolean') return value
  return absent(scope, name, value, 'true or false')
}

/** A whole number from `min` to `max`, both included. */
export function readInteger(scope: Scope, fields: Fields, name: string, min: number, max: number): number | undefined {
  const value = fields[name]
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  return absent(scope, name, value, `a whole number from ${min} to ${max}`)
}

export function readWord<Word extends string>(
  scope: Scope,
  fields: Fields,
  name: string,
  words: readonly Word[],
): Word | undefined {
  const value = fields[name]
  const word = words.find((word) => word === value)
  return word ?? absent(scope, name, value, `one of ${words.join(', ')}`)
}

export function readFields(scope: Scope, fields: Fields, name: string): Fields | undefined {
  const value = fields[name]
  if (isFields(value)) return value
  return absent(scope, name, value, 'an object')
}

/** What `decode` makes of the elements that are objects, without those for which it returns undefined. */
export function readObjects<Value>(
  scope: Scope,
  fields: Fields,
  name: string,
  decode: (scope: Scope, fields: Fields) => Value | undefined,
): readonly Value[] {
  return readEach(scope, fields, name, (element, at) => {
    return isFields(element) ? decode(within(scope, at), element) : wrong(scope, at, element, 'an object')
  })
}

/** The elements that are strings, or undefined when there is no array at all. */
export function readStrings(scope: Scope, fields: Fields, name: string): readonly string[] | undefined {
  if (fields[name] === undefined || fields[name] === null) return undefined
  return readEach(scope, fields, name, (element, at) =>
    typeof element === 'string' ? element : wrong(scope, at, element, 'a string'),
  )
}

const none: readonly never[] = []

function readEach<Value>(
  scope: Scope,
  fields: Fields,
  name: string,
  read: (element: unknown, at: string) => Value | undefined,
): readonly Value[] {
  const values: Value[] = []
  for (const [index, element] of readList(scope, fields, name).entries()) {
    const value = read(element, `${name}[${index}]`)
    if (value !== undefined) values.push(value)
  }
  // An array that grew has room for 16 more, which is a lot when there are as many arrays as Services.
  return values.length === 0 ? none : values.slice()
}

export function readList(scope: Scope, fields: Fields, name: string): readonly unknown[] {
  const value = fields[name]
  if (Array.isArray(value)) return value
  absent(scope, name, value, 'an array')
  return []
}

/** A value as a short piece of JSON, for messages. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? typeof value
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}

function absent(scope: Scope, name: string, value: unknown, expected: string): undefined {
  return value === undefined || value === null ? undefined : wrong(scope, name, value, expected)
}

function wrong(scope: Scope, name: string, value: unknown, expected: string): undefined {
  warn(scope, name, `${show(value)} is not ${expected}`)
}

function fieldPath(scope: Scope, field: string): string {
  return scope.path === '' ? field : `${scope.path}.${field}`
}
