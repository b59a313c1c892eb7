/** What the API server answers when it does not do what was asked. */
export class StatusError extends Error {
  readonly code: number
  readonly reason: string

  constructor(code: number, reason: string, message: string) {
    super(message)
    this.name = 'StatusError'
    this.code = code
    this.reason = reason
  }
}

/** The Status object of a failure. */
export function statusText({ code, reason, message }: StatusError): string {
  return JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code })
}

export function badRequest(message: string): StatusError {
  return new StatusError(400, 'BadRequest', message)
}

export function notFound(): StatusError {
  return new StatusError(404, 'NotFound', 'the server could not find the requested resource')
}

/** The resource version is older than what is remembered. */
export function expired(version: number, oldest: number): StatusError {
  return new StatusError(410, 'Expired', `too old resource version: ${version} (${oldest})`)
}
