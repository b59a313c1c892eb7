export type ConfigProblem = {
  /** The flag (`--masquerade-bit`) or field path (`KubeProxyConfiguration.conntrack.min`). */
  readonly field: string
  readonly message: string
}

/** Flags or configuration fields with values that cannot be used; the command line prints one line for each and exits with 2. */
export class ConfigError extends Error {
  readonly code = 'ERR_CONFIG'
  /** The field of the first problem. */
  readonly field: string
  readonly problems: readonly ConfigProblem[]

  constructor(field: string, message: string, others: readonly ConfigProblem[] = []) {
    const problems = [{ field, message }, ...others]
    super(problems.map(({ field, message }) => `${field}: ${message}`).join('\n'))
    this.name = 'ConfigError'
    this.field = field
    this.problems = problems
  }
}

/** Throws one ConfigError for all problems, if there are any. */
export function refuse([first, ...others]: readonly ConfigProblem[]): void {
  if (first !== undefined) throw new ConfigError(first.field, first.message, others)
}
