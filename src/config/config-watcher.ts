import { type FSWatcher, readFileSync, readlinkSync, statSync, watch } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileErrorCode } from './configuration-file.ts'
import { ConfigError } from './errors.ts'

/** A file that changes is read until it has been the same for this long: it may be half written. */
const quietMs = 100

/** Notifications can be lost, and none tells that a directory in the path now is another one. */
const pollMs = 5_000

/** More links in a row than this are taken for a circle, as the kernel does. */
const maxLinks = 40

export type ConfigWatcherOptions<Value> = {
  readonly path: string
  /** The content that is in force. */
  readonly text: string
  /** What new content means; a ConfigError makes it a problem. */
  readonly parse: (text: string) => Value
  /** Called when there is other content than the one in force; it is in force from then on. */
  readonly onChange: (value: Value) => void
  /** Called once when content cannot be used or the file is gone; what is in force stays so. */
  readonly onProblem: (message: string) => void
  readonly quietMs?: number
  readonly pollMs?: number
}

/**
 * Follows the content of one file, however it changes: written in place, renamed over, behind a link that leads
 * elsewhere (as a mounted ConfigMap is renewed), or vanished and returned.
 */
export class ConfigWatcher<Value> {
  readonly #options: ConfigWatcherOptions<Value>
  readonly #quietMs: number
  readonly #pollMs: number
  /** By directory and inode. */
  #watchers = new Map<string, FSWatcher>()
  #inForce: string
  /** The content that was looked at last, usable or not. */
  #seen: string | undefined
  /** Other content, to be looked at if it is still the same after a while. */
  #candidate: string | undefined
  #isMissing = false
  #lookTimer: NodeJS.Timeout | undefined
  #pollTimer: NodeJS.Timeout | undefined

  constructor(options: ConfigWatcherOptions<Value>) {
    this.#options = options
    this.#quietMs = options.quietMs ?? quietMs
    this.#pollMs = options.pollMs ?? pollMs
    this.#inForce = options.text
    this.#seen = options.text
  }

  /** From here on changes are told; one since `text` was read, too. */
  start(): void {
    this.#pollTimer = setInterval(() => this.#lookSoon(), this.#pollMs)
    this.#look()
  }

  /** Releases watchers and timers; nothing is told afterwards. */
  close(): void {
    clearTimeout(this.#lookTimer)
    clearInterval(this.#pollTimer)
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }

  #lookSoon(): void {
    this.#lookTimer ??= setTimeout(() => this.#look(), this.#quietMs)
  }

  #look(): void {
    clearTimeout(this.#lookTimer)
    this.#lookTimer = undefined
    this.#watch()
    const text = this.#read()
    if (text === undefined || text === this.#seen) {
      this.#candidate = undefined
    } else if (text === this.#candidate) {
      this.#candidate = undefined
      this.#seen = text
      this.#settle(text)
    } else {
      this.#candidate = text
      this.#lookSoon()
    }
  }

  #read(): string | undefined {
    const { path, onProblem } = this.#options
    try {
      const text = readFileSync(path, 'utf8')
      this.#isMissing = false
      return text
    } catch (error) {
      if (!this.#isMissing)
        onProblem(`${path} cannot be read: ${fileErrorCode(error)}; the configuration stays as it is`)
      this.#isMissing = true
      return undefined
    }
  }

  #settle(text: string): void {
    if (text === this.#inForce) return
    const { parse, onChange, onProblem } = this.#options
    let value: Value
    try {
      value = parse(text)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      onProblem(`${error.message}; the configuration stays as it is`)
      return
    }
    this.#inForce = text
    onChange(value)
  }

  /** Watches the directories that the file and the links to it are in, as they are now. */
  #watch(): void {
    const before = this.#watchers
    this.#watchers = new Map()
    for (const [key, directory] of directoriesOf(this.#options.path)) {
      const watcher = before.get(key) ?? this.#openWatcher(key, directory)
      before.delete(key)
      if (watcher !== undefined) this.#watchers.set(key, watcher)
    }
    for (const watcher of before.values()) watcher.close()
  }

  /** Undefined when it cannot be watched; then the next poll sees what changes. */
  #openWatcher(key: string, directory: string): FSWatcher | undefined {
    try {
      const watcher = watch(directory, () => this.#lookSoon())
      return watcher.on('error', () => {
        watcher.close()
        if (this.#watchers.get(key) === watcher) this.#watchers.delete(key)
      })
    } catch {
      return undefined
    }
  }
}

/** The directories on the way from link to link, by name and inode: after a swap the same name is another one. */
function directoriesOf(path: string): ReadonlyMap<string, string> {
  const directories = new Map<string, string>()
  let file: string | undefined = resolve(path)
  for (let links = 0; file !== undefined && links < maxLinks; links++) {
    const directory = dirname(file)
    const stats = ifThere(() => statSync(directory))
    if (stats !== undefined) directories.set(`${directory}:${stats.dev}:${stats.ino}`, directory)
    const target: string | undefined = ifThere(() => readlinkSync(file as string))
    file = target === undefined ? undefined : resolve(directory, target)
  }
  return directories
}

/** Undefined for what is not there, or is no link, or may not be looked at. */
function ifThere<Value>(look: () => Value): Value | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}
