/** Something wrong with a manifest file, its directory, or an object in it. */
export interface ManifestProblem {
  /** `error`: the file or directory could not be read at all. `warning`: a part was left out, the rest is in use. */
  readonly severity: 'error' | 'warning'
  readonly file: string
  /** From 1; only for text that does not parse. */
  readonly line?: number
  readonly column?: number
  readonly message: string
}

/** One line, in the form that editors and terminals turn into a link: `manifests/cart.yaml:3:7: ...`. */
export function formatProblem(problem: ManifestProblem): string {
  const place = problem.line === undefined ? '' : `:${problem.line}:${problem.column ?? 1}`
  return `${problem.file}${place}: ${problem.message}`
}
