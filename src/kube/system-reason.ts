import { getSystemErrorMessage } from 'node:util'

/** What the system answered, without what was asked: `ENOENT: no such file or directory`. */
export function systemReason(error: unknown): string {
  const { code, errno } = error as NodeJS.ErrnoException
  if (code !== undefined && errno !== undefined) return `${code}: ${getSystemErrorMessage(errno)}`
  return firstLine(error instanceof Error ? error.message : String(error))
}

/** The first line that says something. */
export function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0]?.trim() ?? ''
}
