import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CredentialsError } from './credentials.ts'
import type { Credentials, CredentialsRequest } from './credentials.ts'
import type { CredentialsAnswer } from './credentials-process.ts'

/** For an exec plugin that asks a server of its own, on a busy machine. */
const patienceMs = 60_000

const notNeeded = 'credentials are not needed any more'

/** This module runs as TypeScript or compiled, and so does its neighbour. */
const processPath = fileURLToPath(new URL(`./credentials-process${extname(import.meta.url)}`, import.meta.url))

/** Credentials as they are now, found out by a process of its own. Throws CredentialsError. */
export async function forkCredentials(request: CredentialsRequest, signal: AbortSignal): Promise<Credentials> {
  if (signal.aborted) throw new CredentialsError(notNeeded)
  const { promise, resolve, reject } = Promise.withResolvers<Credentials>()
  // A group of its own, to end an exec plugin too. What the library or a plugin prints would only puzzle.
  const child = fork(processPath, [JSON.stringify(request)], { stdio: 'ignore', execArgv: [], detached: true })
  const end = (reason: string): void => {
    reject(new CredentialsError(reason))
    if (child.pid !== undefined && !hasEnded(child)) process.kill(-child.pid, 'SIGKILL')
  }
  const abort = (): void => end(notNeeded)
  const timer = setTimeout(() => end(`credentials took longer than ${patienceMs / 1_000} s`), patienceMs)
  signal.addEventListener('abort', abort)
  child.on('message', (answer: CredentialsAnswer) => {
    if ('credentials' in answer) resolve(answer.credentials)
    else reject(new CredentialsError(answer.problem))
  })
  child.on('error', (error) => reject(new CredentialsError(`credentials process: ${error.message}`, { cause: error })))
  // By then all that it said has arrived, which is not so when it has only exited.
  child.on('disconnect', () => {
    const tell = (): void => {
      reject(
        new CredentialsError(`credentials process ended with ${child.signalCode ?? `exit code ${child.exitCode}`}`),
      )
    }
    if (hasEnded(child)) tell()
    else child.on('exit', tell)
  })
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}
