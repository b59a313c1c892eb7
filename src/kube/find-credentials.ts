import { credentialsFor } from './access-credentials.ts'
import { findAccess } from './cluster-access.ts'
import type { Credentials, CredentialsRequest } from './credentials.ts'
import { forkCredentials } from './fork-credentials.ts'
import { plainAuthentication } from './plain-authentication.ts'

/** Credentials as they are now: read here if that is all it takes, else found out by a process of its own. Throws CredentialsError. */
export async function findCredentials(request: CredentialsRequest, signal: AbortSignal): Promise<Credentials> {
  const access = findAccess(request)
  const options = plainAuthentication(access)
  return options === undefined
    ? forkCredentials(request, signal)
    : credentialsFor(access, { options, expiresAtMs: undefined })
}
