/**
 * A process that finds out the credentials for the API server, sends them to the process that forked it, and ends. It
 * exists for its memory: the library it loads takes 80 MB, and a worker thread would not give them back.
 */
import { CredentialsError } from './credentials.ts'
import type { Credentials, CredentialsRequest } from './credentials.ts'
import { resolveCredentials } from './resolve-credentials.ts'

export type CredentialsAnswer = { readonly credentials: Credentials } | { readonly problem: string }

process.on('disconnect', () => process.exit())
const answer = await answerTo(JSON.parse(process.argv[2] ?? '') as CredentialsRequest)
process.send?.(answer, () => process.disconnect())

async function answerTo(request: CredentialsRequest): Promise<CredentialsAnswer> {
  try {
    return { credentials: await resolveCredentials(request) }
  } catch (error) {
    if (error instanceof CredentialsError) return { problem: error.message }
    // A message of unknown origin may quote anything.
    const { name, code } = error as NodeJS.ErrnoException
    return { problem: `credentials cannot be found out: ${name}${code === undefined ? '' : ` ${code}`}` }
  }
}
