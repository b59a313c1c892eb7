import { statSync } from 'node:fs'

/** Which API server, and as whom. */
export interface CredentialsRequest {
  /** Path of a kubeconfig, whose current context is used. Empty without `master`: the pod's service account. */
  readonly kubeconfig: string
  /** Address that is used instead of the kubeconfig's server; empty when it is not. */
  readonly master: string
  /** The directory that the service account's files are looked for in, by default the root directory. */
  readonly rootDirectory?: string
}

/** All that it takes to connect to an API server; text in PEM where it is one of certificates and keys. */
export interface Credentials {
  /** URL, possibly with a path that all requests get in front. */
  readonly server: string
  readonly tls: {
    /** The authorities that may have signed the server's certificate. */
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
    /** The name that the server's certificate must be for, when it is not the server's host. */
    readonly servername?: string
    readonly rejectUnauthorized: boolean
  }
  /** `Authorization` and the like. */
  readonly headers: Readonly<Record<string, string>>
  /** http, https or socks5 URL. */
  readonly proxyUrl?: string
  /** The files that all this came from. */
  readonly files: readonly CredentialFile[]
  /** Milliseconds since 1970, when that is known. */
  readonly expiresAtMs?: number
}

export interface CredentialFile {
  readonly path: string
  /** As `fileSignature` gave it before the file was read. */
  readonly signature: string
}

/** There are no credentials; the message names the file and the field. */
export class CredentialsError extends Error {
  readonly code = 'ERR_CREDENTIALS'

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CredentialsError'
  }
}

/** Changes when the file, or the file that a link leads to, is written, replaced or removed. */
export function fileSignature(path: string): string {
  try {
    const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true })
    return `${dev}:${ino}:${size}:${mtimeNs}`
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}

/** Whether a connection made with the one would do for the other. */
export function haveSameConnection(one: Credentials, other: Credentials): boolean {
  return connectionKey(one) === connectionKey(other)
}

/** Whether the API server would see any difference. */
export function areSameCredentials(one: Credentials, other: Credentials): boolean {
  return haveSameConnection(one, other) && JSON.stringify(one.headers) === JSON.stringify(other.headers)
}

function connectionKey({ server, tls, proxyUrl }: Credentials): string {
  return JSON.stringify([server, tls.ca, tls.cert, tls.key, tls.servername, tls.rejectUnauthorized, proxyUrl])
}
