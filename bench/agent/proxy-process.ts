import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { monotonicMs } from '../monotonic.ts'

/** How long a proxy may take to end. */
const stopPatienceMs = 20_000

/** The proxy that is measured; what it writes goes to a file. */
export class ProxyProcess {
  readonly startedAtMs: number
  readonly pid: number
  readonly #child: ChildProcess
  readonly #logFile: string

  constructor([program = '', ...args]: readonly string[], logFile: string) {
    this.#logFile = logFile
    const log = openSync(logFile, 'w')
    this.startedAtMs = monotonicMs()
    this.#child = spawn(program, args, { stdio: ['ignore', log, log] })
    closeSync(log)
    this.#child.on('error', () => {})
    if (this.#child.pid === undefined) throw new Error(`${program} could not be started`)
    this.pid = this.#child.pid
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The end of what it wrote. */
  logTail(): string {
    return readFileSync(this.#logFile, 'utf8').slice(-3000)
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopPatienceMs)
    await exited
    clearTimeout(timer)
  }
}
