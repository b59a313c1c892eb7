/* The program under test as people start it, in the router's namespace. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Manifest, manifestText } from '../../cli/manifests.ts'
import { addresses, podRanges, router } from './lab.ts'
import { connectIn } from './sockets.ts'

/** One line of its log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly level: number; readonly msg: string }

const program = fileURLToPath(
  new URL(`../../../src/cli/main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
)
const metricsPort = 10249
/** An emulated processor needs ten seconds to start the program. */
const patienceMs = 90_000

/** `flowproxy run` with a directory of manifests; end it with `kill`. */
export class Proxy {
  readonly log: LogLine[] = []
  readonly #child: ChildProcess
  readonly #directory = mkdtempSync(join(tmpdir(), 'flowproxy-guest-'))
  #mistakes = ''

  constructor(flags: readonly string[], objects: readonly Manifest[]) {
    this.write(objects)
    const args = [
      'run',
      '--manifests',
      this.#directory,
      '--hostname-override=node-a',
      `--cluster-cidr=${podRanges}`,
      `--metrics-bind-address=127.0.0.1:${metricsPort}`,
      '--logging-format=json',
      ...flags,
    ]
    this.#child = router.namespace.run(() =>
      spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'pipe'] }),
    )
    const { stderr } = this.#child
    if (stderr === null) throw new TypeError('stderr is a pipe')
    createInterface(stderr).on('line', (line) => {
      if (line.startsWith('{')) this.log.push(JSON.parse(line) as LogLine)
      else this.#mistakes += `${line}\n`
    })
  }

  /** Starts it and waits until both families are programmed. */
  static async start(flags: readonly string[], objects: readonly Manifest[]): Promise<Proxy> {
    const proxy = new Proxy(flags, objects)
    await proxy.until(() => proxy.log.filter(({ msg }) => msg === 'programmed').length >= 2, 'two tables')
    return proxy
  }

  /** What the cluster is from now on. */
  write(objects: readonly Manifest[]): void {
    writeFileSync(join(this.#directory, 'cluster.yaml'), manifestText([node, ...objects]))
  }

  /** Waits for what must come. Throws with the log when it does not. */
  async until(isThere: () => boolean | Promise<boolean>, wanted: string): Promise<void> {
    const deadline = performance.now() + patienceMs
    while (!(await isThere())) {
      const isOver = performance.now() > deadline || this.#child.exitCode !== null
      if (isOver)
        throw new Error(`no ${wanted}:\n${this.#mistakes}${this.log.map((line) => JSON.stringify(line)).join('\n')}`)
      await sleep(50)
    }
  }

  /** Waits for a line, from line `start` on. */
  async logged(message: RegExp, start = 0): Promise<void> {
    await this.until(() => this.log.slice(start).some(({ msg }) => message.test(msg)), `line ${message.source}`)
  }

  /** A metric's value by its name with labels; undefined when it is not there. */
  async metric(name: string): Promise<number | undefined> {
    const socket = connectIn(router.namespace, '127.0.0.1', metricsPort)
    socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    const lines = (await text(socket)).split('\n')
    socket.destroy()
    const line = lines.find((each) => each.startsWith(`${name} `))
    return line === undefined ? undefined : Number(line.slice(name.length + 1))
  }

  async kill(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill(signal)
      await once(this.#child, 'close')
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** Runs another command of the program to its end in the router's namespace. */
export async function flowproxy(...args: readonly string[]): Promise<{ status: number | null; output: string }> {
  const child = router.namespace.run(() => spawn(process.execPath, [program, ...args], { stdio: 'pipe' }))
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { status: child.exitCode, output: output + errors }
}

const node: Manifest = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'node-a' },
  status: {
    addresses: [
      { type: 'InternalIP', address: addresses.IPv4.router },
      { type: 'InternalIP', address: addresses.IPv6.router },
    ],
  },
}
