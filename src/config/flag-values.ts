import { parseIp } from '../model/ip.ts'
import { isQuantity, quantityWords, show } from './api-fields.ts'
import { durationWords, readDuration } from './duration.ts'
import { type ConfigProblem, refuse } from './errors.ts'
import { attributeOf, type FlagKind, presetText, type RunFlag, runFlags } from './run-flag-table.ts'

/** Flags as commander collects them: only those that were given, as text, all texts of one that was repeated. */
export type RunFlags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

export type GivenFlag = { readonly flag: RunFlag; readonly value: unknown }

/** The values of the flags that were given. Throws ConfigError for all that have a wrong one. */
export function givenFlags(flags: RunFlags): readonly GivenFlag[] {
  const problems: ConfigProblem[] = []
  const given = runFlags.flatMap((flag) => {
    const raw = flags[attributeOf(flag)]
    if (raw === undefined) return []
    const value = readValue(flag, [raw].flat().map(String), problems)
    return value === undefined ? [] : [{ flag, value }]
  })
  refuse(problems)
  return given
}

/** The value of a flag, undefined when it was not given. */
export function valueOf(given: readonly GivenFlag[], name: string): unknown {
  return given.find(({ flag }) => flag.name === name)?.value
}

/** All flags by name, as they were given or else with their defaults. */
export function allFlagTexts(flags: RunFlags): Readonly<Record<string, string>> {
  const entries = runFlags.map((flag) => {
    const preset = presetText(flag) ?? (flag.kind === 'boolean' ? 'false' : '')
    const texts = [flags[attributeOf(flag)] ?? preset].flat()
    return [flag.name, repeats(flag.kind) ? texts.join(',') : String(texts.at(-1))] as const
  })
  return Object.fromEntries(entries)
}

/** Whether repeating the flag adds to it; of others the last one counts. */
function repeats(kind: FlagKind): boolean {
  return kind === 'list' || kind === 'gates' || kind === 'vmodule'
}

/** As it stands on the command line. */
export function nameOf({ name }: RunFlag): string {
  return name.length === 1 ? `-${name}` : `--${name}`
}

/** Undefined for a flag that counts as not given, and for one with a problem. */
function readValue(flag: RunFlag, texts: readonly string[], problems: ConfigProblem[]): unknown {
  const read = readers[flag.kind]
  const wrong = (text: string, expected: string): undefined => {
    problems.push({ field: nameOf(flag), message: `${show(text)} is not ${expected}` })
  }
  return read(texts.at(-1) ?? '', wrong, texts)
}

type Reader = (last: string, wrong: (text: string, expected: string) => undefined, texts: readonly string[]) => unknown

const readers: Readonly<Record<FlagKind, Reader>> = {
  boolean: (text, wrong) => readBoolean(text) ?? wrong(text, 'true or false'),
  text: (text) => text,
  integer: (text, wrong) => readInteger(text) ?? wrong(text, isInteger(text) ? int32Words : 'an integer'),
  number: (text, wrong) => (isNumber(text) ? Number(text) : wrong(text, 'a number')),
  duration: (text, wrong) => readDuration(text) ?? wrong(text, durationWords),
  ip: (text, wrong) => parseIp(text) ?? wrong(text, 'an IP address'),
  amount: (text, wrong) => (isQuantity(text) ? text : wrong(text, quantityWords)),
  'node-name': (text, wrong) =>
    text === '' ? undefined : text.trim().toLowerCase() || wrong(text, 'a name: there are only blanks'),
  // An empty address does not turn a server off: the default stays.
  'server-address': (text) => (text === '' ? undefined : text),
  list: (_last, _wrong, texts) => split(texts),
  gates: (_last, wrong, texts) => {
    const pairs = split(texts).map((pair) => {
      const [name = '', text = ''] = splitAt(pair, '=')
      return [name.trim(), readBoolean(text.trim()) ?? wrong(pair, 'a gate and its state, such as Gate=true')] as const
    })
    return pairs.every(([, isOn]) => isOn !== undefined) ? Object.fromEntries(pairs) : undefined
  },
  vmodule: (_last, wrong, texts) => {
    const entries = split(texts).map((pair) => {
      const [filePattern = '', text = ''] = splitAt(pair, '=')
      const verbosity = readInteger(text)
      if (verbosity === undefined) return wrong(pair, 'a file pattern and its verbosity, such as file=2')
      return { filePattern, verbosity }
    })
    return entries.includes(undefined) ? undefined : entries
  },
}

/** As Go's strconv.ParseBool. */
function readBoolean(text: string): boolean | undefined {
  if (/^(?:1|t|T|true|True|TRUE)$/.test(text)) return true
  return /^(?:0|f|F|false|False|FALSE)$/.test(text) ? false : undefined
}

const int32Words = `an integer from ${-(2 ** 31)} to ${2 ** 31 - 1}`

function isInteger(text: string): boolean {
  return /^[-+]?\d+$/.test(text)
}

function readInteger(text: string): number | undefined {
  const value = Number(text)
  return isInteger(text) && value >= -(2 ** 31) && value <= 2 ** 31 - 1 ? value : undefined
}

function isNumber(text: string): boolean {
  return /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(text) && Number.isFinite(Number(text))
}

function split(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => (text === '' ? [] : text.split(',')))
}

function splitAt(text: string, separator: string): readonly string[] {
  const at = text.indexOf(separator)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}
