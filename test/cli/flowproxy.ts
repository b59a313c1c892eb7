/** The program as people start it: a process of its own, in a network namespace that the test made. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { NetworkNamespace } from '../../src/netlink/namespace.ts'
import type { ProgramResult } from '../lab/program.ts'
import type { Requirement } from '../lab/requirements.ts'
import { until } from './until.ts'

export const examples = fileURLToPath(new URL('../../examples', import.meta.url))

/** Where and as whom the program runs; by default here and as we do. */
export type Surroundings = {
  readonly namespace?: NetworkNamespace
  /** Without root's rights, also if the test has them. */
  readonly isNobody?: boolean
  readonly env?: NodeJS.ProcessEnv
}

/** One line of `run`'s log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly level: number; readonly msg: string }

/** Longer than any command takes on a busy machine. */
const patienceMs = 30_000

/** The user and the group `nobody`. */
const nobody = 65534

/** Runs a command to its end. */
export async function flowproxy(args: readonly string[], surroundings: Surroundings = {}): Promise<ProgramResult> {
  const child = start(args, surroundings)
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { status: typeof status === 'number' ? status : undefined, stdout, stderr }
}

/** `flowproxy run` with these arguments; end it with `kill`, in any case with `close`. */
export class RunningProxy {
  /** What it wrote to stderr so far, line by line. */
  readonly log: LogLine[] = []
  readonly #child: ReturnType<typeof start>
  readonly #closed: Promise<unknown[]>

  constructor(args: readonly string[], surroundings: Surroundings) {
    const child = start(['run', '--logging-format=json', ...args], surroundings)
    this.#child = child
    this.#closed = once(child, 'close')
    createInterface(child.stderr).on('line', (line) => this.log.push(JSON.parse(line) as LogLine))
    child.stdout.resume()
  }

  /** The first line, from line `start` on, that has this message; waits for it. Throws when it does not come. */
  async logged(message: string | RegExp, start = 0): Promise<LogLine> {
    const isWanted = ({ msg }: LogLine): boolean => (typeof message === 'string' ? msg === message : message.test(msg))
    return until(
      () => this.log.slice(start).find(isWanted),
      () => `a log line ${String(message)} in\n${this.log.map((line) => JSON.stringify(line)).join('\n')}`,
    )
  }

  /** Waits until each of so many families is programmed. */
  async programmed(families = 2): Promise<void> {
    await until(
      () => this.log.filter(({ msg }) => msg === 'programmed').length >= families || undefined,
      () => `${families} tables to be programmed; the log is\n${JSON.stringify(this.log, undefined, 2)}`,
    )
  }

  /** Stops reading its log, as a log collector that has crashed. */
  closeLog(): void {
    this.#child.stderr.destroy()
  }

  /** Sends a signal and waits for the end. */
  async kill(signal: NodeJS.Signals): Promise<{ status: number | null; signal: NodeJS.Signals | null; ms: number }> {
    const sentAt = performance.now()
    this.#child.kill(signal)
    await this.#closed
    return {
      status: this.#child.exitCode,
      signal: this.#child.signalCode,
      ms: performance.now() - sentAt,
    }
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }
}

/** Starts a command; whoever does must wait for its end. */
export function start(args: readonly string[], { namespace, isNobody = false, env = process.env }: Surroundings) {
  const spawnIt = () =>
    spawn(process.execPath, [mainFile, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: patienceMs,
      killSignal: 'SIGKILL',
      ...(isNobody && process.getuid?.() === 0 && { uid: nobody, gid: nobody }),
    })
  return namespace === undefined ? spawnIt() : namespace.run(spawnIt)
}

/** The user nobody can read this checkout: a home directory is often closed to others. */
export const readableByNobody: Requirement = () => {
  if (process.getuid?.() !== 0) return undefined
  const { status } = spawnSync(process.execPath, [mainFile, '--version'], { uid: nobody, gid: nobody, cwd: '/' })
  return status === 0 ? undefined : 'a checkout that every user can read'
}

const mainFile = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
