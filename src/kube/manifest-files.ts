import type { ManifestFile } from './manifest-listing.ts'
import { formatProblem } from './manifest-problem.ts'
import type { ManifestProblem } from './manifest-problem.ts'
import { parseManifest } from './manifest-text.ts'
import { ObjectClaims } from './object-claims.ts'
import type { ObjectEvent } from './types.ts'

/** How long a file that became empty keeps its last content: whoever truncates it is mostly about to write it. */
const emptySettleMs = 250

interface FileState {
  /** Of the text last seen, whether it could be used or not. */
  readonly signature: string
  /** The problems that the file has now, as text. */
  readonly problems: ReadonlySet<string>
}

/** What the files of a place say, each remembered as it last made sense. */
export class ManifestFiles {
  readonly #states = new Map<string, FileState>()
  readonly #emptyTimers = new Map<string, NodeJS.Timeout>()
  readonly #believedEmpty = new Set<string>()
  readonly #claims = new ObjectClaims()
  readonly #onEmptySettled: (file: string) => void
  #hasParsed = false

  /** `onEmptySettled` is called when a file has been empty for so long that reading it again will believe it. */
  constructor({ onEmptySettled }: { readonly onEmptySettled: (file: string) => void }) {
    this.#onEmptySettled = onEmptySettled
  }

  /** Whether any file could be used so far. */
  get hasParsed(): boolean {
    return this.#hasParsed
  }

  get names(): Iterable<string> {
    return this.#states.keys()
  }

  signature(file: string): string | undefined {
    return this.#states.get(file)?.signature
  }

  /** Takes over what was read from a file; returns the problems that the file did not have before. */
  apply(file: string, read: ManifestFile): readonly ManifestProblem[] {
    if (read.state === 'read') return this.#applyText(file, read.signature, read.text)
    if (read.state === 'unreadable') return this.#remember(file, '', [read.problem])
    if (read.state === 'gone') this.#forget(file)
    return []
  }

  takeEvents(): { readonly events: readonly ObjectEvent[]; readonly problems: readonly ManifestProblem[] } {
    return this.#claims.takeEvents()
  }

  close(): void {
    for (const timer of this.#emptyTimers.values()) clearTimeout(timer)
    this.#emptyTimers.clear()
  }

  #applyText(file: string, signature: string, text: string): readonly ManifestProblem[] {
    if (text === '' && this.#claims.hasClaims(file) && !this.#believedEmpty.has(file)) {
      this.#waitForContent(file)
      return this.#remember(file, signature, [])
    }
    this.#stopWaiting(file)
    const manifest = parseManifest(text, file)
    if (manifest.isParsed) {
      this.#hasParsed = true
      this.#claims.replace(file, manifest.objects)
    }
    return this.#remember(file, signature, manifest.problems)
  }

  #waitForContent(file: string): void {
    if (this.#emptyTimers.has(file)) return
    const settled = (): void => {
      this.#believedEmpty.add(file)
      this.#onEmptySettled(file)
    }
    this.#emptyTimers.set(file, setTimeout(settled, emptySettleMs))
  }

  #stopWaiting(file: string): void {
    clearTimeout(this.#emptyTimers.get(file))
    this.#emptyTimers.delete(file)
    this.#believedEmpty.delete(file)
  }

  #forget(file: string): void {
    this.#stopWaiting(file)
    this.#states.delete(file)
    this.#claims.replace(file, new Map())
  }

  #remember(file: string, signature: string, problems: readonly ManifestProblem[]): readonly ManifestProblem[] {
    const before = this.#states.get(file)?.problems
    this.#states.set(file, { signature, problems: new Set(problems.map(formatProblem)) })
    return problems.filter((problem) => !before?.has(formatProblem(problem)))
  }
}
