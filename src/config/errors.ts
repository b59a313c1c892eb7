/** A flag or configuration field with a value that cannot be used; the command line prints it in one line and exits with 2. */
export class ConfigError extends Error {
  readonly code = 'ERR_CONFIG'
  /** The flag (`--masquerade-bit`) or field path. */
  readonly field: string

  constructor(field: string, message: string) {
    super(`${field}: ${message}`)
    this.name = 'ConfigError'
    this.field = field
  }
}
