import type { ServerResponse } from 'node:http'
import { plainText, send } from './answers.ts'
import { negotiate } from './negotiate.ts'

/** What a page says: as lines for people, and as an object for programs. */
export type StructuredPage = { readonly text: string; readonly object: unknown }

/** Sends text, or JSON or YAML when the header Accept asks for it. */
export async function sendStructured(
  response: ServerResponse,
  accept: string | undefined,
  { text, object }: StructuredPage,
): Promise<void> {
  const format = negotiate(accept, ['text/plain', 'application/json', 'application/yaml'])
  switch (format) {
    case 'text/plain':
      send(response, 200, plainText, text)
      return
    case 'application/json':
      send(response, 200, format, JSON.stringify(object))
      return
    case 'application/yaml': {
      const { stringify } = await import('yaml')
      send(response, 200, format, stringify(object))
    }
  }
}

/** The flags and their values, by name. */
export function flagsPage(program: string, flags: Readonly<Record<string, string>>): StructuredPage {
  const sorted = Object.entries(flags).sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    text: `${program} flags\n\n${sorted.map(([name, value]) => `${name}=${value}\n`).join('')}`,
    object: {
      kind: 'Flagz',
      apiVersion: 'config.k8s.io/v1alpha1',
      metadata: { name: program },
      flags: Object.fromEntries(sorted),
    },
  }
}

export type Status = {
  readonly program: string
  readonly startTime: Date
  readonly now: Date
  /** Of what, to version. */
  readonly versions: Readonly<Record<string, string>>
  readonly paths: readonly string[]
}

/** Since when the program runs, what it is, and its pages. */
export function statusPage({ program, startTime, now, versions, paths }: Status): StructuredPage {
  const uptimeSeconds = Math.floor((now.getTime() - startTime.getTime()) / 1000)
  const lines = [
    `${program} status`,
    '',
    `started: ${startTime.toISOString()}`,
    `up: ${uptimeSeconds} s`,
    ...Object.entries(versions).map(([name, version]) => `${name}: ${version}`),
    `paths: ${paths.join(' ')}`,
    '',
  ]
  return {
    text: lines.join('\n'),
    object: {
      kind: 'Statusz',
      apiVersion: 'config.k8s.io/v1alpha1',
      metadata: { name: program },
      startTime,
      uptimeSeconds,
      versions,
      paths,
    },
  }
}
