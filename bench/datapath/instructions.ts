import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

/** Instructions inside the kernel, which is where a connection is made. */
const event = 'instructions:k'
/** perf does not say when it has begun. */
const attachMs = 300

/** Undefined where perf counts instructions, else why it does not. */
export function whyNotCounted(): string | undefined {
  const { error, stderr } = spawnSync('perf', ['stat', '-x,', '-e', event, 'true'], { encoding: 'utf8' })
  if (error !== undefined) return `perf cannot be run (${error.message})`
  return countOf(stderr) === undefined ? `this machine does not count ${event}` : undefined
}

/** What a process executes in the kernel while something is done. */
export async function instructionsDuring(pid: number, work: () => Promise<unknown>): Promise<number | undefined> {
  const child = spawn('perf', ['stat', '-x,', '-e', event, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] })
  const output = text(child.stderr)
  await once(child, 'spawn')
  await sleep(attachMs)
  await work()
  child.kill('SIGINT')
  return countOf(await output)
}

/** From a line of `perf stat -x,`: the count is the first field, or says that it is not supported. */
export function countOf(output: string): number | undefined {
  const line = output.split('\n').find((line) => line.includes(event))
  const count = Number(line?.split(',')[0] ?? Number.NaN)
  return Number.isFinite(count) ? count : undefined
}
