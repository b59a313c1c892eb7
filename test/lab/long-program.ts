import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { eventually } from './eventually.ts'

const keptOutputBytes = 64_000

/** A program that runs beside the test, in the network namespace of this thread; it dies with this process at the latest. */
export class Program {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  #output = ''

  constructor(path: string, args: readonly string[], env = process.env) {
    this.#child = spawn('setpriv', ['--pdeathsig=KILL', path, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env })
    this.#exited = once(this.#child, 'close')
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-keptOutputBytes)
      })
    }
  }

  /** What it wrote last. */
  get lastOutput(): string {
    return this.#output
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Waits for text in its output. */
  async said(text: RegExp): Promise<void> {
    await eventually(
      () => text.test(this.#output) || undefined,
      () => `${String(text)} in\n${this.#output}`,
    )
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Waits until it is gone; the exit code is null when a signal killed it. */
  async exited(): Promise<number | null> {
    await this.#exited
    return this.#child.exitCode
  }

  /** Sends a signal that ends it, at once by default, and waits as `exited` does. */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    this.#child.kill(signal)
    return this.exited()
  }
}

/** A TCP port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new RangeError('a TCP server has a port')
  return address.port
}
