import type { ClusterSize } from '../cluster.ts'

/** What stopped a program's event loop in its life; collections of garbage by their kind. */
export type Pauses = {
  /** Longer than any timer was late. */
  readonly longestBlockMs: number
  readonly collections: Readonly<Record<string, { count: number; totalMs: number; longestMs: number }>>
}

/** Names the environment variable with the file that bench/peer/pause-reporter.ts writes. */
export const pausesFileVariable = 'BENCH_PAUSES_FILE'

/** What bench/peer/measure-pauses.ts does: a start, endpoints replaced at an even rate, a rest. */
export type PausesTrial = ClusterSize & {
  readonly node: string
  /** The program's file and its arguments; `--config FILE` comes after them. */
  readonly program: readonly string[]
  readonly replacedEndpoints: number
  readonly restMs: number
}

export type PausesResult = ClusterSize & {
  readonly pauses: Pauses
  /** Of a second start, until the kernel has the cluster and a second on. */
  readonly profile: readonly ProfilePart[]
}

/** CPU time of the main thread in one part of a program. */
export type ProfilePart = { readonly part: string; readonly selfMs: number; readonly heaviest: readonly string[] }

/** What V8 writes with --cpu-prof, as far as it is read here. */
export type CpuProfile = {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string }
  }[]
  readonly samples: readonly number[]
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[]
}

const heaviestShown = 3

/** Where the time went, by folder of the program; built-in functions such as JSON.parse count for their caller. */
export function profileParts({ nodes, samples, timeDeltas }: CpuProfile): ProfilePart[] {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const parts = new Map<string, Map<string, number>>()
  for (const [index, sample] of samples.entries()) {
    const frame = frames.get(sample)
    if (frame === undefined || frame.functionName === '(idle)') continue
    const part = partOf(frame)
    const functions = parts.get(part) ?? new Map<string, number>()
    parts.set(part, functions)
    const name = frame.functionName === '' ? '(anonymous)' : frame.functionName
    functions.set(name, (functions.get(name) ?? 0) + (timeDeltas[index] ?? 0) / 1000)
  }
  return [...parts]
    .map(([part, functions]): ProfilePart => {
      const byTime = [...functions].toSorted(([, a], [, b]) => b - a)
      const selfMs = byTime.reduce((sum, [, ms]) => sum + ms, 0)
      return { part, selfMs, heaviest: byTime.slice(0, heaviestShown).map(([name]) => name) }
    })
    .toSorted((a, b) => b.selfMs - a.selfMs)
}

function partOf({ functionName, url }: { functionName: string; url: string }): string {
  if (functionName === '(garbage collector)') return 'garbage collection'
  if (functionName === '(program)') return 'native code'
  if (url.startsWith('node:') || url === '') return 'Node.js'
  if (url.includes('/node_modules/')) return 'libraries'
  return /\/(?:src|dist)\/([\w-]+)\//.exec(url)?.[1] ?? 'other'
}
