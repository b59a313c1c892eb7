/** What keeps the agent from working; the message says what to mend. */
export class StartError extends Error {
  readonly code = 'ERR_START'

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StartError'
  }
}
