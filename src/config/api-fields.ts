import { durationWords, formatDuration, readDuration } from './duration.ts'
import type { ConfigProblem } from './errors.ts'

/** Where a reader stands in an API object, and where it puts what it finds wrong. */
export type Place = {
  readonly path: string
  readonly problems: ConfigProblem[]
  readonly unknownFields: UnknownField[]
}

export type UnknownField = {
  readonly path: string
  /** The field of that object whose name differs by case only. */
  readonly meant?: string
}

/** A field of an API object: what it is when it is not there, how it is read from JSON, how it is written. */
export type Field<Value> = {
  /** The value when the field is absent or null. */
  readonly preset: Value
  /** Notes a problem and returns the preset for what is of the wrong type. */
  readonly read: (json: unknown, place: Place) => Value
  readonly write: (value: Value) => unknown
}

export type ValueOf<F> = F extends { readonly preset: infer Value } ? Value : never

export function text(preset = ''): Field<string> {
  return scalar(preset, 'a string', (json) => (typeof json === 'string' ? json : undefined))
}

export function bool(preset = false): Field<boolean> {
  return scalar(preset, 'true or false', (json) => (typeof json === 'boolean' ? json : undefined))
}

/** A whole number of 32 bits, signed as most numbers of the Kubernetes API are. */
export function int32(preset = 0): Field<number> {
  return integer(preset, -(2 ** 31), 2 ** 31 - 1)
}

export function uint32(preset = 0): Field<number> {
  return integer(preset, 0, 2 ** 32 - 1)
}

export function float(preset = 0): Field<number> {
  return scalar(preset, 'a number', (json) => (Number.isFinite(json) ? (json as number) : undefined))
}

/** In milliseconds; in the file a string such as `1m30s`. */
export function duration(presetMs = 0): Field<number> {
  return {
    ...scalar(presetMs, durationWords, (json) => (typeof json === 'string' ? readDuration(json) : undefined)),
    write: formatDuration,
  }
}

/** In milliseconds; in the file a string, or a whole number of nanoseconds. */
export function durationOrNs(presetMs: number): Field<number> {
  const field = duration(presetMs)
  return {
    ...field,
    read: (json, place) => (Number.isSafeInteger(json) ? Number(json) / 1e6 : field.read(json, place)),
  }
}

/** An amount as Kubernetes writes it (resource.Quantity), kept as text: `0`, `512`, `1.5Mi`, `10k`. */
export function quantity(preset = '0'): Field<string> {
  return scalar(preset, quantityWords, (json) => {
    const text = typeof json === 'number' ? String(json) : json
    return typeof text === 'string' && isQuantity(text) ? text : undefined
  })
}

export const quantityWords = 'an amount such as 512, 10k or 1.5Mi'

export function isQuantity(text: string): boolean {
  return /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[KMGTPE]i|[numkMGTPE]|[eE][-+]?\d+)?$/.test(text)
}

export function list<Value>(element: Field<Value>): Field<readonly Value[]> {
  return {
    preset: [],
    read: (json, place) => {
      if (!Array.isArray(json)) return wrong([], json, 'a list', place)
      return json.map((value: unknown, index) => readField(element, value, below(place, `[${index}]`)))
    },
    write: (values) => values.map(element.write),
  }
}

export function map<Value>(element: Field<Value>): Field<Readonly<Record<string, Value>>> {
  return {
    preset: {},
    read: (json, place) => {
      if (!isObject(json)) return wrong({}, json, 'a map', place)
      const entries = Object.entries(json).map(
        ([key, value]) => [key, readField(element, value, below(place, `.${key}`))] as const,
      )
      return Object.fromEntries(entries)
    },
    write: (values) =>
      Object.fromEntries(Object.entries(values).map(([key, value]) => [key, element.write(value)] as const)),
  }
}

/** A field of any type, where only the type of the whole object matters. */
type AnyField = {
  readonly preset: unknown
  readonly read: (json: unknown, place: Place) => unknown
  readonly write: (value: never) => unknown
}
type ObjectOf<Fields> = {
  readonly [Name in keyof Fields]: Fields[Name] extends { readonly preset: infer V } ? V : never
}

/** An object with these fields; others are noted as unknown. Its preset is the object of presets. */
export function object<Fields extends Readonly<Record<string, AnyField>>>(fields: Fields): Field<ObjectOf<Fields>> {
  type Value = ObjectOf<Fields>
  const build = (valueOf: (name: string, field: AnyField) => unknown): Record<string, unknown> =>
    Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, valueOf(name, field)]))
  const preset = build((_name, field) => field.preset) as Value
  return {
    preset,
    read: (json, place) => {
      if (!isObject(json)) return wrong(preset, json, 'an object', place)
      for (const name of Object.keys(json)) {
        if (!Object.hasOwn(fields, name)) place.unknownFields.push(unknownField(fields, name, place))
      }
      return build((name, field) =>
        readField(field, Object.hasOwn(json, name) ? json[name] : undefined, below(place, `.${name}`)),
      ) as Value
    },
    write: (value) => build((name, field) => field.write(value[name] as never)),
  }
}

/** The same field, for which zero or empty text stands for its preset too. */
export function filled<Value extends string | number>(field: Field<Value>): Field<Value> {
  return {
    ...field,
    read: (json, place) => {
      const value = field.read(json, place)
      return value === '' || value === 0 ? field.preset : value
    },
  }
}

/** A value as a short piece of JSON, for messages. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}

function scalar<Value extends string | number | boolean>(
  preset: Value,
  expected: string,
  accept: (json: unknown) => Value | undefined,
): Field<Value> {
  return {
    preset,
    read: (json, place) => accept(json) ?? wrong(preset, json, expected, place),
    write: (value) => value,
  }
}

function readField<Value>(
  field: { preset: Value; read: (json: unknown, place: Place) => Value },
  json: unknown,
  place: Place,
): Value {
  return json === undefined || json === null ? field.preset : field.read(json, place)
}

function wrong<Value>(preset: Value, json: unknown, expected: string, place: Place): Value {
  place.problems.push({ field: place.path, message: `${show(json)} is not ${expected}` })
  return preset
}

function unknownField(fields: object, name: string, { path }: Place): UnknownField {
  const meant = Object.keys(fields).find((known) => known.toLowerCase() === name.toLowerCase())
  return { path: `${path}.${name}`, ...(meant === undefined ? {} : { meant }) }
}

function below(place: Place, step: string): Place {
  return { ...place, path: place.path + step }
}

function integer(preset: number, min: number, max: number): Field<number> {
  return {
    preset,
    read: (json, place) => {
      if (!Number.isInteger(json)) return wrong(preset, json, 'an integer', place)
      const value = json as number
      return value >= min && value <= max ? value : wrong(preset, value, `an integer from ${min} to ${max}`, place)
    },
    write: (value) => value,
  }
}

function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}
