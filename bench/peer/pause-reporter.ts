/*
 * Loaded into a program with --import: when the program ends, writes what stopped its event loop, as JSON, to the file
 * that the environment names.
 */
import { writeFileSync } from 'node:fs'
import { constants, monitorEventLoopDelay, PerformanceObserver, type PerformanceEntry } from 'node:perf_hooks'
import { type Pauses, pausesFileVariable } from './pauses.ts'

const resolutionMs = 1
const kinds = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
])

const collections: Record<string, { count: number; totalMs: number; longestMs: number }> = {}
const delay = monitorEventLoopDelay({ resolution: resolutionMs })
delay.enable()
const observer = new PerformanceObserver((list) => add(list.getEntries()))
observer.observe({ entryTypes: ['gc'] })
process.on('exit', () => {
  add(observer.takeRecords())
  const pauses: Pauses = { longestBlockMs: delay.max / 1e6 - resolutionMs, collections }
  const file = process.env[pausesFileVariable]
  if (file !== undefined) writeFileSync(file, JSON.stringify(pauses))
})

function add(entries: readonly PerformanceEntry[]): void {
  for (const entry of entries) {
    const { duration, detail } = entry as PerformanceEntry & { readonly detail: { readonly kind: number } }
    const kind = kinds.get(detail.kind) ?? 'other'
    const { count, totalMs, longestMs } = collections[kind] ?? { count: 0, totalMs: 0, longestMs: 0 }
    collections[kind] = {
      count: count + 1,
      totalMs: totalMs + duration,
      longestMs: Math.max(longestMs, duration),
    }
  }
}
